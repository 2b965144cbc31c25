"""Hubness corrections of a similarity table: tracks that are near to everything are moved away.

Four known corrections, none of which learns from labels. Each takes all similarities among some tracks at once; the
similarity of a track to itself is ignored. scikit-hubness has them too, but its last release is from 2020 (0.21.2).
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from scipy.stats import norm

from audio_engine.metrics.retrieval import Floats, Ranking, rank

K = 10  # neighbours that measure the density around a track: as many as a result has, not tuned


def rank_by(similarities: Floats) -> Ranking:
    """Rank, for each track, all the others: (n_tracks, n_tracks) to (n_tracks, n_tracks - 1)."""
    others = similarities.copy()
    np.fill_diagonal(others, -np.inf)
    return rank(others)[:, :-1]


def csls(similarities: Floats, k: int = K) -> Floats:
    """Subtract the mean similarity of both tracks to their nearest.

    Parameters
    ----------
    similarities : (n_tracks, n_tracks)
        Cosine.
    k
        Number of nearest tracks.

    References
    ----------
    A. Conneau et al., Word translation without parallel data, ICLR 2018, equation 5: cross-domain similarity local
        scaling, here within one domain.
    """
    crowding = _nearest(similarities, k).mean(axis=1)
    return np.asarray(2 * similarities - crowding[:, np.newaxis] - crowding)


def local_scaling(similarities: Floats, k: int = K) -> Floats:
    """Divide the distance of two tracks by the mean distances of both to their nearest; as `csls`.

    Returns
    -------
    similarities : (n_tracks, n_tracks)
        The scaled distance, negative.

    References
    ----------
    D. Schnitzer, A. Flexer, M. Schedl, G. Widmer, Local and global scaling reduce hubs in space, JMLR 13, 2012, section
        3.1: NICDM, over the Euclidean distance of unit vectors.
    """
    width = _distance(_nearest(similarities, k)).mean(axis=1)
    return np.asarray(-_distance(similarities) / np.sqrt(np.maximum(width[:, np.newaxis] * width, 1e-12)))


def mutual_proximity(similarities: Floats) -> Floats:
    """Compute the share of tracks that are further from both tracks than they are from each other.

    Parameters
    ----------
    similarities : (n_tracks, n_tracks)

    References
    ----------
    Schnitzer et al. 2012, as `local_scaling`, equation 5: over the empirical distribution.
    """
    n = len(similarities)
    others = similarities.copy()
    np.fill_diagonal(others, np.inf)  # neither of the two counts as a third
    shares = np.zeros((n, n))
    for row in range(n):
        at = others[row][:, np.newaxis]  # of the pair (row, each)
        shares[row] = ((others[row] < at) & (others < at)).sum(axis=1) / n
    return shares


def gaussian_mutual_proximity(similarities: Floats) -> Floats:
    """Compute the probability that a track is further from both, were distances normal and independent.

    References
    ----------
    Schnitzer et al. 2012, as `local_scaling`, section 3.2.2, over the Euclidean distance of unit vectors.
    """
    n = len(similarities)
    distances = _distance(similarities)
    rest = distances[~np.eye(n, dtype=bool)].reshape(n, n - 1)
    mean, deviation = rest.mean(axis=1, keepdims=True), np.maximum(rest.std(axis=1, keepdims=True), 1e-12)
    beyond = norm.sf((distances - mean) / deviation)
    return np.asarray(beyond * beyond.T)


REDUCTIONS: Mapping[str, Callable[[Floats], Floats]] = MappingProxyType(
    {
        "CSLS": csls,
        "local scaling": local_scaling,
        "mutual proximity": mutual_proximity,
        "mutual proximity (Gaussian)": gaussian_mutual_proximity,
    }
)


def _nearest(similarities: Floats, k: int) -> Floats:
    """Give the similarities of each track to its k nearest others: (n_tracks, k)."""
    others = similarities.copy()
    np.fill_diagonal(others, -np.inf)
    k = min(k, len(others) - 1)
    return np.asarray(np.partition(others, -k, axis=1)[:, -k:])


def _distance(similarities: Floats) -> Floats:
    """Euclidean, of unit vectors with these cosines."""
    return np.sqrt(np.maximum(2 - 2 * similarities, 0.0))
