"""Measures of recommended lists: coverage, concentration, novelty and diversity.

Lists are rows of column numbers of a table of tracks. Each measure returns one number, or one per list.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


def times_shown(recommended: Rows, n_tracks: int) -> Rows:
    """Count how often each track occurs in a list.

    Parameters
    ----------
    recommended : (n_users, k)
        Tracks, each a number below ``n_tracks``.
    n_tracks
        Number of tracks that could be recommended.

    Returns
    -------
    counts : (n_tracks,)
        0 for a track in no list.

    Raises
    ------
    ValueError
        When a track is not one of the catalogue.
    """
    if recommended.size and (recommended.min() < 0 or recommended.max() >= n_tracks):
        raise ValueError(
            f"recommended must hold tracks from 0 to {n_tracks - 1}, got {recommended.min()} to {recommended.max()}"
        )
    return np.bincount(recommended.ravel(), minlength=n_tracks)


def coverage(counts: NDArray[np.number]) -> Floats:
    """Compute the share of the catalogue that is recommended to anyone at all.

    Parameters
    ----------
    counts : (..., n_tracks)
        How often each track is shown or played; 0 for those that never are.

    Returns
    -------
    coverage : (...)

    References
    ----------
    M. Ge, C. Delgado-Battenfeld, D. Jannach, Beyond accuracy: evaluating recommender systems by coverage and
    serendipity, RecSys 2010: catalogue coverage.

    Examples
    --------
    >>> float(coverage(np.array([3, 0, 1, 0])))
    0.5
    """
    return np.asarray((counts > 0).mean(-1), np.float64)


def gini(counts: NDArray[np.number]) -> Floats:
    """Compute how unevenly recommendations or plays are distributed over tracks: 0 equal, towards 1 all on one.

    Parameters
    ----------
    counts : (..., n_tracks)
        How often each track is shown or played; 0 for those that never are, which are included.

    Returns
    -------
    gini : (...)
        0 if nothing is shown.

    References
    ----------
    G. Shani, A. Gunawardana, Evaluating recommendation systems, Recommender Systems Handbook 2011, section 8.3.3; over
    n tracks instead of n - 1, so that all on one gives 1 - 1/n.

    Examples
    --------
    >>> gini(np.array([[1, 1, 1, 1], [0, 0, 0, 4]]))
    array([0.  , 0.75])
    """
    ordered = np.sort(counts.astype(np.float64), axis=-1)
    n = counts.shape[-1]
    lead = 2 * np.arange(1, n + 1) - n - 1
    return np.asarray((ordered * lead).sum(-1) / (n * np.maximum(ordered.sum(-1), 1e-12)))


def novelty(recommended: Rows, popularity: Floats) -> Floats:
    """Compute how little known the tracks of each list are: their mean self-information, in bits.

    Parameters
    ----------
    recommended : (n_users, k)
        Tracks.
    popularity : (n_tracks,)
        Share of the users that know the track, above 0 for each recommended track.

    Returns
    -------
    novelty : (n_users,)
        0 if everyone knows every track; 1 more each time half as many do.

    Raises
    ------
    ValueError
        When the popularity of a recommended track is not above 0 and at most 1.

    References
    ----------
    T. Zhou et al., Solving the apparent diversity-accuracy dilemma of recommender systems, PNAS 2010: surprisal.

    Examples
    --------
    >>> novelty(np.array([[0, 1], [1, 2]]), np.array([1.0, 0.5, 0.125]))
    array([0.5, 2. ])
    """
    known = popularity[recommended]
    if not ((known > 0) & (known <= 1)).all():
        raise ValueError(f"popularity must be above 0 and at most 1, got {known.min()} to {known.max()}")
    return np.asarray(-np.log2(known).mean(1))


def diversity(recommended: Rows, vectors: NDArray[np.floating]) -> Floats:
    """Compute the dissimilarity of the tracks in each list: the mean of 1 - cosine over its pairs.

    Parameters
    ----------
    recommended : (n_users, k)
        Tracks; k at least 2.
    vectors : (n_tracks, dim)
        Unit length.

    Returns
    -------
    diversity : (n_users,)
        From 0 (all the same) to 2.

    Raises
    ------
    ValueError
        When a list has no pair.

    References
    ----------
    C.-N. Ziegler et al., Improving recommendation lists through topic diversification, WWW 2005: intra-list similarity;
    its mean over pairs taken from 1, as in S. Vargas, P. Castells, Rank and relevance in novelty and diversity metrics
    for recommender systems, RecSys 2011. The sum over pairs is (|sum of the vectors|² - k) / 2.

    Examples
    --------
    >>> diversity(np.array([[0, 1], [0, 2]]), np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    array([0., 1.])
    """
    k = recommended.shape[1]
    if k < 2:
        raise ValueError(f"recommended must be lists of at least 2 tracks, got {k}")
    total = vectors.astype(np.float64)[recommended].sum(1)
    similarity = ((total**2).sum(1) - k) / (k * (k - 1))
    return np.asarray(1 - similarity)
