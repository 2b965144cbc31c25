"""A vector in, the answer out: the most similar tracks, copies grouped, artists kept within bounds.

The index knows vectors only. Here its raw hits become an answer: the song itself and its copies are left out, copies of
one recording share a place, and an artist may be left out or capped.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audio_engine.copies import normalised, same_recording
from audio_engine.track import Track
from index.vector_index import VectorIndex

SPARE = 8  # hits fetched past 2 k at first, for the copies and artists that are left out
WIDEN = 4  # times as many hits are fetched when too few of them were wanted


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """One place in an answer."""

    rank: int  # from 1
    similarity: float  # cosine, at most 1
    track: Track
    copies: tuple[Track, ...] = ()  # the same recording again, less similar or equal


@dataclass(kw_only=True)
class _Recording:
    """A place in the making."""

    similarity: float
    track: Track
    copies: list[Track]
    is_wanted: bool


def find_neighbours(  # noqa: PLR0913  (one question, with what bounds its answer)
    vector: NDArray[np.float32],
    k: int,
    *,
    index: VectorIndex,
    track_of: Callable[[str], Track | None],
    query: Track | None = None,
    among: Collection[str] | None = None,
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
    track_of
        Gives the track of an id; None where it has gone meanwhile.
    query
        The track that the vector belongs to: it and its copies are left out.
    among
        Ids of the tracks that are ranked at all; by default every one.
    not_same_artist
        Leave out the artist of the query, where known.
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
    barred = _artist(query) if query is not None and not_same_artist else ""
    n_hits = 2 * k + SPARE if k >= 1 else k  # the index refuses a k below 1
    subset = None if among is None else index.subset(among)
    while True:
        found = index.search(vector[np.newaxis], n_hits, subset)[0]
        hits = [
            (track, similarity)
            for track_id, similarity in found
            if (track := track_of(track_id)) is not None and not _is_query(track, similarity, query)
        ]
        wanted = _Wanted(barred=barred, max_per_artist=max_per_artist)
        places = [place for place in _recordings(hits, index, wanted) if place.is_wanted]
        if len(places) >= k or len(found) < n_hits or n_hits >= len(index):
            return list(_ranked(places[:k]))
        n_hits *= WIDEN


class _Wanted:
    """Says of each recording, in the order of the answer, whether its artist may have a place; counts those given."""

    def __init__(self, *, barred: str, max_per_artist: int | None) -> None:
        self._barred = barred
        self._max_per_artist = max_per_artist
        self._n_places: Counter[str] = Counter()

    def __call__(self, track: Track) -> bool:
        artist = _artist(track)
        if not artist:
            return True
        if artist == self._barred or self._n_places[artist] == self._max_per_artist:
            return False
        self._n_places[artist] += 1
        return True


def _recordings(
    hits: Sequence[tuple[Track, float]], index: VectorIndex, wanted: Callable[[Track], bool]
) -> list[_Recording]:
    """Group hits that are copies of one recording under the most similar of them; unwanted ones take their copies."""
    vectors = index.vectors([track.track_id for track, _ in hits])
    recordings: list[_Recording] = []
    heads: list[int] = []
    for row, (track, similarity) in enumerate(hits):
        to_heads = vectors[heads] @ vectors[row]
        for recording, to_head in zip(recordings, to_heads, strict=True):
            if same_recording(recording.track, track, float(to_head)):
                recording.copies.append(track)
                break
        else:
            recordings.append(_Recording(similarity=similarity, track=track, copies=[], is_wanted=wanted(track)))
            heads.append(row)
    return recordings


def _ranked(places: Sequence[_Recording]) -> Iterator[Neighbour]:
    """Give the places their ranks."""
    for rank, place in enumerate(places, start=1):
        yield Neighbour(rank=rank, similarity=place.similarity, track=place.track, copies=tuple(place.copies))


def _is_query(track: Track, similarity: float, query: Track | None) -> bool:
    """Tell whether a hit is the song that was asked about, or a copy of it."""
    return query is not None and (track.track_id == query.track_id or same_recording(query, track, similarity))


def _artist(track: Track) -> str:
    return normalised(track.tags.artist)
