"""Bootstrap intervals of a mean, a ratio of two means or any statistic, by resampling queries, users or artists.

The intervals show how much the figure would vary with other queries from the same catalogue, or with other users. The
candidates are fixed, and queries are treated as independent, which those of one artist are not entirely. If many
figures are computed for each resample of the users, `user_weights` draws the resamples once for all.

References
----------
B. Efron, R. Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3: the percentile interval.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.stats
from numpy.typing import NDArray

N_RESAMPLES = 2_000
BATCH = 100  # resamples held in memory at a time
N_DRAWS = 500  # … of users, where all their figures are computed for each
LEVEL = 0.95  # share of the resamples inside an interval

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A figure and its interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def bootstrap_mean(
    values: Floats | NDArray[np.bool_], *, groups: NDArray[np.integer] | None = None, seed: int
) -> Estimate:
    """Compute the mean over queries or tracks and its 95 % interval.

    Parameters
    ----------
    values : (n,)
        At least one.
    groups : (n,)
        Group numbers from 0, such as of artists. Groups are resampled whole, since errors on one artist's tracks are
        correlated; None: every track is resampled by itself.
    seed
        Seed of the resamples.

    References
    ----------
    A. C. Davison, D. V. Hinkley, Bootstrap methods and their application, 1997, section 3.8: resampling clusters.
    """
    if groups is None:
        return bootstrap(np.mean, values, seed=seed)
    totals, sizes = np.bincount(groups, values), np.bincount(groups)
    return bootstrap_ratio(totals.astype(np.float64), sizes.astype(np.float64), seed=seed)


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
    """
    return bootstrap(_ratio, numerator, denominator, seed=seed)


def bootstrap(statistic: Callable[..., Any], *samples: NDArray[Any], seed: int) -> Estimate:
    """Compute a statistic and its 95 % interval.

    Parameters
    ----------
    statistic
        Function of the samples; if it takes ``axis``, it is called on whole tables of resamples.
    samples : (n,)
        A resample takes the same places of all. Artists are resampled with all their tracks by a sample of artists.
    seed
        Seed of the resamples.
    """
    value = float(statistic(*samples))
    if len(samples[0]) < 2:
        return Estimate(value=value, low=value, high=value)
    with np.errstate(invalid="ignore"):  # SciPy's standard error, which is unused, if a ratio is infinite
        found = scipy.stats.bootstrap(
            samples,
            statistic,
            paired=True,
            n_resamples=N_RESAMPLES,
            batch=BATCH,
            confidence_level=LEVEL,
            method="percentile",
            rng=np.random.default_rng(seed),
        ).confidence_interval
    return Estimate(value=value, low=float(found.low), high=float(found.high))


def user_weights(n_users: int, *, seed: int, n_draws: int = N_DRAWS) -> NDArray[np.float32]:
    """Draw how often each user is in each resample.

    Parameters
    ----------
    n_users
        Number of users.
    seed
        Of the draws.
    n_draws
        Number of resamples.

    Returns
    -------
    weights : (n_draws, n_users)
        Each row sums to n_users.
    """
    rng = np.random.default_rng(seed)
    return rng.multinomial(n_users, np.full(n_users, 1 / n_users), size=n_draws).astype(np.float32)


def mean_interval(values: Floats, weights: NDArray[np.float32]) -> Estimate:
    """Average over users, with an interval from resampling them.

    Parameters
    ----------
    values : (n_users,)
        NaN for users without a value.
    weights : (n_draws, n_users)
        From `user_weights`.

    Returns
    -------
    interval
    """
    defined = ~np.isnan(values)
    if not defined.any():
        return Estimate(value=np.nan, low=np.nan, high=np.nan)
    kept = weights[:, defined].astype(np.float64)
    n_drawn = kept.sum(1)
    return percentile_interval(
        float(values[defined].mean()), (kept @ values[defined])[n_drawn > 0] / n_drawn[n_drawn > 0]
    )


def percentile_interval(value: float, resampled: Floats) -> Estimate:
    """Compute the central 95 % interval of resampled figures (n_resamples,)."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return Estimate(value=value, low=float(low), high=float(high))


def _ratio(numerator: Floats, denominator: Floats, axis: int = -1) -> Floats:
    above, below = np.mean(numerator, axis), np.mean(denominator, axis)
    ratio: Floats = np.divide(above, below, out=np.full(np.shape(above), np.inf), where=below > 0)
    return ratio
