"""Collaborative factors: a log in, one vector a user and one a track out, whose inner products come near the signals.

These are what most content methods before this one are taught to reproduce; they serve as their targets and as the
upper bound on warm tracks.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metric_learning.play_log import PlayLog

Floats = NDArray[np.float32]
USER_SHRINKAGE = 5.0  # plays' worth of doubt in the mean of a user or a track
TRACK_RIDGE = 30.0  # weight on the squared length of a track's vector
USER_RIDGE = 5.0  # on that of a user's, who has fewer plays; both chosen on warm plays held out
N_ROUNDS = 10  # of alternating


@dataclass(frozen=True, kw_only=True)
class Factors:
    """What a weighted factorisation found."""

    users: Floats  # (n_users, dim)
    tracks: Floats  # (n_tracks, dim)


def collaborative_factors(plays: PlayLog, shape: tuple[int, int], *, dim: int = 40, seed: int = 0) -> Factors:
    """Factorise signals over the plays there are, the mean of each user and each track taken off.

    Parameters
    ----------
    plays
        Gives a signal and its weight a play.
    shape
        Number of users and of tracks.
    dim
        Numbers in a vector.
    seed
        Of the first track vectors.

    Returns
    -------
    factors

    References
    ----------
    Y. Hu, Y. Koren, C. Volinsky, Collaborative filtering for implicit feedback datasets, ICDM 2008, eq. 4 and 5; over
    the cells with a play only, since an unheard track is no rejection here.
    """
    residual, weight = _residual(plays, shape)
    rng = np.random.default_rng(seed)
    tracks = rng.normal(scale=0.1, size=(shape[1], dim)).astype(np.float32)
    users = np.zeros((shape[0], dim), np.float32)
    for _ in range(N_ROUNDS):
        users = solve_rows(tracks, residual, weight, ridge=USER_RIDGE)
        tracks = solve_rows(users, residual.T, weight.T, ridge=TRACK_RIDGE)
    return Factors(users=users, tracks=tracks)


def solve_rows(columns: Floats, target: Floats, weight: Floats, *, ridge: float) -> Floats:
    """Fit each row of a table by ridge regression on the vectors of its columns.

    Parameters
    ----------
    columns : (n_columns, dim)
        Vectors of the columns.
    target, weight : (n_rows, n_columns)
        What to fit, and how much it counts; 0 where there is nothing.
    ridge
        Weight on the squared length of a row's vector.

    Returns
    -------
    rows : (n_rows, dim)
    """
    dim = columns.shape[1]
    outer = (columns[:, :, None] * columns[:, None, :]).reshape(len(columns), -1)
    gram = (weight @ outer).reshape(-1, dim, dim) + ridge * np.eye(dim, dtype=np.float32)
    told = (weight * target) @ columns
    rows: Floats = np.linalg.solve(gram, told[..., None])[..., 0]
    return rows


def _residual(plays: PlayLog, shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """Lay the signals out as a table, the weighted means of tracks and then users taken off."""
    target = np.zeros(shape, np.float32)
    weight = np.zeros(shape, np.float32)
    target[plays.user, plays.track] = plays.signal()
    weight[plays.user, plays.track] = plays.weight()
    for axis in (None, 0, 1):
        total = weight.sum(axis, keepdims=True) + (0 if axis is None else USER_SHRINKAGE)
        target = target - (weight * target).sum(axis, keepdims=True) / total
    return target * (weight > 0), weight
