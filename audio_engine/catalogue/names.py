"""Full-text index of what tracks are called: title, artist, album, genre and path, found by any part of a word.

SQLite's FTS5 keeps, for every three letters in a row, the tracks that have them, so that a word is found among a
million tracks in some milliseconds. Triggers of the catalogue list the tracks whose names have changed (`names_due`);
they are indexed in the same transaction by whoever changes them, and at the next search otherwise. Where SQLite has no
FTS5, nothing is indexed, and `search.text_search` compares every name.

References
----------
SQLite FTS5 extension, section 4.3.4, the trigram tokenizer: https://sqlite.org/fts5.html
"""

import logging
import os
import sqlite3
import unicodedata
from collections.abc import Sequence

from audio_engine.catalogue.connections import Connections
from audio_engine.catalogue.tag_text import normalised
from audio_engine.errors import CatalogueError

logger = logging.getLogger(__name__)

MAX_WORDS = 16  # of a query; what follows them is not looked at
N_LETTERS = 3  # in a row that are indexed: the parts of words that are shorter are looked for in every name
AT_A_TIME = 1_000  # names that are indexed in one transaction, so that others can write in between
N_RANKED = 512  # names that are ranked, if that is more than are asked for
INDEXING = (
    "CREATE VIRTUAL TABLE name_letters USING fts5("
    "line, content = 'names', content_rowid = 'number', tokenize = 'trigram case_sensitive 1')",
    "DELETE FROM names",
    "INSERT INTO names_due SELECT track_id FROM tracks WHERE TRUE ON CONFLICT DO NOTHING",
)


def folded(text: str) -> str:
    """Write text so that case, width and accents do not count, nor the semicolons between several artists.

    Examples
    --------
    >>> folded("  Motörhead; ÉTÉ")
    'motorhead ete'
    """
    name = normalised(text.replace(";", " "))
    if name.isascii():  # most names; ten times as fast
        return name
    letters = unicodedata.normalize("NFKD", name)
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def words_of(text: str) -> list[str]:
    """Split a query into words, folded."""
    return folded(text).split()[:MAX_WORDS]


def line_of(path: bytes, *tags: str) -> str:
    """Write what a track is called on one line: its tags and its path, folded, each with a blank before and after."""
    parts = [*tags, os.fsdecode(path).replace("/", " / ")]
    line = " \n ".join(["", *(folded(part) for part in parts), ""])
    return line.encode(errors="replace").decode()


def rank_of(line: str, words: Sequence[str]) -> tuple[bool, int, int]:
    """Rank a hit: the words in a row, then whole words before beginnings and parts of words, then the earlier field."""
    whole = sum(f" {word} " in line for word in words)
    begun = sum(f" {word}" in line for word in words)
    field = line.count("\n", 0, line.index(words[0]))
    return f" {' '.join(words)}" not in line, -(2 * whole + begun), field


class NameIndex:
    """The names of one catalogue's embedded tracks; threads may share it."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def all(self) -> list[tuple[str, str]]:
        """List the tracks by path: id, and what it is called (`line_of`)."""
        query = "SELECT track_id, path, title, artist, album, genre FROM tracks WHERE status = 'embedded' ORDER BY path"
        with self._connections.reading() as database:
            return [(row[0], line_of(*row[1:])) for row in database.execute(query)]

    def bring_up(self) -> bool:
        """Index all names that are due, some thousand at a time; False where that cannot be done."""
        while True:
            with self._connections.reading() as database:
                if is_indexed(database):
                    return can_index(database)
                if not can_index(database) or is_read_only(self._connections.main):
                    return False
            try:
                with self._connections.writing() as database:
                    index_names(database, AT_A_TIME)
            except CatalogueError as error:  # a full disk, another process that writes for minutes
                logger.warning("names are compared one by one, since they cannot be indexed: %s", error)
                return False

    def follow(self, n_changed: int) -> None:
        """Index the names of tracks that were changed in the caller's transaction, and some that were due before."""
        with self._connections.writing() as database:
            if can_index(database):
                index_names(database, n_changed + AT_A_TIME)

    def ranked(self, words: Sequence[str], k: int) -> list[str]:
        """Find the k tracks that fit some words best, of those that have them all; `bring_up` comes first.

        The best are those of `rank_of`, ties by path. Where more than `N_RANKED` have the words, those are ranked that
        have them in a row, or as whole words, or as beginnings of words.
        """
        with self._connections.reading() as database:
            return ranked_ids(database, words, k)

    def page(self, words: Sequence[str], *, limit: int, offset: int) -> tuple[list[str], int]:
        """Find the tracks that have every word: a page of them by path, and how many; `bring_up` comes first."""
        with self._connections.reading() as database:
            return page_ids(database, words, limit=limit, offset=offset)


def is_read_only(database: sqlite3.Connection) -> bool:
    """Tell whether a connection was opened for reading alone."""
    return bool(database.execute("PRAGMA query_only").fetchone()[0])


def can_index(database: sqlite3.Connection) -> bool:
    """Tell whether this Python's SQLite has FTS5 with three letters in a row (3.34)."""
    has = database.execute("SELECT count(*) FROM pragma_module_list WHERE name = 'fts5'").fetchone()[0]
    return bool(has) and sqlite3.sqlite_version_info >= (3, 34)


def is_indexed(database: sqlite3.Connection) -> bool:
    """Tell whether the index is there and has every track."""
    is_there = database.execute("SELECT count(*) FROM sqlite_master WHERE name = 'name_letters'").fetchone()[0]
    return bool(is_there) and not database.execute("SELECT EXISTS (SELECT 1 FROM names_due)").fetchone()[0]


def index_names(database: sqlite3.Connection, limit: int) -> int:
    """Index some of the names that are due, in the caller's transaction; returns how many there were."""
    if not database.execute("SELECT count(*) FROM sqlite_master WHERE name = 'name_letters'").fetchone()[0]:
        for statement in INDEXING:
            database.execute(statement)
    due = database.execute("SELECT track_id FROM names_due LIMIT ?", (limit,)).fetchall()
    for (track_id,) in due:
        _index_one(database, track_id)
    database.executemany("DELETE FROM names_due WHERE track_id = ?", due)
    return len(due)


def ranked_ids(database: sqlite3.Connection, words: Sequence[str], k: int) -> list[str]:
    """Find what `NameIndex.ranked` does."""
    if not _can_be_named(words):
        return []
    limit = max(k, N_RANKED)
    found: dict[str, tuple[str, bytes]] = {}  # line and path
    for parts, is_enough in _narrowing(words):
        hits = _hits(database, parts, limit)
        found |= {track_id: (line, path) for track_id, path, line in hits}
        if is_enough and len(found) >= k:
            break
    best = sorted(found, key=lambda track_id: (rank_of(found[track_id][0], words), found[track_id][1]))
    return best[:k]


def page_ids(database: sqlite3.Connection, words: Sequence[str], *, limit: int, offset: int) -> tuple[list[str], int]:
    """Find what `NameIndex.page` does."""
    if not _can_be_named(words):
        return [], 0
    where, values = _with_parts(words)
    query = f"SELECT track_id FROM {where} ORDER BY path LIMIT ? OFFSET ?"
    rows = database.execute(query, (*values, limit, offset)).fetchall()
    n_tracks = database.execute(f"SELECT count(*) FROM {where}", values).fetchone()[0]
    return [row[0] for row in rows], int(n_tracks)


def _can_be_named(words: Sequence[str]) -> bool:
    """Tell whether words have only letters that SQLite takes: no name has others."""
    return not any("\0" in word or "\ud800" <= letter <= "\udfff" for word in words for letter in word)


def _index_one(database: sqlite3.Connection, track_id: str) -> None:
    """Bring the names of one track up to date; those that are not embedded have none."""
    old = database.execute("SELECT number, line FROM names WHERE track_id = ?", (track_id,)).fetchone()
    if old:
        database.execute("INSERT INTO name_letters (name_letters, rowid, line) VALUES ('delete', ?, ?)", old)
        database.execute("DELETE FROM names WHERE number = ?", old[:1])
    query = "SELECT path, title, artist, album, genre FROM tracks WHERE track_id = ? AND status = 'embedded'"
    new = database.execute(query, (track_id,)).fetchone()
    if new:
        line = line_of(*new)
        number = database.execute("INSERT INTO names (track_id, line) VALUES (?, ?)", (track_id, line)).lastrowid
        database.execute("INSERT INTO name_letters (rowid, line) VALUES (?, ?)", (number, line))


def _narrowing(words: Sequence[str]) -> list[tuple[list[str], bool]]:
    """List what to look for, best first, and whether enough of that and of what came before leaves no better ones."""
    row = " ".join(words)
    steps = [([f" {row} "], True)]
    if len(words) > 1:
        steps += [([f" {row}"], False), ([f" {word} " for word in words], True)]
    steps += [([f" {word}" for word in words], len(words) == 1), (list(words), True)]
    return steps


def _hits(database: sqlite3.Connection, parts: Sequence[str], limit: int) -> list[tuple[str, bytes, str]]:
    """Find tracks whose line has every part: id, path and line."""
    where, values = _with_parts(parts)
    query = f"SELECT track_id, path, names.line FROM {where} LIMIT ?"
    return database.execute(query, (*values, limit)).fetchall()


def _with_parts(parts: Sequence[str]) -> tuple[str, list[str]]:
    """Write in SQL the tracks whose line has every part; found one after another, so that a limit ends the search."""
    short = [part for part in parts if len(part) < N_LETTERS]
    conditions = " AND ".join(["TRUE", *["instr(names.line, ?)"] * len(short)])
    indexed = " AND ".join('"' + part.replace('"', '""') + '"' for part in parts if len(part) >= N_LETTERS)
    if not indexed:
        return f"names CROSS JOIN tracks USING (track_id) WHERE {conditions}", short
    tables = "name_letters CROSS JOIN names ON number = name_letters.rowid CROSS JOIN tracks USING (track_id)"
    return f"{tables} WHERE name_letters MATCH ? AND {conditions}", [indexed, *short]
