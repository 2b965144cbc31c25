"""Collaborative factors: one vector per user and track from a play log, whose inner products approximate the signals.

Earlier content methods are mostly trained to reproduce them; they are the targets of those baselines and the upper
bound on warm tracks.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from metric_learning.alternating_least_squares import solve_rows
from metric_learning.play_log import PlayLog, last_plays

Floats = NDArray[np.float32]
USER_SHRINKAGE = 5.0  # prior weight, in plays, on the mean of a user or a track
TRACK_RIDGE = 30.0  # weight on the squared length of a track's vector
USER_RIDGE = 5.0  # on that of a user's, who has fewer plays; both chosen on held-out warm plays
N_ROUNDS = 10  # of alternating least squares


@dataclass(frozen=True, kw_only=True)
class Factors:
    """The result of a weighted factorisation."""

    users: Floats  # (n_users, dim)
    tracks: Floats  # (n_tracks, dim)


def collaborative_factors(plays: PlayLog, shape: tuple[int, int], *, dim: int = 40, seed: int = 0) -> Factors:
    """Factorise the signals of observed plays, after subtracting the mean of each user and track.

    Parameters
    ----------
    plays
        Supplies a signal and a weight per play.
    shape
        Number of users and of tracks.
    dim
        Numbers in a vector.
    seed
        Seed of the initial track vectors.

    Returns
    -------
    factors

    References
    ----------
    Y. Hu, Y. Koren, C. Volinsky, Collaborative filtering for implicit feedback datasets, ICDM 2008, eq. 4 and 5; over
    the cells with a play only, since a track not played is not a rejection here.
    """
    residual, weight = _residual(plays, shape)
    rng = np.random.default_rng(seed)
    tracks = rng.normal(scale=0.1, size=(shape[1], dim)).astype(np.float32)
    users = np.zeros((shape[0], dim), np.float32)
    of_users = weight, weight * residual
    of_tracks = [table.T.tocsr() for table in of_users]
    for _ in range(N_ROUNDS):
        users = solve_rows(tracks, *of_users, ridge=USER_RIDGE)
        tracks = solve_rows(users, *of_tracks, ridge=TRACK_RIDGE)
    return Factors(users=users, tracks=tracks)


def weighted_signals(plays: PlayLog, shape: tuple[int, int]) -> tuple[csr_array, csr_array]:
    """Tabulate the signal and the weight of the last play in each cell: sparse, both (n_users, n_tracks)."""
    last = last_plays(plays, shape[1])
    signal, weight = (
        csr_array((values, (last.user, last.track)), shape=shape) for values in (last.signal(), last.weight())
    )
    return signal, weight


def _residual(plays: PlayLog, shape: tuple[int, int]) -> tuple[csr_array, csr_array]:
    """Tabulate the signals, minus the weighted means of tracks and then users, and the weights."""
    signal, weight = weighted_signals(plays, shape)
    users, tracks = weight.tocoo().coords
    target = signal.data - np.average(signal.data, weights=weight.data)
    for rows, n in ((tracks, shape[1]), (users, shape[0])):
        total = np.bincount(rows, weight.data, n) + USER_SHRINKAGE
        target = target - (np.bincount(rows, weight.data * target, n) / total)[rows]
    return csr_array((target.astype(np.float32), weight.indices, weight.indptr), shape=shape), weight
