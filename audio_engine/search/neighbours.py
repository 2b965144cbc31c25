"""A vector in, the answer out: the most similar tracks, copies grouped, artists kept within bounds.

The index knows vectors only. Here its raw hits become an answer: the track itself and its copies are left out, copies
of one recording share a place, and an artist may be left out or capped.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from audio_engine.catalogue.duplicates import are_among, number_recordings
from audio_engine.catalogue.tag_text import normalised
from audio_engine.catalogue.track import Track, TrackVector
from index.vector_index import VectorIndex

SPARE = 8  # hits fetched past k at first, for the copies and artists that are left out
WIDEN = 4  # times as many hits are fetched when too few of them were wanted


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """One place in an answer."""

    rank: int  # from 1
    similarity: float  # cosine, at most 1
    track: Track
    copies: tuple[Track, ...] = ()  # the same recording again, less similar or equal


@dataclass(kw_only=True)
class Recording:
    """A place in the making: a recording with its copies."""

    similarity: float
    found: TrackVector
    copies: list[Track]

    @property
    def track(self) -> Track:
        """The track that stands for it."""
        return self.found.track


def find_neighbours(  # noqa: PLR0913  (one question, with what bounds its answer)
    vector: NDArray[np.float32],
    k: int,
    *,
    index: VectorIndex,
    fetch: Callable[[Sequence[str]], Mapping[str, TrackVector]],
    seeds: Sequence[TrackVector] = (),
    allowed_ids: Collection[str] | None = None,
    not_same_artist: bool = False,
    max_per_artist: int | None = None,
) -> list[Neighbour]:
    """Find the recordings most similar to a vector.

    Parameters
    ----------
    vector : (dim,)
        Unit length.
    k
        Places in the answer; fewer come where fewer are wanted of those that the index holds.
    index
        Vectors by track id.
    fetch
        Gives tracks and vectors by id; lacks what has gone meanwhile.
    seeds
        What the vector was made of: they and their copies are left out.
    allowed_ids
        Ids of the tracks that are ranked at all; by default every one.
    not_same_artist
        Leave out the artists of the seeds, where known.
    max_per_artist
        At most so many places for one artist; tracks of no known artist are not counted.

    Returns
    -------
    neighbours
        The most similar first; equals in the order of their track ids.

    Raises
    ------
    ValueError
        When ``k`` or ``max_per_artist`` is below 1.
    """
    if max_per_artist is not None and max_per_artist < 1:
        raise ValueError(f"max_per_artist must be at least 1, got {max_per_artist}")
    excluded = {_artist(seed.track) for seed in seeds} if not_same_artist else set()
    asked = [seed.track for seed in seeds], np.array([seed.vector for seed in seeds])
    n_hits = k + SPARE if k >= 1 else k  # the index refuses a k below 1
    subset = None if allowed_ids is None else index.subset(allowed_ids)
    while True:
        found = index.search(vector[np.newaxis], n_hits, subset)[0]
        known = fetch([track_id for track_id, _ in found])
        hits = [(known[track_id], similarity) for track_id, similarity in found if track_id in known]
        wanted = ArtistLimit(excluded=excluded, max_per_artist=max_per_artist)
        places = group_recordings(hits, wanted, is_known=are_among([hit for hit, _ in hits], *asked))
        if len(places) >= k or len(found) < n_hits or n_hits >= len(index):
            return list(_ranked(places[:k]))
        n_hits *= WIDEN


class ArtistLimit:
    """Says of each recording, in the order of the answer, whether its artist may have a place; counts those given."""

    def __init__(self, *, excluded: Collection[str], max_per_artist: int | None) -> None:
        self._excluded = excluded
        self._max_per_artist = max_per_artist
        self._n_places: Counter[str] = Counter()

    def __call__(self, track: Track) -> bool:
        """Tell, and count."""
        artist = _artist(track)
        if not artist:
            return True
        if artist in self._excluded or self._n_places[artist] == self._max_per_artist:
            return False
        self._n_places[artist] += 1
        return True


def group_recordings(
    hits: Sequence[tuple[TrackVector, float]], wanted: Callable[[Track], bool], *, is_known: Sequence[bool]
) -> list[Recording]:
    """Group hits that are copies of one recording under the most similar of them.

    Two hits that only a third track joins are one recording where that track is a hit too: it lies close to both, so
    that it seldom is not, unless a filter leaves it out.

    Parameters
    ----------
    hits : (n_hits,)
        With their similarities, the most similar first.
    wanted
        Told the first track of each recording in turn, says whether it may have a place; copies go with it.
    is_known : (n_hits,)
        Whether a track was asked about or heard, in whatever copy: none of its recording has a place.
    """
    vectors = np.stack([hit.vector for hit, _ in hits]) if hits else np.empty((0, 0), np.float32)
    numbers = number_recordings([hit.track for hit, _ in hits], vectors).tolist()
    recordings: dict[int, Recording | None] = dict.fromkeys(compress(numbers, is_known))  # None: without a place
    for number, (hit, similarity) in zip(numbers, hits, strict=True):
        if number not in recordings:
            place = Recording(similarity=similarity, found=hit, copies=[])
            recordings[number] = place if wanted(hit.track) else None
        elif (first := recordings[number]) is not None:
            first.copies.append(hit.track)
    return [place for place in recordings.values() if place is not None]


def _ranked(places: Sequence[Recording]) -> Iterator[Neighbour]:
    """Give the places their ranks."""
    for rank, place in enumerate(places, start=1):
        yield Neighbour(rank=rank, similarity=place.similarity, track=place.track, copies=tuple(place.copies))


def _artist(track: Track) -> str:
    return normalised(track.tags.artist)
