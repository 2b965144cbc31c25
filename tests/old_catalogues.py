"""Takes a catalogue's file back to what an older version wrote, for tests of migrations."""

import re
import sqlite3

from audio_engine.catalogue.triggers import STAMPING

EVENTS = ("insert", "update", "delete")
COLUMNS = {  # by the version that brought them
    2: ("genre_predicted", "genre_probability"),
    4: ("warnings",),
    5: ("bpm", "key", "loudness_lufs", "description_error", "described_at"),
}


def take_back(database: sqlite3.Connection, version: int) -> None:
    """Drop what newer versions of the schema have added."""
    for event in EVENTS:
        database.execute(f"DROP TRIGGER vectors_{event}")
        database.execute(f"DROP TRIGGER names_{event}")
    for table in ("name_letters", "names", "names_due", "vector_changes", "n_vectors"):
        database.execute(f"DROP TABLE IF EXISTS {table}")
    for index in ("tracks_failed", "tracks_with_warnings", "tracks_without_genre"):
        database.execute(f"DROP INDEX {index}")
    without_comments(database)
    if version < 3:
        database.execute("DELETE FROM meta WHERE name = 'vectors_stamp'")
    else:
        for statement in STAMPING:
            database.execute(statement)
    for newer, columns in COLUMNS.items():
        for column in columns if newer > version else ():
            database.execute(f"ALTER TABLE tracks DROP COLUMN {column}")
    database.execute(f"PRAGMA user_version = {version}")


def without_comments(database: sqlite3.Connection) -> None:
    """Take the comments out of the table's definition: SQLite leaves that of a column it drops, and trips over it."""
    [(definition,)] = database.execute("SELECT sql FROM sqlite_master WHERE name = 'tracks'")
    database.execute("PRAGMA writable_schema = ON")
    plain = re.sub(r"--[^\n]*", "", definition)
    database.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'tracks'", (plain,))
    database.execute("PRAGMA writable_schema = RESET")
