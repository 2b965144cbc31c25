"""A vector in, the answer out: the most similar tracks, copies grouped, artists kept within bounds.

The index knows vectors only. Here its raw hits become an answer: the track itself and its copies are left out, copies
of one recording share a place, and an artist may be left out or capped.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audio_engine.catalogue.duplicates import COPY_SIMILARITY, same_recording
from audio_engine.catalogue.tag_text import artist_keys, normalised
from audio_engine.catalogue.track import Track, TrackVector
from index.vector_index import VectorIndex

SPARE = 8  # hits fetched past k at first, for the copies and artists that are left out
BLOCK = 256  # hits that are compared with all before them at a time
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
    is_wanted: bool

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
    excluded = (
        {artist for seed in seeds for artist in artist_keys(seed.track.tags.artist)} if not_same_artist else set()
    )
    n_hits = k + SPARE if k >= 1 else k  # the index refuses a k below 1
    subset = None if allowed_ids is None else index.subset(allowed_ids)
    while True:
        found = index.search(vector[np.newaxis], n_hits, subset)[0]
        known = fetch([track_id for track_id, _ in found])
        hits = [
            (hit, similarity)
            for track_id, similarity in found
            if (hit := known.get(track_id)) is not None and not _is_seed(hit, seeds)
        ]
        wanted = ArtistLimit(excluded=excluded, max_per_artist=max_per_artist)
        places = [place for place in group_recordings(hits, wanted) if place.is_wanted]
        if len(places) >= k or len(found) < n_hits or n_hits >= len(index):
            return list(_ranked(places[:k]))
        n_hits *= WIDEN


class ArtistLimit:
    """Says of each recording, in the order of the answer, whether its artists may have a place; counts those given."""

    def __init__(self, *, excluded: Collection[str], max_per_artist: int | None) -> None:
        self._excluded = excluded
        self._max_per_artist = max_per_artist
        self._n_places: Counter[str] = Counter()

    def __call__(self, track: Track) -> bool:
        """Tell, and count."""
        artists = artist_keys(track.tags.artist)
        if any(artist in self._excluded or self._n_places[artist] == self._max_per_artist for artist in artists):
            return False
        self._n_places.update(artists)
        return True


def group_recordings(hits: Sequence[tuple[TrackVector, float]], wanted: Callable[[Track], bool]) -> list[Recording]:
    """Group hits that are copies of one recording under the most similar of them; unwanted ones take their copies."""
    vectors = np.stack([hit.vector for hit, _ in hits]) if hits else np.empty((0, 0), np.float32)
    close = _close_rows(vectors)
    recordings: dict[int, Recording] = {}  # by the row of their first hit
    rows_called: dict[object, list[int]] = defaultdict(list)  # by the bytes of the file, and by title and artist
    for row, (hit, similarity) in enumerate(hits):
        calls = [call for call in (hit.track.content_hash, _name(hit.track)) if call]
        alike = {*close[row], *(earlier for call in calls for earlier in rows_called[call])}
        for earlier in sorted(alike & recordings.keys()):
            if same_recording(recordings[earlier].track, hit.track, float(vectors[earlier] @ vectors[row])):
                recordings[earlier].copies.append(hit.track)
                break
        else:
            is_wanted = wanted(hit.track)
            recordings[row] = Recording(similarity=similarity, found=hit, copies=[], is_wanted=is_wanted)
            for call in calls:
                rows_called[call].append(row)
    return [*recordings.values()]


def _close_rows(vectors: NDArray[np.float32]) -> dict[int, list[int]]:
    """Find, for each row, the earlier rows whose vectors alone say that they are copies."""
    close: dict[int, list[int]] = defaultdict(list)
    for start in range(0, len(vectors), BLOCK):
        similarities = vectors[start : start + BLOCK] @ vectors[: start + BLOCK].T
        for row, earlier in np.argwhere(np.tril(similarities, start - 1) >= COPY_SIMILARITY).tolist():
            close[start + row].append(earlier)
    return close


def _name(track: Track) -> tuple[str, str] | None:
    """Give title and artist; None where one is not known."""
    name = normalised(track.tags.title), normalised(track.tags.artist)
    return name if all(name) else None


def _ranked(places: Sequence[Recording]) -> Iterator[Neighbour]:
    """Give the places their ranks."""
    for rank, place in enumerate(places, start=1):
        yield Neighbour(rank=rank, similarity=place.similarity, track=place.track, copies=tuple(place.copies))


def _is_seed(hit: TrackVector, seeds: Sequence[TrackVector]) -> bool:
    """Tell whether a hit is a track that was asked about, or a copy of one."""
    return any(
        hit.track.track_id == seed.track.track_id
        or same_recording(seed.track, hit.track, float(seed.vector @ hit.vector))
        for seed in seeds
    )
