"""The catalogue: all tracks that can be recommended, in one SQLite file, the one source of truth.

Changes go in by the batch, each batch in one transaction; tracks, vectors and the paths that are known come out. Each
vector carries the id of the model that made it. While a catalogue moves from one model to another it holds vectors of
both, and the old ones answer until the last track has a new one.
"""

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from audio_engine.changes import check_change, write_changes
from audio_engine.errors import CatalogueError
from audio_engine.schema import catalogue_errors, open_database, transaction
from audio_engine.tags import Tags
from audio_engine.track import DIM, Change, Embedded, Failed, KnownFile, Moved, Status, Track

__all__ = ["Catalogue", "CatalogueError", "Change", "Embedded", "Failed", "KnownFile", "Moved", "Track"]

FILE_NAME = "catalogue.sqlite"
TAG_COLUMNS = "title, artist, album, genre, year, duration_s"
TRACK_COLUMNS = f"track_id, path, {TAG_COLUMNS}, status, error, content_hash, file_size, mtime_ns, embedded_at"


class Catalogue:
    """An open catalogue. Safe between threads (one lock) and between processes (SQLite's own locks).

    Parameters
    ----------
    directory
        Where ``catalogue.sqlite`` lies or is to lie; made where there is none.

    Raises
    ------
    CatalogueError
        When the file cannot be opened, is damaged, is not a catalogue, or was written by a newer version. Every method
        raises it too when the file turns out to be damaged later.
    """

    def __init__(self, directory: Path) -> None:
        self.path = Path(directory) / FILE_NAME
        self._lock = threading.RLock()
        self._database = open_database(self.path)

    def close(self) -> None:
        """Close the file; closing twice is no fault."""
        with self._lock:
            self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def known_files(self) -> dict[Path, KnownFile]:
        """List every path with what decides whether its file has changed.

        Returns
        -------
        known
            A hundred thousand tracks take less than a second.
        """
        files = "SELECT path, track_id, file_size, mtime_ns, content_hash, status FROM tracks"
        models = "SELECT track_id, group_concat(model_id, char(10)) FROM vectors GROUP BY track_id"
        with self._reading() as database:
            rows = database.execute(files).fetchall()
            lines_by_track = dict(database.execute(models).fetchall())
        sets = {lines: frozenset(lines.splitlines()) for lines in set(lines_by_track.values())}
        return {
            Path(os.fsdecode(path)): KnownFile(
                track_id=track_id,
                file_size=file_size,
                mtime_ns=mtime_ns,
                content_hash=content_hash,
                status=status,
                model_ids=sets.get(lines_by_track.get(track_id, ""), frozenset()),
            )
            for path, track_id, file_size, mtime_ns, content_hash, status in rows
        }

    def track(self, track_id: str) -> Track | None:
        """Find a track by its id; None where there is none."""
        return next(iter(self._tracks("WHERE track_id = ?", track_id)), None)

    def track_at(self, path: Path) -> Track | None:
        """Find a track by the path of its file; None where there is none."""
        return next(iter(self._tracks("WHERE path = ?", os.fsencode(path))), None)

    def tracks(self, status: Status | None = None) -> list[Track]:
        """List tracks in the order of their paths: all, or those of one status."""
        if status is None:
            return self._tracks("ORDER BY path")
        return self._tracks("WHERE status = ? ORDER BY path", status)

    def n_tracks(self, status: Status) -> int:
        """Count the tracks of a status."""
        with self._reading() as database:
            return int(database.execute("SELECT count(*) FROM tracks WHERE status = ?", (status,)).fetchone()[0])

    def n_pending(self, model_id: str) -> int:
        """Count the embedded tracks that have no vector of a model."""
        with self._reading() as database:
            return _n_pending(database, model_id)

    def vector(self, track_id: str, model_id: str) -> NDArray[np.float32] | None:
        """Read the vector of a track; None where this model made none.

        Returns
        -------
        vector : (dim,)
            Unit length.
        """
        query = "SELECT vector FROM vectors WHERE track_id = ? AND model_id = ?"
        with self._reading() as database:
            row = database.execute(query, (track_id, model_id)).fetchone()
        return _from_bytes(row[0]) if row else None

    def vectors(self, model_id: str) -> tuple[list[str], NDArray[np.float32]]:
        """Read all vectors that a model made.

        Returns
        -------
        track_ids
            Rising.
        vectors : (n_tracks, dim)
            In the order of ``track_ids``, each of unit length.
        """
        query = "SELECT track_id, vector FROM vectors WHERE model_id = ? ORDER BY track_id"
        with self._reading() as database:
            rows = database.execute(query, (model_id,)).fetchall()
        return [row[0] for row in rows], _from_bytes(b"".join(row[1] for row in rows)).reshape(-1, DIM)

    def vector_of_content(self, content_hash: str, model_id: str) -> tuple[NDArray[np.float32], Tags] | None:
        """Find the vector and tags of any track with these bytes, so that a copy need not be embedded again."""
        query = (
            f"SELECT vector, {TAG_COLUMNS} "
            "FROM tracks JOIN vectors USING (track_id) WHERE content_hash = ? AND model_id = ? LIMIT 1"
        )
        with self._reading() as database:
            row = database.execute(query, (content_hash, model_id)).fetchone()
        return (_from_bytes(row[0]), _tags(row[1:])) if row else None

    def write(self, changes: Sequence[Change]) -> list[str]:
        """Write a batch of changes, all or none.

        A path that is known keeps its track id; a new one gets an id made from the content, a copy an id of its own.
        A file that failed loses the vectors that it had. A track that moves to the path of another takes its place.

        Returns
        -------
        track_ids
            One for each change.

        Raises
        ------
        ValueError
            When a path is not absolute, or a vector is not ``(dim,)`` of unit length.
        UnknownTrackError
            When a track moves that is not in the catalogue.
        """
        for change in changes:
            check_change(change)
        with self._writing() as database:
            return write_changes(database, changes)

    def remove(self, track_ids: Iterable[str]) -> int:
        """Take tracks out of the catalogue, their vectors too; the files stay. Returns how many there were."""
        with self._writing() as database:
            rows = [(track_id,) for track_id in track_ids]
            return database.executemany("DELETE FROM tracks WHERE track_id = ?", rows).rowcount if rows else 0

    @property
    def model_id(self) -> str | None:
        """The model whose vectors answer queries; None before the first."""
        with self._reading() as database:
            return _meta(database, "model_id")

    @property
    def wanted_model_id(self) -> str | None:
        """The model that the catalogue is moving to; None where it stays with the one it has."""
        with self._reading() as database:
            return _meta(database, "wanted_model_id")

    def set_model(self, model_id: str) -> None:
        """Say which model is to answer: the first does at once, a later one when the move to it is finished."""
        with self._writing() as database:
            active = _meta(database, "model_id")
            database.execute("DELETE FROM meta WHERE name = 'wanted_model_id'")
            if active != model_id:
                name = "model_id" if active is None else "wanted_model_id"
                database.execute("INSERT INTO meta (name, value) VALUES (?, ?)", (name, model_id))

    def finish_model_change(self) -> bool:
        """Let the wanted model answer, and drop the older vectors, if every embedded track has a vector of it.

        Returns
        -------
        finished
            False where tracks still wait, or where no other model is wanted.
        """
        with self._writing() as database:
            wanted = _meta(database, "wanted_model_id")
            if wanted is None or _n_pending(database, wanted):
                return False
            database.execute("UPDATE meta SET value = ? WHERE name = 'model_id'", (wanted,))
            database.execute("DELETE FROM meta WHERE name = 'wanted_model_id'")
            database.execute("DELETE FROM vectors WHERE model_id != ?", (wanted,))
            return True

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Hold the lock and name the file in whatever goes wrong."""
        with self._lock, catalogue_errors(self.path):
            yield self._database

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Hold the lock and a transaction."""
        with self._reading() as database, transaction(database):
            yield database

    def _tracks(self, condition: str, *values: str | bytes) -> list[Track]:
        """Read the tracks that meet a condition in SQL."""
        with self._reading() as database:
            rows = database.execute(f"SELECT {TRACK_COLUMNS} FROM tracks {condition}", values).fetchall()
        return [_track(row) for row in rows]


def _track(row: Sequence[Any]) -> Track:
    """Make a track of a row of ``TRACK_COLUMNS``."""
    return Track(
        track_id=row[0],
        path=Path(os.fsdecode(row[1])),
        tags=_tags(row[2:8]),
        status=row[8],
        error=row[9],
        content_hash=row[10],
        file_size=row[11],
        mtime_ns=row[12],
        embedded_at=row[13],
    )


def _tags(row: Sequence[Any]) -> Tags:
    """Make tags of a row of ``TAG_COLUMNS``."""
    return Tags(title=row[0], artist=row[1], album=row[2], genre=row[3], year=row[4], duration_s=row[5])


def _from_bytes(vectors: bytes) -> NDArray[np.float32]:
    """Read little-endian float32, writable."""
    return np.frombuffer(vectors, dtype="<f4").astype(np.float32)


def _meta(database: sqlite3.Connection, name: str) -> str | None:
    """Read a value of the catalogue as a whole."""
    row = database.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return row[0] if row else None


def _n_pending(database: sqlite3.Connection, model_id: str) -> int:
    """Count the embedded tracks that have no vector of a model."""
    query = (
        "SELECT count(*) FROM tracks WHERE status = 'embedded' "
        "AND NOT EXISTS (SELECT 1 FROM vectors WHERE vectors.track_id = tracks.track_id AND model_id = ?)"
    )
    return int(database.execute(query, (model_id,)).fetchone()[0])
