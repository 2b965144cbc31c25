"""Time-decayed play counts: each play counts one and decays exponentially, as in Newton's law of cooling.

T(t) = T(t₀)·e^(−k(t − t₀)), decaying towards 0, with k given by the half-life. The sum over a log takes one streaming
pass; the sum up to one day can be continued to another without reading the old plays again.
"""

import math

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

HALF_LIFE_DAYS = 7.0  # days, a weekly rhythm: half of today's plays count a week from now


def decay_rate(half_life_days: float) -> float:
    """Compute k from the half-life: ln 2 / half-life, per day.

    Examples
    --------
    >>> decay_rate(7)
    0.09902102579427789
    """
    if not (math.isfinite(half_life_days) and half_life_days > 0):
        raise ValueError(f"half_life_days must be positive and finite, got {half_life_days}")
    return math.log(2) / half_life_days


def cooled(
    decayed_plays: ArrayLike, elapsed_days: ArrayLike, *, half_life_days: float = HALF_LIFE_DAYS
) -> NDArray[np.float64]:
    """Decay a count over time: T(t₀)·e^(−k(t − t₀)).

    Parameters
    ----------
    decayed_plays : (n,)
        T(t₀), in plays.
    elapsed_days : (n,) or a number
        t − t₀, days, at least 0.
    half_life_days
        Days after which half is left.

    Returns
    -------
    decayed_plays : (n,)
        In plays.

    References
    ----------
    E. Miller, Rank hotness with Newton's law of cooling, evanmiller.org 2009; the surroundings are at 0.

    Examples
    --------
    >>> cooled([8.0, 8.0, 8.0], [0, 7, 21])
    array([8., 4., 1.])
    """
    elapsed = np.asarray(elapsed_days, np.float64)
    if not (elapsed >= 0).all():
        raise ValueError(f"elapsed_days must be at least 0, got {elapsed.min()}")
    return np.asarray(np.asarray(decayed_plays, np.float64) * np.exp(-decay_rate(half_life_days) * elapsed))


def last_day(plays: pl.LazyFrame) -> float:
    """Find the last day of a log.

    Raises
    ------
    ValueError
        When no play tells its day.
    """
    day = plays.select("day").max().collect().item()
    if day is None:
        raise ValueError("plays must tell the time of some play in a column day or timestamp, got none")
    return float(day)


def decayed_plays(
    plays: pl.LazyFrame,
    *,
    at_day: float | None = None,
    half_life_days: float = HALF_LIFE_DAYS,
    before: pl.DataFrame | None = None,
    before_day: float = -math.inf,
) -> pl.DataFrame:
    """Sum the plays up to a day by track, each decayed since its own day.

    Parameters
    ----------
    plays
        With ``track`` and ``day``; plays of unknown tracks do not count.
    at_day
        The day; plays after it do not count. None: the last day of the log.
    half_life_days
        Days after which half is left.
    before, before_day
        The result for an earlier day, to continue from: plays up to that day are then skipped.

    Returns
    -------
    decayed_plays
        ``track``, ``decayed_plays`` (plays), ``plays`` (count without decay), the largest first.

    Raises
    ------
    ValueError
        When ``before_day`` is after ``at_day``, or no play has a day.
    """
    at_day = last_day(plays) if at_day is None else at_day
    if before is not None and not -math.inf < before_day <= at_day:
        raise ValueError(f"before_day must be a day up to at_day {at_day}, got {before_day}")
    rate = decay_rate(half_life_days)
    in_time = plays.drop_nulls("track").filter((pl.col("day") <= at_day) & (pl.col("day") > before_day))
    new = in_time.group_by("track").agg(
        decayed_plays=((pl.col("day") - at_day) * rate).exp().sum(), plays=pl.len().cast(pl.Int64)
    )
    if before is not None:
        left = math.exp(-rate * (at_day - before_day))
        old = before.lazy().select("track", pl.col("decayed_plays") * left, pl.col("plays").cast(pl.Int64))
        new = pl.concat([old, new]).group_by("track").agg(pl.col("decayed_plays", "plays").sum())
    return new.collect(engine="streaming").sort("decayed_plays", "track", descending=[True, False])
