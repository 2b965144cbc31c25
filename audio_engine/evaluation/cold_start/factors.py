"""Collaborative factors: one vector per user and track from a play log, whose inner products approximate the signals.

Earlier content methods are mostly trained to reproduce them; they are the targets of those baselines and the upper
bound on warm tracks.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metric_learning.play_log import PlayLog

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
        The values to fit and their weights; 0 where there is none.
    ridge
        Weight on the squared length of a row's vector.

    Returns
    -------
    rows : (n_rows, dim)
    """
    dim = columns.shape[1]
    outer = (columns[:, :, None] * columns[:, None, :]).reshape(len(columns), -1)
    gram = (weight @ outer).reshape(-1, dim, dim) + ridge * np.eye(dim, dtype=np.float32)
    projected = (weight * target) @ columns
    rows: Floats = np.linalg.solve(gram, projected[..., None])[..., 0]
    return rows


def _residual(plays: PlayLog, shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """Tabulate the signals, minus the weighted means of tracks and then users."""
    target = np.zeros(shape, np.float32)
    weight = np.zeros(shape, np.float32)
    target[plays.user, plays.track] = plays.signal()
    weight[plays.user, plays.track] = plays.weight()
    for axis in (None, 0, 1):
        total = weight.sum(axis, keepdims=True) + (0 if axis is None else USER_SHRINKAGE)
        target = target - (weight * target).sum(axis, keepdims=True) / total
    return target * (weight > 0), weight
