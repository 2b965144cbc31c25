"""Steering of an answer: weighted and unliked seeds, chance, diversity, spread of artists, length of a playlist.

Everything here is pure: `search.neighbours` brings the candidates from the index, this module scores and orders them.

- Seeds that are liked count by the weighted mean of their vectors, as in Rocchio's query. On the shared excerpts the
  mean finds more tracks of the seeds' artist than the nearest seed does (docs/experiments/steering.md).
- A seed that is unliked takes its similarity off, where that is above 0. Of several only the one that takes off most
  counts: their sum drowns the liked seeds. The score is then the least of the inner products with a few directions, and
  the index is searched along each of these.

References
----------
J. Rocchio, Relevance feedback in information retrieval, 1971.
J. Carbonell, J. Goldstein, The use of MMR, diversity-based reranking, SIGIR 1998: `Steering.diverse` is 1 - lambda.
W. Kool et al., Stochastic beams and where to find them, ICML 2019: the Gumbel-top-k trick.
"""

import math
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from audio_engine.catalogue.tag_text import artist_keys
from audio_engine.catalogue.track import Track
from audio_engine.search.diversity import MarginalRelevance, RowOf

UNLIKE = 0.5  # what an unliked seed of weight 1 takes off, as a share of its similarity
N_PLACES = 10  # in an answer whose length is not asked for
MAX_PLACES = 500  # in a playlist whose length is asked for in minutes
MAX_MINUTES = 1_440.0  # a day
TYPICAL_MINUTES = 3.0  # of a track, to guess how many places a playlist has
POOL, MIN_POOL = 10, 50  # candidates for each place; and at least
NEARLY = 0.9  # share of the minutes from which a playlist counts as filled
MAX_WEIGHT = 100.0  # of a seed

Floats = NDArray[np.floating]
NameT = TypeVar("NameT")  # however it is named


@dataclass(frozen=True, kw_only=True)
class Steering:
    """How an answer is made from its candidates; by default the most similar come first.

    Raises
    ------
    ValueError
        When a number is out of its range.

    Examples
    --------
    >>> bool(Steering(seed=7)), bool(Steering(minutes=45))
    (False, True)
    >>> Steering(diverse=2)
    Traceback (most recent call last):
    ValueError: diverse must be between 0 and 1, got 2
    """

    variation: float = 0.0  # 0 to 1: how much chance reorders the answer; 0 not at all
    seed: int = 0  # of that chance: the same seed, the same answer
    diverse: float = 0.0  # 0 to 1: weight of differing from the places before, against being similar to the seeds
    artist_gap: int = 0  # places after a track in which its artists do not come again
    minutes: float | None = None  # the answer is at most so long, and nearly

    def __post_init__(self) -> None:
        for name in ("variation", "diverse"):
            if not 0 <= getattr(self, name) <= 1:  # written so that NaN is refused
                raise ValueError(f"{name} must be between 0 and 1, got {getattr(self, name)}")
        if self.artist_gap < 0:
            raise ValueError(f"artist_gap must be at least 0, got {self.artist_gap}")
        if self.minutes is not None and not 0 < self.minutes <= MAX_MINUTES:
            raise ValueError(f"minutes must be above 0, at most {MAX_MINUTES:g}, got {self.minutes}")

    def __bool__(self) -> bool:
        """Whether it asks for anything."""
        return bool(self.variation or self.diverse or self.artist_gap or self.minutes)

    def n_places(self, k: int | None) -> int:
        """Give the places of an answer at most: `k`, or without it ten, or as many as fill the minutes."""
        return k if k is not None else N_PLACES if self.minutes is None else MAX_PLACES

    def n_candidates(self, k: int) -> int:
        """Give how many candidates are looked at for at most `k` places; more, where these do not fill them."""
        n_places = k if self.minutes is None else min(k, math.ceil(self.minutes / TYPICAL_MINUTES))
        return max(MIN_POOL, POOL * n_places)

    def is_filled_by(self, tracks: Sequence[Track], k: int | None) -> bool:
        """Tell whether an answer is as long as was asked for."""
        if self.minutes is None or (k is not None and len(tracks) >= k):
            return len(tracks) >= self.n_places(k)
        return minutes_of(tracks) >= NEARLY * self.minutes


PLAIN = Steering()


def minutes_of(tracks: Sequence[Track]) -> float:
    """Add up the lengths of tracks, in minutes; what is not known counts as nothing."""
    return sum(track.tags.duration_s or 0.0 for track in tracks) / 60


def signed_weights(
    like: Mapping[NameT, float] | None, unlike: Mapping[NameT, float] | None
) -> list[tuple[NameT, float]]:
    """Join what is liked with what is unliked, whose weights are negated.

    Raises
    ------
    ValueError
        When a weight is not above 0, or above `MAX_WEIGHT`.

    Examples
    --------
    >>> signed_weights({"a": 1, "b": 0.5}, {"c": 2})
    [('a', 1), ('b', 0.5), ('c', -2)]
    """
    for name, given in (("like", like or {}), ("unlike", unlike or {})):
        for track, weight in given.items():
            if not 0 < weight <= MAX_WEIGHT:
                limits = f"above 0, at most {MAX_WEIGHT:g}"
                raise ValueError(f"weight of {name} {str(track)!r} must be {limits}, got {weight:g}")
    return [*(like or {}).items(), *((track, -weight) for track, weight in (unlike or {}).items())]


def unit_mean(vectors: Floats | Sequence[Floats], weights: Floats | None = None) -> NDArray[np.float32]:
    """Average unit vectors (n, dim), by weights (n,) above 0 or equally: (dim,), of unit length.

    Vectors that cancel out have no direction in common; the first stands for them then.
    """
    if weights is not None:
        mean = np.average(vectors, axis=0, weights=weights)
    else:
        mean = np.mean(vectors, 0, np.float64) if len(vectors) > 1 else np.asarray(vectors[0], np.float64)
    length = math.sqrt(mean @ mean)
    return np.asarray(mean / length if length > 1e-6 else vectors[0], np.float32)


def directions_of(vectors: Floats, weights: Sequence[float]) -> NDArray[np.float32]:
    """Lay out the directions of a query: the relevance of a track is the least of its inner products with them.

    Parameters
    ----------
    vectors : (n_seeds, dim)
        Unit length.
    weights : (n_seeds,)
        Above 0: like it; below 0: unlike it. One must be above 0.

    Returns
    -------
    directions : (1 + n_unliked, dim)
        The first is the mean of the liked seeds, of unit length; the others are that less an unliked seed.

    Raises
    ------
    ValueError
        When there are not as many weights as seeds, one is 0 or not finite, or none is above 0.
    """
    given = np.asarray(weights, np.float32)
    if len(given) != len(vectors):
        raise ValueError(f"weights must be as many as seeds ({len(vectors)}), got {len(given)}")
    if not (np.isfinite(given).all() and given.all()):
        raise ValueError(f"weights must be finite and not 0, got {list(weights)}")
    if not (given > 0).any():
        raise ValueError(f"weights must hold one above 0, got {list(weights)}")
    towards = unit_mean(vectors[given > 0], given[given > 0])[np.newaxis]
    return np.concatenate([towards, towards + UNLIKE * given[given < 0, np.newaxis] * vectors[given < 0]])


def products_of(vectors: Floats, directions: Floats) -> NDArray[np.float64]:
    """Multiply vectors (n, dim) with directions (n_directions, dim): (n, n_directions).

    Each is summed by itself, so that none depends in its last digits on which others are computed with it.
    """
    wide = vectors.astype(np.float64)
    return np.stack([(wide * direction).sum(axis=1) for direction in directions], axis=1)


def varied(relevance: Floats, track_ids: Sequence[str], steering: Steering) -> NDArray[np.float64]:
    """Add chance to relevance, of the width of its spread: at `variation` 1 four of ten tracks stay (n,).

    The chance of a track depends on its id and the seed alone: another filter or another track changes no other's.
    """
    chance = np.array([_gumbel(f"{steering.seed} {track_id}") for track_id in track_ids])
    return np.asarray(relevance + steering.variation * relevance.std() * chance, np.float64)


def arrange(  # noqa: PLR0913  (the candidates, and what bounds the choice)
    tracks: Sequence[Track],
    vectors: Floats,
    relevance: Floats,
    *,
    k: int,
    steering: Steering,
    max_per_artist: int | None = None,
    row_of: RowOf | None = None,
) -> tuple[list[int], bool]:
    """Choose and order an answer, place by place, by maximal marginal relevance.

    Parameters
    ----------
    tracks : (n,)
        The candidates.
    vectors : (n, dim)
        Theirs, unit length.
    relevance : (n,)
        More is better; on the scale of cosines.
    k
        Places at most.
    max_per_artist
        Places of one artist at most.
    row_of
        How alike a candidate is to each, as `diversity.Likeness.row`; by default by their vectors.

    Returns
    -------
    rows
        Of the candidates, in the order of the answer.
    is_short
        Whether there is room left that other candidates might fill.
    """
    artists = _Artists(tracks, gap=steering.artist_gap, max_places=max_per_artist)
    lengths_s, left_s = _lengths_s(tracks, steering), 60 * (steering.minutes or 0.0)
    is_left = np.isfinite(lengths_s)
    choice = MarginalRelevance(relevance, row_of or (lambda row: vectors @ vectors[row]), steering.diverse)
    rows: list[int] = []
    while len(rows) < k:
        is_free = is_left & artists.may_follow()
        fits = is_free & (lengths_s <= left_s)
        if not fits.any():
            return rows, not rows or not is_free.any()
        row = int(np.where(fits, choice.gains(), -np.inf).argmax())
        choice.add(row)
        rows.append(row)
        is_left[row] = False
        left_s -= lengths_s[row]
        artists.add(row)
    return rows, False


class _Artists:
    """Which candidates may stand at the next place, by their artists; those of unknown artist always may."""

    def __init__(self, tracks: Sequence[Track], *, gap: int, max_places: int | None) -> None:
        self._names = [artist_keys(track.tags.artist) for track in tracks]
        self._rows: defaultdict[str, list[int]] = defaultdict(list)
        for row, names in enumerate(self._names):
            for name in names:
                self._rows[name].append(row)
        self._recent: deque[frozenset[str]] = deque(maxlen=gap)  # artists of the last places
        self._n_places: Counter[str] = Counter()
        self._max_places = max_places

    def may_follow(self) -> NDArray[np.bool_]:
        """Tell it of each candidate."""
        may = np.ones(len(self._names), np.bool_)
        full = (name for name, n in self._n_places.items() if n == self._max_places)
        for name in {name for names in self._recent for name in names}.union(full):
            may[self._rows[name]] = False
        return may

    def add(self, row: int) -> None:
        """Count a candidate that has got a place."""
        self._recent.append(self._names[row])
        self._n_places.update(self._names[row])


def _lengths_s(tracks: Sequence[Track], steering: Steering) -> NDArray[np.float64]:
    """Give what each track takes of the playlist's length, in seconds: infinitely much where that is not known."""
    if steering.minutes is None:
        return np.zeros(len(tracks))
    return np.array([track.tags.duration_s or math.inf for track in tracks], np.float64)


def _gumbel(text: str) -> float:
    """Draw from the standard Gumbel distribution by a hash, on every machine the same."""
    number = int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).digest())
    return -math.log(-math.log((number + 0.5) / 2**48))
