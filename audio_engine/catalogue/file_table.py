"""The files of a catalogue: which are known, and by which size, time and content; asked for by index, never all."""

import os
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from audio_engine.catalogue.connections import Connections
from audio_engine.catalogue.filters import bounds_of
from audio_engine.catalogue.rows import known_files, n_pending
from audio_engine.catalogue.track import KnownFile

BELOW = "path = ? OR (path > ? AND path < ?)"
AT_A_TIME = 500  # values in a query: SQLite takes 999 at least


class FileTable:
    """The files of one catalogue, each with the data that shows whether it has changed; in the order of their paths."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def all(self) -> dict[Path, KnownFile]:
        """List every file: 100,000 in less than a second."""
        return self._that("TRUE")

    def below(self, *places: Path) -> dict[Path, KnownFile]:
        """List what lies in some folders, however deep, or is one of some files."""
        found: dict[Path, KnownFile] = {}
        for place in places:
            found |= self._that(BELOW, os.fsencode(place), *bounds_of(place))
        return found

    def n_below(self, folder: Path) -> int:
        """Count what `below` would list."""
        query = f"SELECT count(*) FROM tracks WHERE {BELOW}"
        with self._connections.reading() as database:
            return int(database.execute(query, (os.fsencode(folder), *bounds_of(folder))).fetchone()[0])

    def at(self, paths: Iterable[Path]) -> dict[Path, KnownFile]:
        """List those of some paths that are known."""
        found: dict[Path, KnownFile] = {}
        rest = map(os.fsencode, paths)
        while some := list(islice(rest, AT_A_TIME)):
            found |= self._that(f"path IN ({', '.join('?' * len(some))})", *some)
        return found

    def of_content(self, content_hash: str, model_id: str) -> dict[Path, KnownFile]:
        """List the files of some bytes of which a model has made a vector."""
        has_vector = "EXISTS (SELECT 1 FROM vectors WHERE vectors.track_id = tracks.track_id AND model_id = ?)"
        return self._that(f"content_hash = ? AND {has_vector}", content_hash, model_id)

    def pending(self, model_id: str) -> list[Path]:
        """List the embedded files that have no vector of a model."""
        query = (
            "SELECT path FROM tracks WHERE status = 'embedded' AND NOT EXISTS "
            "(SELECT 1 FROM vectors WHERE vectors.track_id = tracks.track_id AND model_id = ?) ORDER BY path"
        )
        with self._connections.reading() as database:
            if not n_pending(database, model_id):
                return []
            return [Path(os.fsdecode(row[0])) for row in database.execute(query, (model_id,))]

    def _that(self, condition: str, *values: str | bytes) -> dict[Path, KnownFile]:
        """List the files that meet a condition in SQL."""
        with self._connections.reading() as database:
            return known_files(database, condition, values)
