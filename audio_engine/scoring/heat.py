"""Heat: time-decayed play counts that can be merged in any order, for a stream.

The heat of a track is what `audio_engine.scoring.time_decay.decayed_plays` sums, kept as a pair: an anchor day, and the
plays decayed (or grown) to it. Two pairs are merged by carrying both to the later anchor and adding. This is a
commutative monoid whose neutral element is no row: plays may come late, shuffled and cut into any parts, and the heat
is the same. Counts beside it (plays, likes, …) are added up.

References
----------
G. Cormode, V. Shkapenyuk, D. Srivastava, B. Xu, Forward decay: a practical time decay model for streaming systems,
ICDE 2009: weights relative to a fixed point in time need no update when time goes on. Here that point moves, so that
nothing overflows.
"""

from collections.abc import Sequence

import polars as pl

from audio_engine.scoring.time_decay import HALF_LIFE_DAYS, decay_rate

HEAT_KEYS = ("track", "anchor_day", "heat")  # of a table of heats; its further columns are counts


def heat_of_plays(plays: pl.LazyFrame, *, half_life_days: float = HALF_LIFE_DAYS) -> pl.LazyFrame:
    """Turn plays into heats, one row a track.

    Parameters
    ----------
    plays
        With ``track`` and ``day``; plays without either do not count.
    half_life_days
        Days after which a play counts half.

    Returns
    -------
    heats
        ``track``, ``anchor_day`` (days, of the last play), ``heat`` (plays, as of that day), ``plays``.
    """
    known = plays.drop_nulls(["track", "day"])
    single = known.select("track", anchor_day=pl.col("day").cast(pl.Float64), heat=1.0, plays=pl.lit(1, pl.Int64))
    return merge_heats([single], half_life_days=half_life_days)


def merge_heats(parts: Sequence[pl.LazyFrame], *, half_life_days: float = HALF_LIFE_DAYS) -> pl.LazyFrame:
    """Merge tables of heats: any number, in any order, with any number of rows a track.

    Parameters
    ----------
    parts
        Each with ``track``, ``anchor_day``, ``heat`` and the same counts.
    half_life_days
        That of all of them.

    Returns
    -------
    heats
        One row a track, as of its latest anchor day.

    Examples
    --------
    >>> week = pl.LazyFrame({"track": ["a"], "anchor_day": [7.0], "heat": [2.0], "plays": [3]})
    >>> late = pl.LazyFrame({"track": ["a"], "anchor_day": [0.0], "heat": [1.0], "plays": [1]})
    >>> merge_heats([week, late], half_life_days=7).collect().row(0)
    ('a', 7.0, 2.5, 4)
    """
    rows = pl.concat(parts)
    heat = _heat_as_of(pl.col("anchor_day").max(), half_life_days).sum()
    counts = pl.all().exclude(*HEAT_KEYS).sum()
    return rows.group_by("track").agg(pl.col("anchor_day").max(), heat, counts)


def cooled_to(heats: pl.LazyFrame, at_day: float, *, half_life_days: float = HALF_LIFE_DAYS) -> pl.LazyFrame:
    """Add ``decayed_plays``, the heat as of a day.

    Parameters
    ----------
    heats
        As `merge_heats` returns them.
    at_day
        The day; it must not lie before any anchor day, since a heat cannot tell which of its plays came after.
    half_life_days
        That of the heats.

    Returns
    -------
    cooled
        The table with ``decayed_plays``, equal to that of `decayed_plays` up to rounding.
    """
    return heats.with_columns(decayed_plays=_heat_as_of(pl.lit(at_day), half_life_days))


def as_of_latest(rows: pl.LazyFrame, *, half_life_days: float) -> pl.LazyFrame:
    """Carry each row from its ``anchor_day`` to its ``latest_day``, which then is the anchor.

    Parameters
    ----------
    rows
        Heats, with ``latest_day`` in addition: of the latest record, not before the anchor.
    half_life_days
        That of the heats.
    """
    carried = rows.with_columns(heat=_heat_as_of(pl.col("latest_day"), half_life_days))
    return carried.drop("anchor_day").rename({"latest_day": "anchor_day"})


def _heat_as_of(day: pl.Expr, half_life_days: float) -> pl.Expr:
    """Cool the heat of a row from its anchor day to another."""
    return pl.col("heat") * (-decay_rate(half_life_days) * (day - pl.col("anchor_day"))).exp()
