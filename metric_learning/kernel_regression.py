"""Kernel ridge regression with a Gaussian kernel: exact for a few rows, with landmarks for many.

The exact solution has a Gaussian at every row: time n³, memory n². With landmarks there are m Gaussians, however many
rows there are: the normal equations are accumulated in blocks of rows, so that time is n m² and memory m² for each
fold. The ridge of each component is the one that predicts held-out artists best.

References
----------
A. J. Smola, B. Schölkopf, Sparse greedy matrix approximation for machine learning, ICML 2000: the subset of regressors
and its normal equations. C. K. I. Williams, M. Seeger, Using the Nyström method to speed up kernel machines, NIPS 2001.
A. Rudi, R. Camoriano, L. Rosasco, Less is more: Nyström computational regularization, NIPS 2015: drawn landmarks reach
the accuracy of all rows. A. Rudi, L. Carratino, L. Rosasco, FALKON, NIPS 2017: the next step, an iterative solver,
where the number of landmarks has to grow too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
RIDGES = (0.1, 0.3, 1.0, 3.0, 10.0, 100.0)  # tried for each component of the target
N_FOLDS = 8  # of artists held out in turn, to choose a ridge
BLOCK_ROWS = 2_048  # rows whose kernel is in memory at once
BLOCK_BYTES = 1 << 26  # of differences between rows in memory at once
JITTER = 1e-5  # added to a centre's kernel with itself, which is 1: two centres may be the same sound


def landmark_rows(artists: Sequence[str], n: int) -> NDArray[np.int64]:
    """Draw rows to put a Gaussian at: one of every artist, then a second of every artist, and so on.

    Parameters
    ----------
    artists : (n_rows,)
        The artist of each row.
    n
        Landmarks.

    Returns
    -------
    rows : (min(n, n_rows),)
        Ascending, always the same for the same artists; all rows where there are no more than `n`.
    """
    if len(artists) <= n:
        return np.arange(len(artists))
    order = np.random.default_rng(0).permutation(len(artists))
    codes = np.unique(np.asarray(artists), return_inverse=True)[1][order]
    by_artist = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[by_artist], codes[by_artist])
    turn = np.empty(len(order), np.int64)
    turn[by_artist] = np.arange(len(order)) - starts  # how many of the artist's rows were drawn before
    return np.sort(order[np.argsort(turn, kind="stable")[:n]])


def squared_distances(points: Floats) -> Floats:
    """Compute the squared distance between every two points, (n, dim) to (n, n), some rows at a time."""
    n_rows = max(1, BLOCK_BYTES // points.nbytes)
    blocks = [points[start : start + n_rows] for start in range(0, len(points), n_rows)]
    return np.concatenate([((block[:, None] - points[None]) ** 2).sum(-1) for block in blocks])


def exact_weights(squared: Floats, target: Floats, artists: Sequence[str]) -> Doubles:
    """Solve kernel ridge regression with a Gaussian at every row.

    Parameters
    ----------
    squared : (n_rows, n_rows)
        Squared distances between rows, in units in which the kernel is ``exp(-squared)``.
    target : (n_rows, n_components)
        Of mean 0.
    artists : (n_rows,)
        The artist of each row.

    Returns
    -------
    weights : (n_rows, n_components)

    References
    ----------
    C. Saunders, A. Gammerman, V. Vovk, Ridge regression learning algorithm in dual variables, ICML 1998.
    """
    kernel = np.exp(-squared).astype(np.float64)
    folds = _artist_folds(artists)
    misses = np.zeros((len(RIDGES), target.shape[1]))
    for fold in np.unique(folds):
        test, train = folds == fold, folds != fold
        for row, ridge in enumerate(RIDGES):
            weights = _solve(kernel[np.ix_(train, train)], target[train].astype(np.float64), ridge)
            misses[row] += ((kernel[np.ix_(test, train)] @ weights - target[test]) ** 2).sum(0)
    columns = [_solve(kernel, target[:, i].astype(np.float64), RIDGES[best]) for i, best in enumerate(misses.argmin(0))]
    return np.stack(columns, axis=1)


def landmark_weights(points: Floats, centres: Floats, target: Floats, artists: Sequence[str]) -> Doubles:
    """Solve kernel ridge regression with Gaussians at landmarks, from the normal equations.

    ``(K_mn K_nm + ridge K_mm) weights = K_mn target``, with n rows and m landmarks. They are accumulated for each fold
    by itself, in one pass over the rows; a fold's training set is the sum less the fold, and its error follows from
    its own equations, so that choosing a ridge takes a solve for each fold and ridge, and no further pass.

    Parameters
    ----------
    points : (n_rows, dim)
        In units in which the kernel is ``exp(-squared distance)``.
    centres : (n_landmarks, dim)
        Some of the points.
    target : (n_rows, n_components)
        Of mean 0.
    artists : (n_rows,)
        The artist of each row.

    Returns
    -------
    weights : (n_landmarks, n_components)
        As `exact_weights` where every point is a landmark, but for rounding.
    """
    folds = _artist_folds(artists)
    parts = [_NormalEquations.of(points, centres, target, np.flatnonzero(folds == fold)) for fold in np.unique(folds)]
    whole = _NormalEquations(
        gram=_total(part.gram for part in parts),
        moment=_total(part.moment for part in parts),
        power=_total(part.power for part in parts),
    )
    penalty = _kernel(centres, centres) + JITTER * np.eye(len(centres))
    misses = np.zeros((len(RIDGES), target.shape[1]))
    for part in parts:
        rest = whole.without(part)
        for row, ridge in enumerate(RIDGES):
            misses[row] += part.error(rest.solve(penalty, ridge))
    best = misses.argmin(0)
    solved = {place: whole.solve(penalty, RIDGES[place]) for place in np.unique(best)}
    return np.stack([solved[place][:, i] for i, place in enumerate(best)], axis=1)


@dataclass(frozen=True, kw_only=True)
class _NormalEquations:
    """What least squares needs to know of some rows."""

    gram: Doubles  # (n_landmarks, n_landmarks)
    moment: Doubles  # (n_landmarks, n_components)
    power: Doubles  # (n_components,) squared length of the target

    @classmethod
    def of(cls, points: Floats, centres: Floats, target: Floats, rows: NDArray[np.int64]) -> "_NormalEquations":
        """Accumulate them over rows, a block at a time."""
        gram, moment = np.zeros((len(centres), len(centres))), np.zeros((len(centres), target.shape[1]))
        for start in range(0, len(rows), BLOCK_ROWS):
            block = rows[start : start + BLOCK_ROWS]
            kernel = _kernel(points[block], centres)
            gram += kernel.T @ kernel
            moment += kernel.T @ target[block].astype(np.float64)
        return cls(gram=gram, moment=moment, power=(target[rows].astype(np.float64) ** 2).sum(0))

    def without(self, part: "_NormalEquations") -> "_NormalEquations":
        """Leave some of the rows out again."""
        return _NormalEquations(
            gram=self.gram - part.gram, moment=self.moment - part.moment, power=self.power - part.power
        )

    def solve(self, penalty: Doubles, ridge: float) -> Doubles:
        """Find the weights: (n_landmarks, n_components)."""
        factor = torch.linalg.cholesky(torch.from_numpy(self.gram + ridge * penalty))
        return np.asarray(torch.cholesky_solve(torch.from_numpy(self.moment), factor).numpy())

    def error(self, weights: Doubles) -> Doubles:
        """Compute the squared error of weights on these rows: (n_components,)."""
        return np.asarray(self.power + (weights * (self.gram @ weights - 2 * self.moment)).sum(0))


def _total(parts: Iterator[Doubles]) -> Doubles:
    """Add arrays up without holding them twice."""
    total = next(parts).copy()
    for part in parts:
        total += part
    return total


def _kernel(points: Floats, centres: Floats) -> Doubles:
    """Compute the Gaussian kernel between points and centres: (n_points, n_centres)."""
    rows, columns = points.astype(np.float64), centres.astype(np.float64)
    squared = (rows**2).sum(1)[:, None] + (columns**2).sum(1) - 2 * rows @ columns.T
    return np.asarray(np.exp(-np.maximum(squared, 0, out=squared), out=squared))


def _artist_folds(artists: Sequence[str]) -> NDArray[np.int64]:
    """Deal artists out to folds, always alike: the fold of each row."""
    names = sorted(set(artists))
    fold_of = {name: place % N_FOLDS for place, name in enumerate(np.random.default_rng(0).permutation(names))}
    return np.array([fold_of[name] for name in artists])


def _solve(kernel: Doubles, target: Doubles, ridge: float) -> Doubles:
    """Solve for the weights of the Gaussians."""
    return np.asarray(np.linalg.solve(kernel + ridge * np.eye(len(kernel)), target))
