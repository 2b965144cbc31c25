"""Search in one catalogue: by sound, by text, and on a map; with explanations of similarities."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.catalogue.filters import TrackFilter
from audio_engine.catalogue.names import words_of
from audio_engine.catalogue.track import Track, TrackVector
from audio_engine.catalogue.track_cache import N_KEPT, TrackCache
from audio_engine.embedding.models import Models
from audio_engine.embedding.track_lookup import find_track, look_up, track_or_file
from audio_engine.errors import UnknownTrackError
from audio_engine.search.catalogue_map import CatalogueMap, MapCache
from audio_engine.search.explanation import Match, SegmentCache, best_match
from audio_engine.search.file_cache import FileCache
from audio_engine.search.filter_cache import FilterCache
from audio_engine.search.index_cache import IndexCache
from audio_engine.search.neighbours import Neighbour, find_neighbours, find_steered
from audio_engine.search.playlist import walk
from audio_engine.search.steering import PLAIN, Steering, signed_weights, unit_mean
from audio_engine.search.text_search import TextSearch
from features.peaks import Peaks
from index.threads import keep_to_one_thread

FILL = 500  # tracks looked up at a time, so that other threads can use the catalogue in between
N_WAVEFORMS = 2_048  # outlines that are remembered, 2.4 kB each


class Search:
    """Searches in one catalogue; threads may share it."""

    def __init__(self, catalogue: Catalogue, models: Models) -> None:
        self._catalogue, self._models = catalogue, models
        self.index = IndexCache(catalogue, models)
        self._tracks = TrackCache(catalogue)
        self._segments = SegmentCache(catalogue, models)
        self._waveforms: FileCache[Peaks] = FileCache(N_WAVEFORMS)
        self._filters = FilterCache(catalogue)
        self._texts = TextSearch(catalogue)
        self._maps = MapCache(catalogue, models)

    def seed_of(self, track: str | Path) -> TrackVector:
        """Look a track up with its vector, to search by; a file that the catalogue lacks as it is now is embedded.

        Parameters
        ----------
        track
            A track id, or the path of any audio file.

        Raises
        ------
        UnknownTrackError, DecodeError
            When it is neither in the catalogue nor a file, or a file that cannot be decoded.
        """
        return look_up(track, self._catalogue, self._models)

    def track_vectors(self, track_ids: Sequence[str]) -> dict[str, TrackVector]:
        """Look tracks up by id with the vectors that the catalogue has: no file is read.

        Returns
        -------
        track_vectors
            By id; lacks the tracks that have no vector, or are not in the catalogue.
        """
        return self._tracks.track_vectors(track_ids, self._models.active_id)

    def weighted_seeds(
        self,
        track: str | Path,
        like: Mapping[str | Path, float] | None = None,
        unlike: Mapping[str | Path, float] | None = None,
    ) -> tuple[list[TrackVector], list[float] | None]:
        """Look up what `Engine.similar` is asked for, each as `seed_of`: seeds and weights as `neighbours` takes them.

        Raises
        ------
        ValueError
            When a weight is not above 0, or too large.
        """
        others = signed_weights(like, unlike)
        seeds = [self.seed_of(each) for each in (track, *(other for other, _ in others))]
        return seeds, [1.0, *(weight for _, weight in others)] if others else None

    def neighbours(  # noqa: PLR0913  (one question, with what bounds its answer)
        self,
        seeds: Sequence[TrackVector],
        k: int | None = None,
        *,
        weights: Sequence[float] | None = None,
        steering: Steering = PLAIN,
        where: TrackFilter | None = None,
        not_same_artist: bool = False,
        max_per_artist: int | None = None,
    ) -> list[Neighbour]:
        """Find the tracks that sound most like some others taken together: near the mean of their vectors.

        Parameters
        ----------
        seeds
            One or more; they and their copies are left out. If their vectors cancel out, the first is used.
        weights : (n_seeds,)
            By default 1 each; below 0: tracks like that one come later. One must be above 0.
        k, steering, where, not_same_artist, max_per_artist
            As for `Engine.similar`.

        Raises
        ------
        ValueError
            When there is no seed to be like, a weight is 0 or not finite, or a number is below 1.
        """
        if not seeds:
            raise ValueError("seeds must be one or more, got none")
        if weights is None and not steering:
            find = partial(find_neighbours, unit_mean([seed.vector for seed in seeds]), seeds=seeds)
        else:
            weights = [1.0] * len(seeds) if weights is None else weights
            find = partial(find_steered, seeds, weights, steering=steering)
        index = self.index.current()
        return find(
            k=steering.n_places(k),
            index=index,
            fetch=self.track_vectors,
            allowed=self._filters.subset(where, index) if where else None,
            not_same_artist=not_same_artist,
            max_per_artist=max_per_artist,
        )

    def path(self, start: Track, end: Track, n: int) -> list[Neighbour]:
        """Walk from one track of the catalogue to another, as for `Engine.path`."""
        index = self.index.current()
        for track in (start, end):
            if track.track_id not in index:
                raise UnknownTrackError(
                    f"track must be embedded, got {str(track.path)!r} ({track.error or 'no vector yet'})"
                )
        try:
            track_ids = walk(start.track_id, end.track_id, n, index)
            vectors = index.vectors(track_ids)
        except LookupError as error:
            raise UnknownTrackError(f"a track was removed while the path was built ({error}): try again") from error
        similarities = [1.0, *(float(a @ b) for a, b in pairwise(vectors))]
        return [
            Neighbour(rank=rank, similarity=similarity, track=find_track(track_id, self._catalogue))
            for rank, (track_id, similarity) in enumerate(zip(track_ids, similarities, strict=True), start=1)
        ]

    def explain(self, query: str | Path, neighbour: str | Path) -> Match:
        """Find the seconds at which two tracks sound most alike, among the segments of their vectors.

        Parameters
        ----------
        query, neighbour
            Track ids, or paths of any audio files. Both files are read, unless they are cached.

        Raises
        ------
        UnknownTrackError, DecodeError
            When a track is neither in the catalogue nor a file; when a file cannot be decoded, or is not there any
            more.
        """
        return best_match(self._segments.segments_of(query), self._segments.segments_of(neighbour))

    def waveform(self, track: str | Path) -> Peaks:
        """Outline a track, or any audio file, for drawing; raises what `explain` does."""
        return self._waveforms.get(track_or_file(track, self._catalogue).path, self._models.decoders.outline)

    def by_text(self, text: str, k: int = 20) -> list[Track]:
        """Find tracks with every word of a text in title, artist, album, genre or path.

        Parameters
        ----------
        text
            Words, whatever their case and accents; without any nothing is found.
        k
            How many tracks at most.

        Returns
        -------
        tracks
            Those with whole words come first.

        Raises
        ------
        ValueError
            When `k` is below 1.
        """
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        words = words_of(text)
        return self._present(self._texts.ranked(words, k)) if words else []

    def page(self, text: str = "", *, limit: int, offset: int = 0) -> tuple[list[Track], int]:
        """List embedded tracks by path, a page at a time: all, or those that `by_text` finds.

        Parameters
        ----------
        text
            As for `by_text`; without any word all tracks are listed.
        limit
            Tracks on the page at most.
        offset
            Tracks that come before the page.

        Returns
        -------
        tracks, n_tracks
            The page, and how many tracks there are in all.
        """
        words = words_of(text)
        if not words:
            return self._catalogue.page(limit=limit, offset=offset), self._catalogue.n_tracks("embedded")
        track_ids, n_tracks = self._texts.page(words, limit=limit, offset=offset)
        return self._present(track_ids), n_tracks

    def map(self) -> CatalogueMap:
        """Return the map of the catalogue; it is laid out once and stored, and new tracks are placed on it."""
        return self._maps.current()

    def draft_map(self) -> CatalogueMap:
        """Lay out the catalogue without waiting: for as long as another thread is at work on `map`."""
        return self._maps.draft()

    def serve_many(self) -> None:
        """Prepare for many searches: prefer a faster index, cache tracks in memory, and index names."""
        self._texts.prepare()
        self.index.serve_many()
        self._tracks.n_kept = N_KEPT
        track_ids = self.index.current().track_ids()[:N_KEPT]
        for start in range(0, len(track_ids), FILL):
            self.track_vectors(track_ids[start : start + FILL])

    def is_at_hand(self, where: TrackFilter | None = None) -> bool:
        """Return whether a search would start immediately: index, and the tracks of a filter, in memory as of now."""
        return self.index.is_at_hand() and (where is None or self._filters.has(where, self.index.current()))

    @staticmethod
    def keep_to_one_thread() -> None:
        """Make searches in the calling thread single-threaded; for callers who search in many threads at once."""
        keep_to_one_thread()

    def _present(self, track_ids: Iterable[str]) -> list[Track]:
        """Give the tracks of some ids, but for what has gone meanwhile."""
        tracks = (self._catalogue.track(track_id) for track_id in track_ids)
        return [track for track in tracks if track is not None]
