"""Store of the links: an SQLite file beside the catalogue, by server and by the server's ids.

A server's songs are replaced as a whole, in one transaction: who reads meanwhile finds the old ones, and so does
everybody if the new ones do not come to their end. The file holds no secret.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audio_engine.catalogue.schema import transaction
from audio_engine.catalogue.track import Track
from audio_engine.errors import CatalogueError
from audio_engine.media_servers.matching import Link
from audio_engine.media_servers.recording_ids import read_recording_ids
from audio_engine.media_servers.server import ServerSong
from metric_learning.full_disk import naming_full_disk

FILE_NAME = "media_servers.sqlite"  # in the catalogue's folder
BUSY_TIMEOUT_S = 60.0
SCHEMA = """
CREATE TABLE IF NOT EXISTS servers (
    name TEXT PRIMARY KEY,
    linked_at TEXT NOT NULL                 -- ISO 8601, UTC; the order of rows is that of the first links
);
CREATE TABLE IF NOT EXISTS songs (
    server TEXT NOT NULL,
    song_id TEXT NOT NULL,                  -- the server's
    track_id TEXT,                          -- ours; null: not linked
    how TEXT NOT NULL,                      -- path, recording or tags
    candidates TEXT NOT NULL,               -- track ids, as a JSON list, of an ambiguous song
    title TEXT NOT NULL,
    artist TEXT NOT NULL,
    album TEXT NOT NULL,
    artist_id TEXT NOT NULL,                -- the server's
    duration_s REAL,
    path TEXT NOT NULL,                     -- on the server
    PRIMARY KEY (server, song_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS songs_by_track ON songs (track_id, server);
CREATE INDEX IF NOT EXISTS songs_by_artist ON songs (artist_id, server);
CREATE TABLE IF NOT EXISTS recording_ids (
    track_id TEXT PRIMARY KEY,
    mtime_ns INTEGER NOT NULL,              -- of the file that was read
    ids TEXT NOT NULL                       -- of MusicBrainz, as a JSON list
) WITHOUT ROWID;
"""
COLUMNS = "song_id, track_id, how, candidates, title, artist, album, artist_id, duration_s, path"
BY_SERVER = "servers CROSS JOIN songs ON server = name"  # in this order: SQLite would look through all songs otherwise
WHICH = {  # songs, by what became of them
    "linked": "track_id IS NOT NULL",
    "ambiguous": "track_id IS NULL AND candidates != '[]'",
    "unknown": "track_id IS NULL AND candidates = '[]'",
}


@dataclass(frozen=True, kw_only=True)
class LinkCounts:
    """What became of a server's songs."""

    name: str
    linked_at: str  # ISO 8601, UTC
    n_songs: int
    n_linked: int
    n_ambiguous: int


class LinkStore:
    """The links of one catalogue; threads may share it. The file is made by the first link.

    Parameters
    ----------
    directory
        The catalogue's folder.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME
        self._lock = threading.RLock()
        self._open: sqlite3.Connection | None = None

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._open is not None:
                self._open.close()
            self._open = None

    def servers(self) -> list[LinkCounts]:
        """List the linked servers, the first linked first."""
        sums = ", ".join(f"count(song_id) FILTER (WHERE {WHICH[each]})" for each in ("linked", "ambiguous"))
        query = (
            f"SELECT name, linked_at, count(song_id), {sums} FROM servers LEFT JOIN songs ON server = name "
            "GROUP BY name ORDER BY servers.rowid"
        )
        return [
            LinkCounts(name=row[0], linked_at=row[1], n_songs=row[2], n_linked=row[3], n_ambiguous=row[4])
            for row in self._rows(query)
        ]

    def names(self) -> list[str]:
        """List the names of the linked servers, the first linked first."""
        return [row[0] for row in self._rows("SELECT name FROM servers ORDER BY rowid")]

    def replace(self, server: str, links: Sequence[Link], linked_at: str) -> None:
        """Write the songs of a server in place of those that were known of it."""
        query = f"INSERT INTO songs (server, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        with self._writing() as database:
            database.execute(
                "INSERT INTO servers VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET linked_at = excluded.linked_at",
                (server, linked_at),
            )
            database.execute("DELETE FROM songs WHERE server = ?", (server,))
            database.executemany(query, ((server, *_row_of(link)) for link in links))

    def remove(self, server: str) -> None:
        """Forget a server."""
        if self.path.exists():
            with self._writing() as database:
                database.execute("DELETE FROM songs WHERE server = ?", (server,))
                database.execute("DELETE FROM servers WHERE name = ?", (server,))

    def songs(self, server: str, which: str) -> list[Link]:
        """List the songs of a server that are ``"linked"``, ``"ambiguous"`` or ``"unknown"``, by path and title."""
        query = f"SELECT {COLUMNS} FROM songs WHERE server = ? AND {WHICH[which]} ORDER BY path, artist, title, song_id"
        return [_link_of(row) for row in self._rows(query, server)]

    def track_ids(self, server: str) -> dict[str, str]:
        """Give the linked track of each song of a server, by song id."""
        return dict(self._rows("SELECT song_id, track_id FROM songs WHERE server = ? AND track_id IS NOT NULL", server))

    def find(self, song_id: str, server: str | None = None) -> tuple[str, str | None] | None:
        """Find a song by its id: the server, and our track or None; of several servers the first linked."""
        query = f"SELECT server, track_id FROM {BY_SERVER} WHERE song_id = ?"
        also = "" if server is None else " AND server = ?"
        values = (song_id,) if server is None else (song_id, server)
        return next(iter(self._rows(f"{query}{also} ORDER BY servers.rowid LIMIT 1", *values)), None)

    def song_ids(self, server: str, track_ids: Iterable[str]) -> dict[str, str]:
        """Give the server's id of each track that is linked to it, by track id."""
        query = "SELECT track_id, song_id FROM songs WHERE server = ? AND track_id IN (SELECT value FROM json_each(?))"
        return dict(self._rows(query, server, json.dumps(list(track_ids))))

    def find_artist(self, artist_id: str, server: str | None = None) -> str | None:
        """Find the server that has an artist of this id; None if there is none."""
        also = "" if server is None else " AND server = ?"
        values = (artist_id,) if server is None else (artist_id, server)
        query = f"SELECT server FROM {BY_SERVER} WHERE artist_id = ?{also}"
        row = next(iter(self._rows(f"{query} ORDER BY servers.rowid LIMIT 1", *values)), None)
        return row[0] if row else None

    def artist_tracks(self, server: str) -> list[tuple[str, str, str, str, str]]:
        """List artist id, artist, track id, song id and title of the linked songs whose artist has an id."""
        return self._rows(
            "SELECT artist_id, artist, track_id, song_id, title FROM songs "
            "WHERE server = ? AND track_id IS NOT NULL AND artist_id != '' ORDER BY artist_id, song_id",
            server,
        )

    def recording_ids(self, tracks: Sequence[Track]) -> dict[str, frozenset[str]]:
        """Read the MusicBrainz ids in the files of tracks, each file once for as long as it does not change."""
        query = "SELECT track_id, mtime_ns, ids FROM recording_ids"
        known = {(row[0], row[1]): frozenset(json.loads(row[2])) for row in self._rows(query)}
        new = [track for track in tracks if (track.track_id, track.mtime_ns) not in known]
        read = {(track.track_id, track.mtime_ns): read_recording_ids(track.path) for track in new}
        with self._writing() as database:
            rows = ((track_id, mtime_ns, json.dumps(sorted(ids))) for (track_id, mtime_ns), ids in read.items())
            database.executemany("INSERT OR REPLACE INTO recording_ids VALUES (?, ?, ?)", rows)
        known |= read
        return {track.track_id: known[track.track_id, track.mtime_ns] for track in tracks}

    @property
    def moment(self) -> tuple[int, int]:
        """A value that changes whenever any process changes a link."""
        if not self.path.exists():
            return (0, 0)
        with self._using() as database:
            return database.total_changes, int(database.execute("PRAGMA data_version").fetchone()[0])

    def _rows(self, query: str, *values: str) -> list[Any]:
        """Read rows; none where nothing has been linked yet."""
        if not self.path.exists():
            return []
        with self._using() as database:
            return database.execute(query, values).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._using() as database, transaction(database):
            yield database

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        """Hold the lock and the open file, and name the file in any error."""
        with self._lock, naming_full_disk(self.path):
            try:
                if self._open is None:
                    self._open = _opened(self.path)
                yield self._open
            except sqlite3.OperationalError as error:
                raise CatalogueError(f"links {str(self.path)!r} cannot be used: {error}") from error
            except sqlite3.DatabaseError as error:
                raise CatalogueError(
                    f"links {str(self.path)!r} are damaged: {error} (move the file away and link again)"
                ) from error


def _opened(path: Path) -> sqlite3.Connection:
    """Open the file, creating its tables where they are missing; one that cannot be written is read."""
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        is_new = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if is_new:
            connection.executescript(SCHEMA)
    except BaseException:
        connection.close()
        raise
    return connection


def _row_of(link: Link) -> tuple[object, ...]:
    """Lay a link out as a row of ``COLUMNS``."""
    song = link.song
    told = (song.title, song.artist, song.album, song.artist_id, song.duration_s, song.path)
    return (song.song_id, link.track_id, link.how, json.dumps(link.candidates), *told)


def _link_of(row: Sequence[Any]) -> Link:
    """Build a link from a row of ``COLUMNS``."""
    song = ServerSong(
        song_id=row[0], title=row[4], artist=row[5], album=row[6], artist_id=row[7], duration_s=row[8], path=row[9]
    )
    return Link(song=song, track_id=row[1], how=row[2], candidates=tuple(json.loads(row[3])))
