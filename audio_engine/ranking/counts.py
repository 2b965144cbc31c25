"""Counts of plays, likes and rejections of a user, a track and an artist, strictly from the past.

In training each play is described by the plays of earlier days alone (`counts_before`); when serving, by all plays
given to the ranker so far (`count`).
"""

from collections.abc import Mapping
from typing import Final

import polars as pl

KEYS: Final = {"user": ("user",), "track": ("track",), "artist": ("artist",), "user_artist": ("user", "artist")}
EVENTS: Final = ("plays", "likes", "rejections")
NUMBERS: Final = tuple(f"{key}_{number}" for key in KEYS for number in ("log_plays", "like_rate"))
SMOOTHING: Final = 10.0  # prior opinions at the overall rate in every like rate

Counts = Mapping[str, pl.DataFrame]  # by key: its columns and `EVENTS`


def count(plays: pl.DataFrame) -> Counts:
    """Count plays, likes and rejections (dislikes and skips) by user, track, artist and user with artist.

    Parameters
    ----------
    plays
        ``user, track, artist, action``.

    Returns
    -------
    counts
    """
    events = _events(plays)
    return {key: events.group_by(columns).agg(pl.col(EVENTS).sum()).sort(columns) for key, columns in KEYS.items()}


def add_counts(one: Counts, other: Counts) -> Counts:
    """Add the counts of two logs that share no play."""
    return {
        key: pl.concat([one[key], other[key]]).group_by(columns).agg(pl.col(EVENTS).sum()).sort(columns)
        for key, columns in KEYS.items()
    }


def counts_before(plays: pl.DataFrame) -> pl.DataFrame:
    """Count for each play what happened strictly before its time.

    Parameters
    ----------
    plays
        ``user, track, artist, day, action``, in any order.

    Returns
    -------
    plays
        In the order given, with ``KEY_EVENT`` for each of `KEYS` and `EVENTS`: ``track_likes`` and so on. Plays at the
        same time do not count for each other; a log without days has counts of 0.

    Examples
    --------
    >>> log = pl.DataFrame({"user": ["u", "v", "w"], "track": ["t"] * 3, "artist": ["a"] * 3, "day": [2.0, 1.0, 2.0],
    ...                     "action": ["like", "skip", "none"]})
    >>> counts_before(log).select("track_plays", "track_likes", "track_rejections").rows()
    [(1, 0, 1), (0, 0, 0), (1, 0, 1)]
    """
    ordered = _events(plays).with_row_index("place").sort("day", maintain_order=True)
    for key, columns in KEYS.items():
        earlier = {f"{key}_{event}": (pl.col(event).cum_sum() - pl.col(event)).over(columns) for event in EVENTS}
        ordered = ordered.with_columns(**earlier)
        ordered = ordered.with_columns(pl.col(name).first().over(*columns, "day") for name in earlier)
    return ordered.sort("place").drop("place", *EVENTS)


def look_up(table: pl.DataFrame, counts: Counts) -> pl.DataFrame:
    """Add its counts to each row of user, track and artist; 0 for unknown ones."""
    for key, columns in KEYS.items():
        named = counts[key].rename({event: f"{key}_{event}" for event in EVENTS})
        table = table.join(named, on=columns, how="left", maintain_order="left")
    return table.with_columns(pl.col(f"{key}_{event}").fill_null(0) for key in KEYS for event in EVENTS)


def count_numbers(rate: float) -> list[pl.Expr]:
    """Compute the numbers `NUMBERS` from counts: the logarithm of plays, and the like rate, shrunk to the overall one.

    Parameters
    ----------
    rate
        Share of likes among all opinions.

    Returns
    -------
    expressions
        For a table from `counts_before` or `look_up`.

    References
    ----------
    The rate is the mean of a Beta posterior; its prior is `SMOOTHING` opinions at the overall rate.
    """
    numbers = []
    for key in KEYS:
        likes, rejections = pl.col(f"{key}_likes"), pl.col(f"{key}_rejections")
        numbers.append(pl.col(f"{key}_plays").cast(pl.Float64).log1p().alias(f"{key}_log_plays"))
        numbers.append(like_rate(likes, rejections, rate).alias(f"{key}_like_rate"))
    return numbers


def like_rate(likes: pl.Expr, rejections: pl.Expr, rate: float) -> pl.Expr:
    """Smooth a like rate among opinions towards the overall one, as in `count_numbers`."""
    return (likes + SMOOTHING * rate) / (likes + rejections + SMOOTHING)


def _events(plays: pl.DataFrame) -> pl.DataFrame:
    """Mark in three columns which events each play is."""
    action = pl.col("action")
    return plays.with_columns(
        plays=pl.lit(1, pl.Int64),
        likes=(action == "like").cast(pl.Int64),
        rejections=action.is_in(["dislike", "skip"]).cast(pl.Int64),
    )
