"""Ridge regression from features that are computed a block of rows at a time: time n m², memory m² for each fold.

The ridge is the one that predicts held-out artists best. One ridge serves all components of the target: chosen for
each, it follows chance (on folds of artists inside the training tracks, AUC 0.655 against 0.659, simulated).

References
----------
A. E. Hoerl, R. W. Kennard, Ridge regression: biased estimation for nonorthogonal problems, Technometrics 1970.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Features = Callable[[NDArray[np.int64]], Doubles]  # rows to their features, (n_rows, n_features)
RIDGES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # tried
N_FOLDS = 8  # of artists held out in turn, to choose a ridge
BLOCK_ROWS = 2_048  # rows whose features are in memory at once


def ridge_weights(features: Features, target: Floats, artists: Sequence[str]) -> Doubles:
    """Solve ridge regression from its normal equations.

    They are accumulated for each fold by itself, in one pass over the rows; a fold's training set is the sum less the
    fold, and its error follows from its own equations, so that choosing a ridge takes a solve for each fold and ridge,
    and no further pass.

    Parameters
    ----------
    features
        Computes the features of some rows.
    target : (n_rows, n_components)
        Of mean 0.
    artists : (n_rows,)
        The artist of each row.

    Returns
    -------
    weights : (n_features, n_components)
    """
    folds = _artist_folds(artists)
    parts = [_NormalEquations.of(features, target, np.flatnonzero(folds == fold)) for fold in np.unique(folds)]
    whole = _NormalEquations(
        gram=_total(part.gram for part in parts),
        moment=_total(part.moment for part in parts),
        power=sum(part.power for part in parts),
    )
    misses = np.zeros(len(RIDGES))
    for part in parts:
        rest = whole.without(part)
        misses += [part.error(rest.solve(ridge)) for ridge in RIDGES]
    return whole.solve(RIDGES[int(misses.argmin())])


@dataclass(frozen=True, kw_only=True)
class _NormalEquations:
    """What least squares needs to know of some rows."""

    gram: Doubles  # (n_features, n_features)
    moment: Doubles  # (n_features, n_components)
    power: float  # squared length of the target

    @classmethod
    def of(cls, features: Features, target: Floats, rows: NDArray[np.int64]) -> "_NormalEquations":
        """Accumulate them over rows, a block at a time."""
        gram, moment = np.zeros(()), np.zeros(())
        for start in range(0, len(rows), BLOCK_ROWS):
            block = rows[start : start + BLOCK_ROWS]
            found = features(block)
            gram = gram + found.T @ found
            moment = moment + found.T @ target[block].astype(np.float64)
        return cls(gram=gram, moment=moment, power=float((target[rows].astype(np.float64) ** 2).sum()))

    def without(self, part: "_NormalEquations") -> "_NormalEquations":
        """Leave some of the rows out again."""
        return _NormalEquations(
            gram=self.gram - part.gram, moment=self.moment - part.moment, power=self.power - part.power
        )

    def solve(self, ridge: float) -> Doubles:
        """Find the weights: (n_features, n_components)."""
        factor = torch.linalg.cholesky(torch.from_numpy(self.gram + ridge * np.eye(len(self.gram))))
        return np.asarray(torch.cholesky_solve(torch.from_numpy(self.moment), factor).numpy())

    def error(self, weights: Doubles) -> float:
        """Compute the squared error of weights on these rows."""
        return self.power + float((weights * (self.gram @ weights - 2 * self.moment)).sum())


def _total(parts: Iterator[Doubles]) -> Doubles:
    """Add arrays up without holding them twice."""
    total = next(parts).copy()
    for part in parts:
        total += part
    return total


def _artist_folds(artists: Sequence[str]) -> NDArray[np.int64]:
    """Deal artists out to folds, always alike: the fold of each row."""
    names = sorted(set(artists))
    fold_of = {name: place % N_FOLDS for place, name in enumerate(np.random.default_rng(0).permutation(names))}
    return np.array([fold_of[name] for name in artists])
