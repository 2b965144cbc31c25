"""The state of a taste: sums over plays that decay with time, and that can be added up in any order.

A state has one row per key (user and track, or track alone). Each decayed sum is stored as of the row's own last day:
``sum_i w_i 2^(-(last_day - day_i) / half_life)``. Two such sums are brought to the later of their days and added. With
the empty state as zero this is a commutative monoid: however a log is split, and in whatever order its parts arrive,
the result is that of the whole log, up to rounding. A row without new plays stays as it is, to the bit.

References
----------
G. Cormode, V. Shkapenyuk, D. Srivastava, B. Xu, Forward decay: a practical time decay model for streaming systems,
ICDE 2009: exponential decay relative to a landmark makes late and out-of-order plays no special case.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from audio_engine.recall.user_profile import HALF_LIFE_DAYS, play_weights
from metric_learning.play_log import ACTIONS, PlayLog

PAIR = ("user", "track")  # the key of a taste
COUNTS = ("n_plays", "n_likes", "n_rejected")  # plays; of them liked; disliked or skipped
DECAYED = ("heard", "evidence", "liked", "disliked")  # sums that decay
SUMS = pl.Schema(
    {
        "first_day": pl.Float64,
        "last_day": pl.Float64,  # the decayed sums are as of this day
        "day_sum": pl.Float64,  # of the days of all plays
        **dict.fromkeys(COUNTS, pl.Int64),
        "heard": pl.Float64,  # plays, one each
        "evidence": pl.Float64,  # plays, each as reliable as `PlayLog.weight` says
        "liked": pl.Float64,  # positive signal times reliability
        "disliked": pl.Float64,  # negative signal times reliability, as a positive number
    }
)


def state_of_plays(plays: pl.DataFrame, *, half_life_days: float = HALF_LIFE_DAYS) -> pl.DataFrame:
    """Sum up plays by user and track.

    Parameters
    ----------
    plays
        ``user``, ``track``, ``day`` (0 where not known), ``completion`` (null where not known), ``action``.
    half_life_days
        Age in days at which a play counts half.

    Returns
    -------
    state
        ``user``, ``track`` and the columns of `SUMS`, one row per pair.
    """
    log = _log_of(plays)
    signal = play_weights(log, now=0.0, half_life_days=np.inf).astype(np.float64)  # without decay
    single = plays.select(
        *PAIR,
        first_day="day",
        last_day="day",
        day_sum="day",
        n_plays=pl.lit(1, pl.Int64),
        n_likes=pl.Series(log.liked.astype(np.int64)),
        n_rejected=pl.Series(log.rejected.astype(np.int64)),
        heard=pl.lit(1.0),
        evidence=pl.Series(log.weight().astype(np.float64)),
        liked=pl.Series(np.maximum(signal, 0.0)),
        disliked=pl.Series(np.maximum(-signal, 0.0)),
    )
    return added([single], PAIR, half_life_days=half_life_days)


def added(
    states: Sequence[pl.DataFrame], key: Sequence[str] = PAIR, *, half_life_days: float = HALF_LIFE_DAYS
) -> pl.DataFrame:
    """Add states up.

    Parameters
    ----------
    states
        Each with the columns of the key and of `SUMS`; one may have several rows of a key.
    key
        What a row of the result stands for.
    half_life_days
        With which all of them decay.

    Returns
    -------
    state
        One row per key, in the order of keys.
    """
    rows = pl.concat([state.select(*key, *SUMS) for state in states])
    together = decayed_to(rows, pl.col("last_day").max().over(key), half_life_days=half_life_days)
    first, last = pl.col("first_day").min(), pl.col("last_day").max()
    sums = together.group_by(key).agg(first, last, pl.col("day_sum", *COUNTS, *DECAYED).sum())
    return sums.select(*key, *SUMS).sort(key)


def decayed_to(state: pl.DataFrame, day: float | pl.Expr, *, half_life_days: float = HALF_LIFE_DAYS) -> pl.DataFrame:
    """Bring the decayed sums of every row to one day, which is the last or later; ``last_day`` still tells the last."""
    left = ((pl.col("last_day") - day) / half_life_days * np.log(2)).exp()
    return state.with_columns(pl.col(*DECAYED) * left)


def _log_of(plays: pl.DataFrame) -> PlayLog:
    """Lay out what the signal of each play depends on; users, tracks and days do not matter to it."""
    codes = {name: code for code, name in enumerate(ACTIONS)}
    nobody = np.zeros(len(plays), np.int64)
    return PlayLog(
        user=nobody,
        track=nobody,
        day=nobody.astype(np.float32),
        completion=plays["completion"].cast(pl.Float32).fill_null(float("nan")).to_numpy(),
        action=plays["action"].replace_strict(codes, return_dtype=pl.Int8).to_numpy(),
    )
