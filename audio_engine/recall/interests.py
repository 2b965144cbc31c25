"""Several interests of one user: groups of liked tracks that sound alike, found by hierarchical clustering.

One vector gives a user of two far tastes what lies between them. Here the liked tracks are clustered by Ward's method,
each group becomes a query of its own, and its share of the answer follows from the weights of its tracks. How many
groups there are is decided by a test of Duda and Hart; a user whose likes are not clearly of several kinds keeps the
one vector.

References
----------
A. Pal et al., PinnerSage: multi-modal user embedding framework for recommendations at Pinterest, KDD 2020: Ward
clusters, and an importance that decays (here the weights of `user_profile.play_weights`). Changed here: the number of
clusters, where the paper cuts the tree at a fixed height, which grows with the number of tracks; and the query, where
the paper takes the medoid (docs/experiments/interests.md compares them).
J. H. Ward, Hierarchical grouping to optimize an objective function, JASA 1963.
R. Duda, P. Hart, Pattern classification and scene analysis, 1973, section 6.12: whether a split is one by chance.
M. Balinski, H. Young, Fair representation, 1982: Webster's method, by which seats are filled one after another.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage

from audio_engine.recall.recommendations import AUTO, Interests
from metric_learning.play_log import SILENT_WEIGHT

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

MOST = 3  # interests that `auto` finds in one user
N_LIKED = 200  # liked tracks that are clustered, those of the largest weight: the latest likes
FEW = 6  # liked tracks below which there is one interest
MIN_SPLIT = 4.5  # standard errors by which a split must beat chance: of users of one taste, one in ten is split
USER_SHARE = 0.5  # of the user's own vector in the query of an interest; the rest is the mean of its tracks


@dataclass(frozen=True, kw_only=True)
class Interest:
    """Liked tracks that sound alike."""

    rows: Rows  # (n_tracks,) of the liked tracks
    share: float  # of the weight of what is liked


def find_interests(vectors: Floats, weights: Floats, interests: Interests = AUTO) -> list[Interest]:
    """Group liked tracks by sound.

    Parameters
    ----------
    vectors : (n_liked, dim)
        Unit length.
    weights : (n_liked,)
        Above 0; the larger, the later and the clearer the like. Those above `SILENT_WEIGHT`, what a play without a
        like weighs at most, are grouped: the `N_LIKED` largest of them; where there is none, all.
    interests
        How many groups; fewer if there are fewer tracks. By default as many as are clearly seen, at most `MOST`.

    Returns
    -------
    interests
        The one of the largest share first; the shares add up to 1. None where nothing is liked.

    Examples
    --------
    >>> vectors = np.repeat(np.eye(2, dtype=np.float32), 5, axis=0)
    >>> [(found.rows.tolist(), found.share) for found in find_interests(vectors, np.ones(10), 2)]
    [([0, 1, 2, 3, 4], 0.5), ([5, 6, 7, 8, 9], 0.5)]
    """
    clear = np.flatnonzero(weights > SILENT_WEIGHT)
    liked = clear if len(clear) else np.arange(len(weights))
    kept = np.sort(liked[np.argsort(-weights[liked], kind="stable")[:N_LIKED]])
    groups, total = _groups(vectors[kept], interests), float(weights[kept].sum(dtype=np.float64))
    rows_of = [kept[groups == group] for group in np.unique(groups)]
    found = [Interest(rows=rows, share=float(weights[rows].sum(dtype=np.float64)) / total) for rows in rows_of]
    return sorted(found, key=lambda interest: -interest.share)


def n_interests(heights: NDArray[np.float64], dim: int) -> int:
    """Count the groups that a Ward tree shows: as many as there are splits, from the top, that are no chance.

    Parameters
    ----------
    heights : (n_tracks - 1,)
        Of the merges, in their order, as SciPy's `linkage` gives them.
    dim
        Numbers in a vector.

    Returns
    -------
    n
        From 1 to `MOST`.

    References
    ----------
    Duda, Hart 1973: a cluster of n points is split where the sum of squares within the halves, divided by that within
    the whole, is below 1 - 2 / (pi d) - z sqrt(2 (1 - 8 / (pi^2 d)) / (n d)). Here with all groups before and after the
    split in place of the one cluster, whose sums are half the squared heights of Ward's merges, added up.
    """
    n_tracks = len(heights) + 1
    within = np.concatenate([[0.0], np.cumsum(heights**2 / 2)])  # sum of squares after so many merges
    error = math.sqrt(2 * (1 - 8 / (math.pi**2 * dim)) / (n_tracks * dim))
    chance = 1 - 2 / (math.pi * dim) - MIN_SPLIT * error
    n = 1
    while n < min(MOST, n_tracks - 1) and within[n_tracks - n - 1] < chance * within[n_tracks - n]:
        n += 1
    return n


def queries_of(found: Sequence[Interest], vectors: Floats, weights: Floats, user: Floats) -> Floats:
    """Compute the vector by which tracks are searched for each interest.

    Parameters
    ----------
    found
        From `find_interests`.
    vectors, weights : (n_liked, dim), (n_liked,)
        Of the liked tracks.
    user : (dim,)
        The one vector of the user, unit length; it knows of dislikes, and of what the user tower has learned.

    Returns
    -------
    queries : (max(1, n_interests), dim)
        Unit length; of fewer than two interests the user's vector.
    """
    if len(found) < 2:
        return user[np.newaxis]
    own = _unit(np.stack([weights[interest.rows] @ vectors[interest.rows] for interest in found]))
    return _unit(USER_SHARE * user + (1 - USER_SHARE) * own)


def shares_of(found: Sequence[Interest]) -> NDArray[np.float64]:
    """List the shares of the interests: (max(1, n_interests),)."""
    return np.array([interest.share for interest in found] or [1.0])


def places_of(ranks: NDArray[np.integer], shares: NDArray[np.floating]) -> NDArray[np.float64]:
    """Tell where tracks stand in a list that several interests share: sorted by this, they take turns by their shares.

    Parameters
    ----------
    ranks : (...)
        Of each track among those of its interest, from 0.
    shares : (...)
        Of its interest.

    Returns
    -------
    places : (...)
        ``(rank + 1/2) / share``: the order of Webster's method, in which the first k places are divided as the shares
        ask for, whatever k is.

    Examples
    --------
    >>> places = places_of(np.array([[0, 1, 2], [0, 1, 2]]), np.array([[0.75], [0.25]]))
    >>> np.argsort(places.ravel(), kind="stable").tolist()  # three of the first interest to one of the second
    [0, 1, 3, 2, 4, 5]
    """
    return np.asarray((ranks + 0.5) / shares)


def _groups(vectors: Floats, interests: Interests) -> Rows:
    """Divide tracks into groups: the number of the group of each."""
    n_wanted = MOST if interests == AUTO else int(interests)
    if len(vectors) < 2 or n_wanted == 1 or (interests == AUTO and len(vectors) < FEW):
        return np.zeros(len(vectors), np.int64)
    tree = linkage(vectors, method="ward")
    n = n_interests(tree[:, 2], vectors.shape[1]) if interests == AUTO else n_wanted
    return np.asarray(fcluster(tree, n, criterion="maxclust"), np.int64)


def _unit(vectors: NDArray[np.floating]) -> Floats:
    """Cut vectors to unit length; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1.0), np.float32)
