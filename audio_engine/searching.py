"""A song and what is asked of the answer in, the answer out: where catalogue, index and rules meet."""

from itertools import pairwise
from pathlib import Path

from audio_engine.catalogue import Catalogue
from audio_engine.errors import UnknownTrackError
from audio_engine.filters import TrackFilter
from audio_engine.kept_index import KeptIndex
from audio_engine.models import Models
from audio_engine.neighbours import Neighbour, find_neighbours
from audio_engine.playlist import walk
from audio_engine.songs import find_track, look_up


class Searching:
    """Searches in one catalogue; what they do is said at the methods of `Engine` that have the same names."""

    def __init__(self, catalogue: Catalogue, models: Models) -> None:
        self._catalogue, self._models = catalogue, models
        self.index = KeptIndex(catalogue, models)

    def similar(
        self,
        song: str | Path,
        k: int,
        *,
        where: TrackFilter | None,
        not_same_artist: bool,
        max_per_artist: int | None,
    ) -> list[Neighbour]:
        """Find the tracks that sound most like a song."""
        vector, query = look_up(song, self._catalogue, self._models)
        return find_neighbours(
            vector,
            k,
            index=self.index.current(),
            track_of=self._catalogue.track,
            query=query,
            among=self._catalogue.track_ids(where) if where else None,
            not_same_artist=not_same_artist,
            max_per_artist=max_per_artist,
        )

    def path(self, start: str | Path, end: str | Path, n: int) -> list[Neighbour]:
        """Walk from one song to another."""
        index = self.index.current()
        ends = [find_track(song, self._catalogue) for song in (start, end)]
        for song, track in zip((start, end), ends, strict=True):
            if track.track_id not in index:
                raise UnknownTrackError(f"song must be embedded, got {str(song)!r} ({track.error or 'no vector yet'})")
        track_ids = walk(ends[0].track_id, ends[1].track_id, n, index)
        vectors = index.vectors(track_ids)
        similarities = [1.0, *(float(a @ b) for a, b in pairwise(vectors))]
        return [
            Neighbour(rank=rank, similarity=similarity, track=find_track(track_id, self._catalogue))
            for rank, (track_id, similarity) in enumerate(zip(track_ids, similarities, strict=True), start=1)
        ]
