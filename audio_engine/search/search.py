"""A track and what is asked of the answer in, the answer out: where catalogue, index and rules meet."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.catalogue.filters import TrackFilter
from audio_engine.catalogue.track import Track, TrackVector
from audio_engine.catalogue.track_cache import N_KEPT, TrackMemory
from audio_engine.embedding.models import Models
from audio_engine.embedding.track_lookup import find_track, look_up
from audio_engine.errors import UnknownTrackError
from audio_engine.search.index_cache import IndexCache
from audio_engine.search.neighbours import Neighbour, find_neighbours
from audio_engine.search.playlist import walk
from index.threads import keep_to_one_thread

FILL = 500  # tracks looked up at a time, so that others get at the catalogue in between


class Search:
    """Searches in one catalogue; what they do is said at the methods of `Engine` that have the same names."""

    def __init__(self, catalogue: Catalogue, models: Models) -> None:
        self._catalogue, self._models = catalogue, models
        self.index = IndexCache(catalogue, models)
        self._memory = TrackMemory(catalogue)

    def similar(
        self,
        track: str | Path,
        k: int,
        *,
        where: TrackFilter | None,
        not_same_artist: bool,
        max_per_artist: int | None,
    ) -> list[Neighbour]:
        """Find the tracks that sound most like a track."""
        return self.neighbours(
            [self.seed_of(track)], k, where=where, not_same_artist=not_same_artist, max_per_artist=max_per_artist
        )

    def serve_many(self) -> None:
        """Get ready for many questions: an index that is quicker to ask (`IndexCache.serve_many`), tracks in memory."""
        self.index.serve_many()
        self._memory.n_kept = N_KEPT
        track_ids = self.index.current().track_ids()[:N_KEPT]
        for start in range(0, len(track_ids), FILL):
            self._memory.track_vectors(track_ids[start : start + FILL], self.model_id)

    @staticmethod
    def keep_to_one_thread() -> None:
        """Let the searches of the calling thread keep to it; for callers who search in many threads at once."""
        keep_to_one_thread()

    @property
    def model_id(self) -> str:
        """The model whose vectors are compared."""
        return self._models.active_id

    def track(self, track_id: str) -> Track:
        """Find a track by its id: whatever else the text may be, no path is looked up.

        Raises
        ------
        UnknownTrackError
            When the catalogue has no such track.
        """
        track = self._catalogue.track(track_id)
        if track is None:
            raise UnknownTrackError(f"track_id must be in the catalogue, got {track_id!r}")
        return track

    def seed_of(self, track: str | Path) -> TrackVector:
        """Make a seed of a track, decoding what the catalogue has not got as it is now; raises as `Engine.vector`."""
        vector, found = look_up(track, self._catalogue, self._models)
        return TrackVector(track=found, vector=vector)

    def seeds(self, track_ids: Sequence[str]) -> dict[str, TrackVector]:
        """Find tracks by id with their vectors as the catalogue has them: no file is looked at.

        Returns
        -------
        seeds
            By id; lacks the tracks that have no vector.

        Raises
        ------
        UnknownTrackError
            When the catalogue has no track of an id.
        """
        found = self._memory.track_vectors(track_ids, self.model_id)
        for track_id in track_ids:
            if track_id not in found:
                self.track(track_id)
        return found

    def neighbours(
        self,
        seeds: Sequence[TrackVector],
        k: int,
        *,
        where: TrackFilter | None = None,
        not_same_artist: bool = False,
        max_per_artist: int | None = None,
    ) -> list[Neighbour]:
        """Find the tracks that sound most like some others taken together: near the mean of their vectors.

        Parameters
        ----------
        seeds
            One or more; they and their copies have no place in the answer. Where they cancel out, the first counts.
        k, where, not_same_artist, max_per_artist
            As for `Engine.similar`.

        Raises
        ------
        ValueError
            When there is no seed, or a number is below 1.
        """
        if not seeds:
            raise ValueError("seeds must be one or more, got none")
        mean = np.mean([seed.vector for seed in seeds], axis=0, dtype=np.float64)
        length = float(np.linalg.norm(mean))
        vector = np.asarray(mean / length, dtype=np.float32) if length > 1e-6 else seeds[0].vector
        model_id = self.model_id
        return find_neighbours(
            vector,
            k,
            index=self.index.current(),
            fetch=lambda track_ids: self._memory.track_vectors(track_ids, model_id),
            seeds=seeds,
            allowed_ids=self._catalogue.track_ids(where) if where else None,
            not_same_artist=not_same_artist,
            max_per_artist=max_per_artist,
        )

    def path(self, start: str | Path, end: str | Path, n: int) -> list[Neighbour]:
        """Walk from one track to another."""
        index = self.index.current()
        ends = [find_track(track, self._catalogue) for track in (start, end)]
        for asked, found in zip((start, end), ends, strict=True):
            if found.track_id not in index:
                raise UnknownTrackError(
                    f"track must be embedded, got {str(asked)!r} ({found.error or 'no vector yet'})"
                )
        try:
            track_ids = walk(ends[0].track_id, ends[1].track_id, n, index)
            vectors = index.vectors(track_ids)
        except LookupError as error:
            raise UnknownTrackError(f"a track was taken out while the path was made ({error}): ask again") from error
        similarities = [1.0, *(float(a @ b) for a, b in pairwise(vectors))]
        return [
            Neighbour(rank=rank, similarity=similarity, track=find_track(track_id, self._catalogue))
            for rank, (track_id, similarity) in enumerate(zip(track_ids, similarities, strict=True), start=1)
        ]
