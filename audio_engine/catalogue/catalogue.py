"""The catalogue: all tracks that can be recommended, in one SQLite file, the single source of truth.

Changes are written in batches, each batch in one transaction. Each vector carries the id of the model that made it.
While a catalogue moves from one model to another it holds vectors of both, and the old ones answer queries until the
last track has a new one.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from audio_engine.catalogue.connections import Connections
from audio_engine.catalogue.file_table import FileTable
from audio_engine.catalogue.filters import TrackFilter
from audio_engine.catalogue.names import NameIndex
from audio_engine.catalogue.rows import (
    TRACK_COLUMNS,
    genre_counts,
    meta,
    n_pending,
    n_tracks,
    track_of,
    track_vectors,
    vector_changes,
    vector_of,
    vector_of_content,
)
from audio_engine.catalogue.schema import snapshot
from audio_engine.catalogue.track import DIM, Change, KnownSound, Status, Track, TrackVector, Update, VectorChanges
from audio_engine.catalogue.writes import check_change, finish_model_change, set_model, write_changes

FILE_NAME = "catalogue.sqlite"


class Catalogue:
    """An open catalogue. Safe between threads and between processes: none that reads waits for another.

    Parameters
    ----------
    directory, create
        The folder of ``catalogue.sqlite``; whether to create both if missing.

    Raises
    ------
    CatalogueError, FileNotFoundError, NotADirectoryError
        As `open_database`. Every method raises `CatalogueError` when the file turns out to be damaged later.
    """

    def __init__(self, directory: Path, *, create: bool = True) -> None:
        self.path = Path(directory) / FILE_NAME
        self._connections = Connections(self.path, create=create)
        self.files = FileTable(self._connections)
        self.names = NameIndex(self._connections)
        self._held_meta: tuple[int, dict[str, str]] | None = None  # as of a moment

    def close(self) -> None:
        """Close the file; closing twice is allowed."""
        self._connections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def check_writable(self) -> None:
        """Refuse, before what will write is begun, a file that can only be read, with a ``CatalogueError``."""
        with self._connections.writing() as database:
            database.execute("DELETE FROM meta WHERE FALSE")

    def track(self, track_id: str) -> Track | None:
        """Find a track by its id; None if there is none."""
        return next(iter(self._tracks("WHERE track_id = ?", track_id)), None)

    def track_at(self, path: Path) -> Track | None:
        """Find a track by the path of its file; None if there is none."""
        return next(iter(self._tracks("WHERE path = ?", os.fsencode(path))), None)

    def tracks(self, status: Status | None = None) -> list[Track]:
        """List tracks in the order of their paths: all, or those of one status."""
        if status is None:
            return self._tracks("ORDER BY path")
        return self._tracks("WHERE status = ? ORDER BY path", status)

    def tracks_with_warnings(self) -> list[Track]:
        """List the embedded tracks of which decoding lost or mended something, by path."""
        return self._tracks("WHERE status = 'embedded' AND warnings != '' ORDER BY path")

    def page(self, *, limit: int, offset: int) -> list[Track]:
        """List up to `limit` embedded tracks by path, from an offset."""
        return self._tracks("WHERE status = 'embedded' ORDER BY path LIMIT ? OFFSET ?", limit, offset)

    def n_tracks(self, status: Status) -> int:
        """Count the tracks of a status."""
        with self._connections.reading() as database:
            return n_tracks(database, status)

    def n_with_warnings(self) -> int:
        """Count the embedded tracks of which decoding lost or mended something."""
        query = "SELECT count(*) FROM tracks WHERE status = 'embedded' AND warnings != ''"
        with self._connections.reading() as database:
            return int(database.execute(query).fetchone()[0])

    def n_pending(self, model_id: str) -> int:
        """Count the embedded tracks that have no vector of a model."""
        with self._connections.reading() as database:
            return n_pending(database, model_id)

    def vector(self, track_id: str, model_id: str) -> NDArray[np.float32] | None:
        """Read the vector of a track; None if this model made none.

        Returns
        -------
        vector : (dim,)
            Unit length.
        """
        query = "SELECT vector FROM vectors WHERE track_id = ? AND model_id = ?"
        with self._connections.reading() as database:
            row = database.execute(query, (track_id, model_id)).fetchone()
        return vector_of(row[0]) if row else None

    def track_vectors(self, track_ids: Sequence[str], model_id: str) -> dict[str, TrackVector]:
        """Find tracks and their vectors by id; omits tracks that are unknown or have no vector of this model."""
        with self._connections.reading() as database:
            return track_vectors(database, track_ids, model_id)

    def vectors(self, model_id: str) -> tuple[list[str], NDArray[np.float32]]:
        """Read all vectors that a model made.

        Returns
        -------
        track_ids
            Ascending.
        vectors : (n_tracks, dim)
            In the order of ``track_ids``, each of unit length.
        """
        return self._vectors("SELECT track_id, vector FROM vectors WHERE model_id = ? ORDER BY track_id", model_id)

    def stamped_vectors(self, model_id: str) -> tuple[str, list[str], NDArray[np.float32]]:
        """Read the `vectors_stamp` and, as of the same moment, all `vectors`."""
        with self._connections.reading() as database, snapshot(database):
            return (meta(database, "vectors_stamp") or "", *self.vectors(model_id))

    def vector_changes(self, since: str, model_id: str) -> VectorChanges | None:
        """Read what has changed since a `vectors_stamp`; None where it is too long ago, or another catalogue's."""
        with self._connections.reading() as database, snapshot(database):
            return vector_changes(database, since, model_id)

    @property
    def vectors_stamp(self) -> str:
        """A text that changes whenever any process adds, changes or removes a vector."""
        return self._meta().get("vectors_stamp", "")

    @property
    def moment(self) -> int:
        """A value that changes whenever any process has changed anything."""
        return self._connections.moment

    def at_one_moment(self) -> AbstractContextManager[None]:
        """Ask once, for all that the thread reads in a block, whether anything has changed; it writes nothing there."""
        return self._connections.at_one_moment()

    def track_ids(self, where: TrackFilter) -> list[str]:
        """List the ids of the embedded tracks that a filter allows, in no particular order."""
        condition, values = where.to_sql()
        with self._connections.reading() as database:
            query = f"SELECT group_concat(track_id, char(10)) FROM tracks WHERE {condition}"  # one text: others
            text = database.execute(query, values).fetchone()[0]  # can go on while SQLite makes it
        return text.split("\n") if text else []

    def genre_counts(self) -> Counter[str]:
        """Count the embedded tracks of each genre, tagged or predicted."""
        with self._connections.reading() as database:
            return genre_counts(database)

    def vectors_without_genre(self, model_id: str) -> tuple[list[str], NDArray[np.float32]]:
        """Read the vectors of the tracks whose genre has not been predicted; as `vectors`."""
        query = "SELECT track_id, vector FROM tracks JOIN vectors USING (track_id) WHERE model_id = ? "
        return self._vectors(f"{query} AND genre_predicted = '' ORDER BY track_id", model_id)

    def vector_of_content(self, content_hash: str, model_id: str) -> KnownSound | None:
        """Find vector, tags and warnings of any track with these bytes: a duplicate need not be embedded again."""
        with self._connections.reading() as database:
            return vector_of_content(database, content_hash, model_id)

    def track_of_content(self, content_hash: str) -> str | None:
        """Find the id of an embedded track with these bytes; None if there is none."""
        found = self._tracks("WHERE content_hash = ? AND status = 'embedded' LIMIT 1", content_hash)
        return found[0].track_id if found else None

    def write(self, changes: Sequence[Change | Update]) -> list[str]:
        """Write a batch of changes atomically.

        A path that is known keeps its track id; a new one gets an id derived from the content, a duplicate a different
        one. A file that failed loses its vectors. A track that moves to the path of another replaces it.

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
        with self._connections.writing() as database:
            track_ids = write_changes(database, changes)
            self.names.follow(len(changes))
            return track_ids

    def write_genres(self, genres: Iterable[tuple[str, str, float | None]]) -> None:
        """Write the predictions of a classifier atomically: track id, genre, its probability."""
        rows = [(genre, probability, track_id) for track_id, genre, probability in genres]
        with self._connections.writing() as database:
            database.executemany(
                "UPDATE tracks SET genre_predicted = ?, genre_probability = ? WHERE track_id = ?", rows
            )

    def remove(self, track_ids: Iterable[str]) -> int:
        """Remove tracks and their vectors from the catalogue; the files stay. Returns how many were removed."""
        with self._connections.writing() as database:
            rows = [(track_id,) for track_id in track_ids]
            n_removed = database.executemany("DELETE FROM tracks WHERE track_id = ?", rows).rowcount if rows else 0
            self.names.follow(n_removed)
            return n_removed

    @property
    def model_id(self) -> str | None:
        """The id of the active model, whose vectors answer queries; None before the first."""
        return self._meta().get("model_id")

    @property
    def target_model_id(self) -> str | None:
        """The id of the target model, which the catalogue is moving to; None if it is not moving."""
        return self._meta().get("wanted_model_id")

    def set_model(self, model_id: str) -> None:
        """Set the model: the first becomes active at once, a later one when the move to it is finished."""
        with self._connections.writing() as database:
            set_model(database, model_id)

    def finish_model_change(self) -> bool:
        """Make the target model active and drop the older vectors, if every embedded track has a vector of it.

        Returns
        -------
        finished
            False if tracks still wait, or if there is no target model.
        """
        with self._connections.writing() as database:
            return finish_model_change(database)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run all reads and writes of the block in one transaction."""
        with self._connections.writing():
            yield

    def _meta(self) -> dict[str, str]:
        """Read the values of the catalogue as a whole, by name; once for each state of it."""
        if self._connections.is_writing:
            with self._connections.reading() as database:
                return dict(database.execute("SELECT name, value FROM meta"))
        moment = self._connections.moment
        held = self._held_meta
        if held is None or held[0] != moment:
            with self._connections.reading() as database:
                held = self._held_meta = (moment, dict(database.execute("SELECT name, value FROM meta")))
        return held[1]

    def _vectors(self, query: str, model_id: str) -> tuple[list[str], NDArray[np.float32]]:
        """Read rows of a track id and a vector."""
        with self._connections.reading() as database:
            rows = database.execute(query, (model_id,)).fetchall()
        return [row[0] for row in rows], vector_of(b"".join(row[1] for row in rows)).reshape(-1, DIM)

    def _tracks(self, condition: str, *values: str | bytes | int) -> list[Track]:
        """Read the tracks that match a condition in SQL."""
        with self._connections.reading() as database:
            rows = database.execute(f"SELECT {TRACK_COLUMNS} FROM tracks {condition}", values).fetchall()
        return [track_of(row) for row in rows]
