"""A table of track vectors opened for search, without a catalogue: an export, or what ``represent`` wrote.

Its tracks are found by any of their names. Copies are told by their content alone here: two tracks may have one vector
because the same users play them, or because the same is said of them.
"""

from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.catalogue.paths import catalogue_path
from audio_engine.catalogue.tag_text import artist_keys
from audio_engine.catalogue.tags import Tags
from audio_engine.catalogue.track import Track, TrackVector
from audio_engine.errors import UnknownTrackError
from audio_engine.plays.tables import VectorTable, read_vectors
from audio_engine.search.index_cache import build_index
from audio_engine.search.neighbours import SPARE, WIDEN, ArtistLimit, Neighbour
from index.vector_index import VectorIndex

Floats = NDArray[np.float32]
TEXT_TAGS = ("title", "artist", "album", "genre")


class VectorFile:
    """The tracks and vectors of a table.

    Parameters
    ----------
    path
        Parquet, CSV or JSON lines: ``track_id`` or ``track``, ``vector`` (any dim, unit length), and maybe the other
        columns of an export.

    Raises
    ------
    FileNotFoundError, ValueError
        When it is missing, lacks a column, or has no vectors, or some that are not of one length and of unit length.
    """

    def __init__(self, path: Path) -> None:
        table: VectorTable = read_vectors(path)
        lengths = table.vectors.cast(pl.List(pl.Float32)).list.len().unique().to_list()
        if len(lengths) != 1:
            raise ValueError(f"vectors of {path.name} must be of one length, got {lengths or 'no vectors'}")
        vectors = table.vectors.cast(pl.Array(pl.Float32, lengths[0])).to_numpy().reshape(-1, lengths[0])
        self.path, self.names, self._others = path, table.names, table.others
        self.index: VectorIndex = build_index(list(self.names.track_ids), np.ascontiguousarray(vectors))

    def find(self, track: str) -> TrackVector:
        """Find a track by its id, its name in a log, or the path or name of its file.

        Raises
        ------
        UnknownTrackError
        """
        (row,) = self.names.find([track], start=Path.cwd())
        if row is None:
            raise UnknownTrackError(f"track must be one of {self.path.name}, got {track!r}")
        return self._at(row)

    def nearest(
        self,
        vector: Floats,
        k: int,
        *,
        without: Collection[str] = (),
        excluded_artists: Collection[str] = (),
        max_per_artist: int | None = None,
    ) -> list[tuple[TrackVector, float]]:
        """Find the tracks nearest to a vector.

        Parameters
        ----------
        vector : (dim,)
            Unit length.
        k
            How many; fewer are returned if fewer tracks pass.
        without
            Ids of tracks to leave out, with those of the same content.
        excluded_artists
            Keys of artists to leave out.
        max_per_artist
            At most so many tracks of one artist, where it is known.

        Returns
        -------
        found
            With their similarities, the most similar first; of several files of one content the first.
        """
        n_hits = k + len(without) + SPARE
        while True:
            hits = self.index.search(vector[np.newaxis], n_hits)[0]
            limit = ArtistLimit(excluded=excluded_artists, max_per_artist=max_per_artist)
            found = self._passing(hits, without, limit)
            if len(found) >= k or len(hits) < n_hits:
                return found[:k]
            n_hits *= WIDEN

    def _passing(
        self, hits: Sequence[tuple[str, float]], without: Collection[str], wanted: Callable[[Track], bool]
    ) -> list[tuple[TrackVector, float]]:
        """Keep the hits that are new, and wanted."""
        contents = {self._content(self._row_of[track_id]) for track_id in without} - {None}
        found = []
        for track_id, similarity in hits:
            row = self._row_of[track_id]
            content = self._content(row)
            if track_id in without or content in contents:
                continue
            hit = self._at(row)
            if wanted(hit.track):
                found.append((hit, similarity))
                contents |= {content} - {None}
        return found

    def _content(self, row: int) -> str | None:
        """Say what bytes a track is of, where the table knows."""
        return self._others["content_hash"][row] or None if "content_hash" in self._others.columns else None

    def _at(self, row: int) -> TrackVector:
        """Make the track of a row."""
        said = self._others.row(row, named=True)
        track_id = self.names.track_ids[row]
        where = said.get("path") or said.get("file")
        track = Track(
            track_id=track_id,
            path=catalogue_path(where) if where else Path(said.get("track") or track_id),
            tags=Tags(
                **{name: str(said.get(name) or "") for name in TEXT_TAGS},
                year=said.get("year"),
                duration_s=said.get("duration_s"),
            ),
            status="embedded",
            content_hash=self._content(row),
            file_size=said.get("file_size") or 0,
            mtime_ns=said.get("mtime_ns") or 0,
            genre_predicted=said.get("genre_predicted") or "",
            genre_probability=said.get("genre_probability"),
        )
        return TrackVector(track=track, vector=self.index.vectors([track_id])[0])

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {track_id: row for row, track_id in enumerate(self.names.track_ids)}


def similar_in_file(
    file: VectorFile, track: str, k: int = 10, *, not_same_artist: bool = False, max_per_artist: int | None = None
) -> list[Neighbour]:
    """Find the tracks of a table of vectors that are nearest to one of them.

    Parameters
    ----------
    file
        The table.
    track
        Any name of one of its tracks.
    k, not_same_artist, max_per_artist
        As for `Engine.similar`.

    Raises
    ------
    UnknownTrackError
        When the table has no such track.
    ValueError
        When a number is below 1.
    """
    for name, number in (("k", k), ("max_per_artist", max_per_artist)):
        if number is not None and number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")
    seed = file.find(track)
    found = file.nearest(
        seed.vector,
        k,
        without={seed.track.track_id},
        excluded_artists=set(artist_keys(seed.track.tags.artist)) if not_same_artist else (),
        max_per_artist=max_per_artist,
    )
    return [
        Neighbour(rank=rank, similarity=similarity, track=hit.track)
        for rank, (hit, similarity) in enumerate(found, start=1)
    ]
