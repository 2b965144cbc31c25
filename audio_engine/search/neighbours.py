"""Nearest-neighbour search with post-filtering: copies grouped, artists excluded or capped, answers steered.

The index returns the nearest vectors. This module removes the query track and its copies from its hits, groups copies
of one recording in one place, and limits artists. `find_neighbours` keeps the order of the index; `find_steered` takes
more hits, and leaves it to `search.steering` to choose among them.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from audio_engine.catalogue.duplicates import are_among, number_recordings
from audio_engine.catalogue.tag_text import artist_keys
from audio_engine.catalogue.track import Track, TrackVector
from audio_engine.search.steering import Steering, arrange, directions_of, products_of, varied
from index.filters import Subset
from index.vector_index import VectorIndex

SPARE = 8  # hits fetched past k at first, for the copies and artists that are left out
WEAK_SIMILARITY = 0.6  # below it two tracks do not sound much alike: of all pairs of 553 tracks 1 % lie above it
WIDEN = 4  # times as many hits are fetched when too few remain after filtering


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """One neighbour of a query."""

    rank: int  # from 1
    similarity: float  # cosine, at most 1
    track: Track
    copies: tuple[Track, ...] = ()  # the same recording again, less similar or equal


@dataclass(kw_only=True)
class Recording:
    """A recording with its copies, before it has a rank."""

    similarity: float
    found: TrackVector
    copies: list[Track]

    @property
    def track(self) -> Track:
        """The most similar of its copies."""
        return self.found.track


def find_neighbours(  # noqa: PLR0913  (one question, with what bounds its answer)
    vector: NDArray[np.float32],
    k: int,
    *,
    index: VectorIndex,
    fetch: Callable[[Sequence[str]], Mapping[str, TrackVector]],
    seeds: Sequence[TrackVector] = (),
    allowed: Subset | None = None,
    not_same_artist: bool = False,
    max_per_artist: int | None = None,
) -> list[Neighbour]:
    """Find the recordings most similar to a vector.

    Parameters
    ----------
    vector : (dim,)
        Unit length.
    k
        Number of neighbours; fewer are returned if fewer tracks pass the filters.
    index
        Vectors by track id.
    fetch
        Returns tracks and vectors by id, without tracks removed in the meantime.
    seeds
        The tracks that the vector was computed from; they and their copies are left out.
    allowed
        Rank only these tracks of the index; by default all.
    not_same_artist
        Leave out the artists of the seeds, if known.
    max_per_artist
        Maximum number of neighbours by one artist; tracks of unknown artist are not limited.

    Returns
    -------
    neighbours
        The most similar first; ties in the order of their track ids.

    Raises
    ------
    ValueError
        When ``k`` or ``max_per_artist`` is below 1.
    """
    if max_per_artist is not None and max_per_artist < 1:
        raise ValueError(f"max_per_artist must be at least 1, got {max_per_artist}")
    excluded = _artists_of(seeds) if not_same_artist else set()
    asked = [seed.track for seed in seeds], np.array([seed.vector for seed in seeds])
    n_hits = k + SPARE if k >= 1 else k  # the index refuses a k below 1
    while True:
        found = index.search(vector[np.newaxis], n_hits, allowed)[0]
        known = fetch([track_id for track_id, _ in found])
        hits = [(known[track_id], similarity) for track_id, similarity in found if track_id in known]
        wanted = ArtistLimit(excluded=excluded, max_per_artist=max_per_artist)
        places = group_recordings(hits, wanted, is_known=are_among([hit for hit, _ in hits], *asked))
        if len(places) >= k or len(found) < n_hits or n_hits >= len(index):
            return list(_ranked(places[:k]))
        n_hits *= WIDEN


def find_steered(  # noqa: PLR0913  (one question, with what bounds its answer)
    seeds: Sequence[TrackVector],
    weights: Sequence[float],
    k: int,
    *,
    steering: Steering,
    index: VectorIndex,
    fetch: Callable[[Sequence[str]], Mapping[str, TrackVector]],
    allowed: Subset | None = None,
    not_same_artist: bool = False,
    max_per_artist: int | None = None,
) -> list[Neighbour]:
    """Find recordings similar to some seeds and not to others, and arrange them.

    Parameters
    ----------
    seeds, weights : (n_seeds,)
        As for `steering.directions_of`. They and their copies are left out.
    k
        Number of neighbours at most.
    steering
        How they are chosen and ordered.
    not_same_artist
        Leave out the artists of the liked seeds, if known.
    index, fetch, allowed, max_per_artist
        As for `find_neighbours`.

    Returns
    -------
    neighbours
        In the order of the answer; `similarity` is that to the liked seeds, and need not fall.

    Raises
    ------
    ValueError
        When ``k`` or ``max_per_artist`` is below 1, or the weights do not fit.
    """
    for name, number in (("k", k), ("max_per_artist", max_per_artist)):
        if number is not None and number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")
    asked = [seed.track for seed in seeds], np.array([seed.vector for seed in seeds])
    directions = directions_of(asked[1], weights)
    liked = [seed for seed, weight in zip(seeds, weights, strict=True) if weight > 0]
    excluded = _artists_of(liked) if not_same_artist else set()
    n_hits = steering.n_candidates(k) + SPARE
    away = _hits_along(directions[1:], n_hits, index, allowed)
    while True:
        found = index.search(directions[:1], n_hits, allowed)[0]
        known = fetch(list(dict.fromkeys([*(track_id for track_id, _ in found), *away])))
        hits = _most_relevant(list(known.values()), directions, n_hits)
        wanted = ArtistLimit(excluded=excluded, max_per_artist=None)
        places = group_recordings(hits, wanted, is_known=are_among([hit for hit, _ in hits], *asked))
        chosen, is_short = _arranged(places, directions, k=k, steering=steering, max_per_artist=max_per_artist)
        if not is_short or len(found) < n_hits or n_hits >= len(index):
            return list(_ranked(chosen))
        n_hits *= WIDEN


class ArtistLimit:
    """Decides for each recording, best first, whether its artists are allowed, and counts those by artist."""

    def __init__(self, *, excluded: Collection[str], max_per_artist: int | None) -> None:
        self._excluded = excluded
        self._max_per_artist = max_per_artist
        self._n_places: Counter[str] = Counter()

    def __call__(self, track: Track) -> bool:
        """Return whether the track is allowed, and count it if so."""
        if not self._excluded and self._max_per_artist is None:
            return True
        artists = artist_keys(track.tags.artist)
        if any(artist in self._excluded or self._n_places[artist] == self._max_per_artist for artist in artists):
            return False
        self._n_places.update(artists)
        return True


def group_recordings(
    hits: Sequence[tuple[TrackVector, float]], wanted: Callable[[Track], bool], *, is_known: Sequence[bool]
) -> list[Recording]:
    """Group hits that are copies of one recording under the most similar of them.

    Two hits that are copies only of a third track count as one recording if that track is a hit too. It usually is,
    being close to both, unless a filter excludes it.

    Parameters
    ----------
    hits : (n_hits,)
        Tracks with their similarities, the most similar first.
    wanted
        Called with the first track of each recording in turn; decides whether the recording is kept, with its copies.
    is_known : (n_hits,)
        Whether a track is part of the query or was played already; its whole recording is left out.
    """
    vectors = np.array([hit.vector for hit, _ in hits]) if hits else np.empty((0, 0), np.float32)
    numbers = number_recordings([hit.track for hit, _ in hits], vectors).tolist()
    recordings: dict[int, Recording | None] = dict.fromkeys(compress(numbers, is_known))  # None: left out
    for number, (hit, similarity) in zip(numbers, hits, strict=True):
        if number not in recordings:
            place = Recording(similarity=similarity, found=hit, copies=[])
            recordings[number] = place if wanted(hit.track) else None
        elif (first := recordings[number]) is not None:
            first.copies.append(hit.track)
    return [place for place in recordings.values() if place is not None]


def _artists_of(seeds: Sequence[TrackVector]) -> set[str]:
    """List the artists of some tracks."""
    return {artist for seed in seeds for artist in artist_keys(seed.track.tags.artist)}


def _hits_along(directions: NDArray[np.float32], n_hits: int, index: VectorIndex, subset: Subset | None) -> list[str]:
    """List the tracks nearest to each of some directions of any length; to none, where a length is 0."""
    lengths = np.linalg.norm(directions, axis=1)
    long = directions[lengths > 1e-6] / lengths[lengths > 1e-6, np.newaxis]
    found = index.search(long, n_hits, subset) if len(long) else []
    return [track_id for hits in found for track_id, _ in hits]


def _most_relevant(
    found: Sequence[TrackVector], directions: NDArray[np.float32], n: int
) -> list[tuple[TrackVector, float]]:
    """Keep the n most relevant tracks, ordered by their similarity to the first direction; ties by their ids."""
    if not found:
        return []
    products = products_of(np.stack([each.vector for each in found]), directions)
    kept = np.argsort(-products.min(axis=1), kind="stable")[:n].tolist()
    hits = [(found[row], min(1.0, float(products[row, 0]))) for row in kept]
    return sorted(hits, key=lambda hit: (-hit[1], hit[0].track.track_id))


def _arranged(
    places: Sequence[Recording],
    directions: NDArray[np.float32],
    *,
    k: int,
    steering: Steering,
    max_per_artist: int | None,
) -> tuple[list[Recording], bool]:
    """Choose among recordings, and order them; tell whether others might fill room that is left."""
    if not places:
        return [], True
    vectors = np.stack([place.found.vector for place in places])
    relevance = products_of(vectors, directions).min(axis=1)
    if steering.variation:
        relevance = varied(relevance, [place.track.track_id for place in places], steering)
    tracks = [place.track for place in places]
    rows, is_short = arrange(tracks, vectors, relevance, k=k, steering=steering, max_per_artist=max_per_artist)
    return [places[row] for row in rows], is_short


def _ranked(places: Sequence[Recording]) -> Iterator[Neighbour]:
    """Assign ranks."""
    for rank, place in enumerate(places, start=1):
        yield Neighbour(rank=rank, similarity=place.similarity, track=place.track, copies=tuple(place.copies))
