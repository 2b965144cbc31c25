"""Trend detection: tracks with more of the recent plays than their share of the earlier ones explains.

The plays of a track in a recent window and in the one before it are compared with those of the whole log. If a track is
not rising, each of its plays is as likely to be recent as any play in the log, so that given the totals the recent ones
are hypergeometric: Fisher's exact test, valid however few the plays are, and unaffected by a busy weekend, when
everything is played more. Over many tracks Benjamini and Hochberg's procedure limits the share of false alarms.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from scipy.stats import false_discovery_control, hypergeom

from audio_engine.scoring.time_decay import last_day


@dataclass(frozen=True, kw_only=True)
class TrendSettings:
    """What counts as rising."""

    recent_days: float = 2.0  # days of the window that ends now
    earlier_days: float = 14.0  # days of the window before it
    level: float = 0.05  # of the tracks called rising, the share that may be false alarms

    def __post_init__(self) -> None:
        for name in ("recent_days", "earlier_days"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if not 0 < self.level < 1:
            raise ValueError(f"level must be between 0 and 1, got {self.level}")


def rise_p_values(recent: ArrayLike, earlier: ArrayLike) -> NDArray[np.float64]:
    """Compute the probability of at least as many recent plays if no track is rising.

    Parameters
    ----------
    recent, earlier : (n_tracks,)
        Plays of every track in the two windows.

    Returns
    -------
    p_values : (n_tracks,)
        One-sided; 1 without plays.

    References
    ----------
    R. Fisher, The logic of inductive inference, JRSS 1935: the exact test of a two-by-two table, here of this track or
    another, recent or earlier.

    Examples
    --------
    >>> rise_p_values([3, 1], [0, 4]).round(4)  # 3 of the 4 recent plays: C(4, 3) of the C(8, 3) ways to place three
    array([0.0714, 1.    ])
    """
    recent, earlier = np.asarray(recent, np.int64), np.asarray(earlier, np.int64)
    both = recent + earlier
    if not both.any():
        return np.ones(len(both))
    return np.asarray(hypergeom.sf(recent - 1, both.sum(), recent.sum(), both), np.float64)


def rising_tracks(
    plays: pl.LazyFrame, *, at_day: float | None = None, settings: TrendSettings | None = None
) -> pl.DataFrame:
    """Find the tracks that are rising at a day.

    Every play counts as one, by whatever user: a user who plays one track all night can make a trend alone.

    Parameters
    ----------
    plays
        With ``track`` and ``day``; plays of unknown tracks do not count.
    at_day
        End of the recent window; None: the last day of the log.
    settings
        Windows and level.

    Returns
    -------
    trends
        Every track played in either window, the most significant first: ``track``, ``recent`` and ``earlier`` (plays),
        ``lift`` (its current share of all plays over its earlier share, half a play added to each count), ``p_value``,
        ``q_value`` (the lowest level at which it is called rising) and ``rising``.

    Raises
    ------
    ValueError
        When the day is not given and no play tells its own.

    References
    ----------
    Y. Benjamini, Y. Hochberg, Controlling the false discovery rate, JRSS B 1995. They assume independent tests; these
    share their totals, and so are slightly dependent.
    """
    settings = settings or TrendSettings()
    at_day = last_day(plays) if at_day is None else at_day
    start = at_day - settings.recent_days
    is_recent = pl.col("day") > start
    windows = plays.drop_nulls("track").filter(
        (pl.col("day") <= at_day) & (pl.col("day") > start - settings.earlier_days)
    )
    counts = (
        windows.group_by("track")
        .agg(recent=is_recent.sum().cast(pl.Int64), earlier=(~is_recent).sum().cast(pl.Int64))
        .collect(engine="streaming")
        .sort("track")
    )
    recent, earlier = counts["recent"].to_numpy(), counts["earlier"].to_numpy()
    p_values = rise_p_values(recent, earlier)
    q_values = false_discovery_control(p_values) if len(p_values) else p_values
    lift = (recent + 0.5) / (earlier + 0.5) * (earlier.sum() + 0.5) / (recent.sum() + 0.5)
    table = counts.with_columns(
        lift=pl.Series(lift, dtype=pl.Float64),
        p_value=pl.Series(p_values, dtype=pl.Float64),
        q_value=pl.Series(q_values, dtype=pl.Float64),
    )
    return table.with_columns(rising=pl.col("q_value") <= settings.level).sort("p_value", "track")
