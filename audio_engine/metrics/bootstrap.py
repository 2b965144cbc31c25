"""Bootstrap intervals of a mean over queries, or of a ratio of two means, by resampling the queries.

The intervals show how much the figure would vary with other queries from the same catalogue. The candidates are fixed,
and queries are treated as independent, which those of one artist are not entirely.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

N_RESAMPLES = 2_000
LEVEL = 0.95  # share of the resamples inside an interval

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A figure and its interval."""

    value: float
    low: float
    high: float


def bootstrap_mean(values: Floats, *, seed: int) -> Estimate:
    """Compute the mean over queries and its 95 % interval.

    Parameters
    ----------
    values : (n_queries,)
        At least one.
    seed
        Seed of the resamples.

    References
    ----------
    B. Efron, R. Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3: the percentile interval.
    """
    return _estimate(values.mean(), np.array([values[rows].mean() for rows in _resamples(len(values), seed)]))


def bootstrap_ratio(numerator: Floats, denominator: Floats, *, seed: int) -> Estimate:
    """Compute the ratio of two means over the same queries and its 95 % interval.

    Parameters
    ----------
    numerator, denominator : (n_queries,)
        One value per query each, in the same order: a resample includes both or neither, so that a query that is hard
        for both methods does not widen the interval.
    seed
        Seed of the resamples.

    Returns
    -------
    estimate
        Infinite if the denominator's mean is 0.

    References
    ----------
    As `bootstrap_mean`.
    """
    rows = list(_resamples(len(numerator), seed))
    above = np.array([numerator.mean(), *(numerator[row].mean() for row in rows)])
    below = np.array([denominator.mean(), *(denominator[row].mean() for row in rows)])
    ratios = np.divide(above, below, out=np.full(above.shape, np.inf), where=below > 0)
    return _estimate(ratios[0], ratios[1:])


def _resamples(n: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield draws of n rows out of n with replacement."""
    rng = np.random.default_rng(seed)
    for _ in range(N_RESAMPLES):
        yield rng.integers(n, size=n)


def _estimate(value: float, resampled: Floats) -> Estimate:
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail], method="nearest")  # nearest: values may be infinite
    return Estimate(value=float(value), low=float(low), high=float(high))
