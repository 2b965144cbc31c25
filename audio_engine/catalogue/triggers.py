"""Triggers of the catalogue: they stamp the vectors, and list what has changed, whichever program changes it.

Each tuple is part of a migration (`catalogue.schema`): once released, it is never altered.
"""

# The stamp is random and redrawn with every change of a vector. A counter would not do: two diverged copies of a
# catalogue could reach the same count with different vectors. The newest changes are listed with the stamps that they
# led to, so that an index of an older stamp can be brought up to date.
NEW_STAMP = "lower(hex(randomblob(16)))"
STAMPING = (
    f"INSERT OR IGNORE INTO meta (name, value) VALUES ('vectors_stamp', {NEW_STAMP})",
    *(
        f"CREATE TRIGGER IF NOT EXISTS vectors_{event.lower()} AFTER {event} ON vectors "
        f"BEGIN UPDATE meta SET value = {NEW_STAMP} WHERE name = 'vectors_stamp'; END"
        for event in ("INSERT", "UPDATE", "DELETE")
    ),
)
COUNT_UP = "INSERT INTO n_vectors VALUES (NEW.model_id, 1) ON CONFLICT (model_id) DO UPDATE SET n = n + 1"
COUNT_DOWN = "UPDATE n_vectors SET n = n - 1 WHERE model_id = OLD.model_id"
LISTING_CHANGES = (
    """CREATE TABLE vector_changes (
        number INTEGER PRIMARY KEY,     -- rising
        track_id TEXT NOT NULL,
        model_id TEXT NOT NULL,
        stamp TEXT NOT NULL             -- the vectors_stamp after the change
    )""",
    "INSERT INTO vector_changes (track_id, model_id, stamp) "
    "SELECT '', '', value FROM meta WHERE name = 'vectors_stamp'",  # from here on changes are listed
    "CREATE TABLE n_vectors (model_id TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID",
    "INSERT INTO n_vectors SELECT model_id, count(*) FROM vectors GROUP BY model_id",
    *(f"DROP TRIGGER vectors_{event.lower()}" for event in ("INSERT", "UPDATE", "DELETE")),
    *(
        f"CREATE TRIGGER vectors_{event.lower()} AFTER {event} ON vectors BEGIN {count}"
        f"UPDATE meta SET value = {NEW_STAMP} WHERE name = 'vectors_stamp'; "
        f"INSERT INTO vector_changes (track_id, model_id, stamp) "
        f"SELECT {row}.track_id, {row}.model_id, value FROM meta WHERE name = 'vectors_stamp'; END"
        for event, row, count in (
            ("INSERT", "NEW", f"{COUNT_UP}; "),
            ("UPDATE", "NEW", ""),
            ("DELETE", "OLD", f"{COUNT_DOWN}; "),
        )
    ),
    "CREATE INDEX tracks_failed ON tracks (path) WHERE status = 'failed'",
    "CREATE INDEX tracks_with_warnings ON tracks (path) WHERE warnings != ''",
    "CREATE INDEX tracks_without_genre ON tracks (track_id) WHERE genre_predicted = ''",
)

# Names are indexed by `catalogue.names`: here it is only listed which are due.
NAME_COLUMNS = "path, title, artist, album, genre, status"
LISTING_NAMES = (
    """CREATE TABLE names (
        number INTEGER PRIMARY KEY,
        track_id TEXT NOT NULL UNIQUE,
        line TEXT NOT NULL              -- what an embedded track is called, folded
    )""",
    "CREATE TABLE names_due (track_id TEXT PRIMARY KEY) WITHOUT ROWID",
    "INSERT INTO names_due SELECT track_id FROM tracks",
    *(
        f"CREATE TRIGGER names_{event.split()[0].lower()} AFTER {event} ON tracks "
        f"BEGIN INSERT INTO names_due VALUES ({row}.track_id) ON CONFLICT DO NOTHING; END"
        for event, row in (("INSERT", "NEW"), (f"UPDATE OF {NAME_COLUMNS}", "NEW"), ("DELETE", "OLD"))
    ),
)
