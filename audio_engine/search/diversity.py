"""Diversity of a list: maximal marginal relevance, and a determinantal point process by greedy inference.

Both take the relevance of some candidates and how alike these are, and fill a list place by place. One number says how
much variety counts against relevance: at 0 the most relevant come first, at 1 only variety counts after the first.
Tracks are alike that sound alike, and more so if an artist or a genre is the same (`Likeness`).

References
----------
J. Carbonell, J. Goldstein, The use of MMR, diversity-based reranking, SIGIR 1998.
L. Chen, G. Zhang, E. Zhou, Fast greedy MAP inference for determinantal point process to improve recommendation
diversity, NeurIPS 2018.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from audio_engine.catalogue.tag_text import artist_keys
from audio_engine.catalogue.track import Track

Floats = NDArray[np.floating]
RerankMethod = Literal["mmr", "dpp"]
RowOf = Callable[[int], Floats]  # how alike a candidate is to each of them: (n,), 1 to itself

ARTIST_SHARE, GENRE_SHARE = 0.2, 0.1  # of the likeness; what is left of it is sound
OWN = 0.01  # of a track is like no other: keeps determinants above 0 in lists longer than the vectors


class Likeness:
    """How alike tracks are, by sound, and by artist and genre where these are known.

    The table of all pairs is a weighted sum of tables of inner products, hence positive semidefinite, as a
    determinantal point process needs it. It is never made: a list of k tracks takes k of its rows.

    Parameters
    ----------
    vectors : (n, dim)
        Unit length.
    artists : (n,)
        Names of the artists of each, none where not known; (): of no track.
    genres : (n,)
        Empty where not known; (): of no track.
    """

    def __init__(self, vectors: Floats, artists: Sequence[Collection[str]] = (), genres: Sequence[str] = ()) -> None:
        self._vectors = vectors.astype(np.float64)
        groups = (artists, [{genre} if genre else () for genre in genres])
        self._shared = [
            (share, _Shared(names))
            for share, names in zip((ARTIST_SHARE, GENRE_SHARE), groups, strict=True)
            if any(names)
        ]

    @classmethod
    def of_tracks(cls, tracks: Sequence[Track], vectors: Floats) -> "Likeness":
        """Compare tracks by their vectors (n, dim) and their tags; a genre may be a predicted one."""
        genres = [(track.tags.genre or track.genre_predicted).casefold() for track in tracks]
        return cls(vectors, [artist_keys(track.tags.artist) for track in tracks], genres)

    def row(self, number: int) -> NDArray[np.float64]:
        """Compare one track with all: (n,), at most 1; 1 with itself."""
        alike = (1 - sum(share for share, _ in self._shared)) * (self._vectors @ self._vectors[number])
        for share, names in self._shared:
            alike += share * names.row(number)
        alike[number] = 1.0
        return np.asarray(alike)


class Choice(Protocol):
    """A list that is being filled."""

    def gains(self) -> Floats:
        """Give what each candidate would add to the list now: (n,)."""

    def add(self, row: int) -> None:
        """Take a candidate into the list."""


class MarginalRelevance:
    """Maximal marginal relevance: (1 - diversity) * relevance - diversity * likeness to the most alike place before.

    Parameters
    ----------
    relevance : (n,)
        Of the candidates, more is better; on the scale of cosines.
    row_of
        How alike they are, as `Likeness.row`.
    diversity
        From 0 to 1.
    """

    def __init__(self, relevance: Floats, row_of: RowOf, diversity: float) -> None:
        self._relevance, self._row_of, self._diversity = relevance, row_of, diversity
        self._nearest: Floats | None = None  # to the most alike place so far

    def gains(self) -> Floats:
        """Give what each candidate would add to the list now: (n,)."""
        if self._nearest is None:
            return self._relevance
        return (1 - self._diversity) * self._relevance - self._diversity * self._nearest

    def add(self, row: int) -> None:
        """Take a candidate into the list."""
        alike = self._row_of(row)
        self._nearest = alike if self._nearest is None else np.maximum(self._nearest, alike)


class Determinant:
    """A determinantal point process: (1 - diversity) * sum of relevance + diversity * log-determinant of the likeness.

    Parameters
    ----------
    relevance, row_of, diversity
        As for `MarginalRelevance`.
    k
        Places at most: filling them takes time O(k^2 n) and memory O(k n).

    References
    ----------
    Chen, Zhang, Zhou 2018: algorithm 1, and equation 14, whose theta is 1 - diversity: the kernel is q_i q_j S_ij, with
    q the exponential of relevance * theta / (2 (1 - theta)). Changed here: S has `OWN` of the unit matrix in it.
    """

    def __init__(self, relevance: Floats, row_of: RowOf, diversity: float, k: int) -> None:
        self._relevance, self._row_of, self._diversity = relevance, row_of, diversity
        self._factors = np.zeros((len(relevance), k))  # of each, its row of the Cholesky factor with the chosen
        self._left = np.ones(len(relevance))  # of each, squared, what the chosen do not span
        self._n = 0

    def gains(self) -> Floats:
        """Give what each candidate would add to the list now: (n,)."""
        return (1 - self._diversity) * self._relevance + self._diversity * np.log(self._left)

    def add(self, row: int) -> None:
        """Take a candidate into the list."""
        alike = (1 - OWN) * self._row_of(row)
        alike[row] = 1.0
        before = self._factors[:, : self._n]
        factor = (alike - before @ before[row]) / np.sqrt(self._left[row])
        self._factors[:, self._n] = factor
        self._left = np.maximum(self._left - factor**2, OWN / 2)  # above 0, whatever rounding does
        self._n += 1


def rerank(relevance: Floats, row_of: RowOf, *, k: int, diversity: float, method: RerankMethod = "mmr") -> list[int]:
    """Choose a list of candidates.

    Parameters
    ----------
    relevance : (n,)
        Of the candidates, more is better; on the scale of cosines.
    row_of
        How alike they are, as `Likeness.row`.
    k
        Places.
    diversity
        From 0, the most relevant, to 1, where after the first only variety counts.
    method
        "mmr", maximal marginal relevance, or "dpp", a determinantal point process.

    Returns
    -------
    rows : (min(k, n),)
        Of the candidates, in the order of the list.

    Raises
    ------
    ValueError
        When the method is none, or the diversity is out of range.

    Examples
    --------
    >>> vectors = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> rerank(np.array([0.9, 0.8, 0.3]), Likeness(vectors).row, k=2, diversity=0.5)
    [0, 2]
    """
    check_diversity(diversity)
    if method not in get_args(RerankMethod):
        raise ValueError(f"method must be one of {', '.join(get_args(RerankMethod))}, got {method!r}")
    k = min(k, len(relevance))
    choice: Choice = (
        MarginalRelevance(relevance, row_of, diversity)
        if method == "mmr"
        else Determinant(relevance, row_of, diversity, k)
    )
    rows: list[int] = []
    is_left = np.ones(len(relevance), np.bool_)
    for _ in range(k):
        row = int(np.where(is_left, choice.gains(), -np.inf).argmax())
        choice.add(row)
        is_left[row] = False
        rows.append(row)
    return rows


def check_diversity(diversity: float) -> None:
    """Refuse a diversity that is none.

    Raises
    ------
    ValueError
    """
    if not 0 <= diversity <= 1:  # written so that NaN is refused
        raise ValueError(f"diversity must be between 0 and 1, got {diversity}")


class _Shared:
    """Names that tracks share: compares sets of names by the cosine of their indicators."""

    def __init__(self, names: Sequence[Collection[str]]) -> None:
        self._names = names
        self._scale = np.array([len(each) ** -0.5 if each else 0.0 for each in names])
        self._rows: defaultdict[str, list[int]] = defaultdict(list)
        for row, each in enumerate(names):
            for name in each:
                self._rows[name].append(row)

    def row(self, number: int) -> NDArray[np.float64]:
        """Compare one track with all: (n,), from 0 to 1."""
        same = np.zeros(len(self._names))
        for name in self._names[number]:
            same[self._rows[name]] += 1.0
        return np.asarray(same * self._scale * self._scale[number])
