"""Validation of play logs: invalid rows are left out, and counted by reason.

The rows of a log are those that are read and those that are left out. A favourite is a like.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import polars as pl

from audio_engine.plays.formats import scan_plays
from audio_engine.plays.scanning import FAVOURITE, PLAY_SCHEMA
from audio_engine.plays.table_files import reading
from audio_engine.plays.track_matching import match_tracks
from metric_learning.play_log import ACTIONS, PlayLog

logger = logging.getLogger(__name__)

ROUNDING_S = 1.0  # seconds by which a play may pass the length of its track: lengths are rounded
LONGEST_LOG_DAYS = 36_525  # days, a hundred years: past this the times are in another unit


@dataclass(frozen=True, kw_only=True)
class PlayCounts:
    """How many rows a log has, and how many were left out for what; a row at fault twice counts under the first."""

    rows: int
    unknown_track: int
    unknown_user: int
    no_time: int  # in a log whose other rows have one; or one that cannot be read
    unreadable_number: int
    negative_time: int
    completion_over_one: int
    unknown_action: int

    @property
    def left_out(self) -> int:
        """Rows that were left out."""
        return sum(self.reasons.values())

    @property
    def reasons(self) -> dict[str, int]:
        """Rows that were left out, by reason."""
        return {field.name: getattr(self, field.name) for field in fields(self)[1:]}

    def __str__(self) -> str:
        reasons = [f"{n_rows} {reason.replace('_', ' ')}" for reason, n_rows in self.reasons.items() if n_rows]
        return f"{self.rows} plays, {self.left_out} left out" + (f" ({', '.join(reasons)})" if reasons else "")


def validate_plays(plays: pl.LazyFrame, names: pl.DataFrame | None) -> pl.LazyFrame:
    """Say of each play why it cannot be used, and work out its completion from the seconds played where it lacks one.

    Parameters
    ----------
    plays
        With the columns of `PLAY_SCHEMA`.
    names
        Of tracks: ``name``, ``duration_s`` in seconds (null where not known), and any further columns that are joined
        to the plays, as `TrackNames.table` has it. None: any name is one.

    Returns
    -------
    judged
        The plays with a column ``reason``: the name of a field of `PlayCounts`, or null where the play is good;
        ``is_favourite``, of those whose action has become ``like``; and the further columns of `names`.
    """
    if names is None:
        known = plays.with_columns(known=pl.col("track").is_not_null(), duration_s=pl.lit(None, pl.Float64))
    else:
        known = match_tracks(plays, names.with_columns(known=True))
    duration = pl.col("duration_s")
    to_the_end = pl.col("played_s").is_between(duration, duration + ROUNDING_S)
    heard = pl.when(to_the_end).then(1.0).otherwise(pl.col("played_s") / duration)
    reason = (
        pl.when(~pl.col("known").fill_null(value=False))
        .then(pl.lit("unknown_track"))
        .when(pl.col("user").is_null())
        .then(pl.lit("unknown_user"))
        .when(pl.col("day").is_nan())
        .then(pl.lit("no_time"))
        .when(pl.col("played_s").is_nan() | pl.col("completion").is_nan())
        .then(pl.lit("unreadable_number"))
        .when((pl.col("day") < 0) | (pl.col("played_s") < 0) | (pl.col("completion") < 0))
        .then(pl.lit("negative_time"))
        .when(pl.col("completion") > 1)
        .then(pl.lit("completion_over_one"))
        .when(~pl.col("action").is_in(ACTIONS))
        .then(pl.lit("unknown_action"))
    )
    is_favourite = pl.col("action") == FAVOURITE
    return (
        known.with_columns(completion=pl.coalesce("completion", heard.fill_nan(None)), is_favourite=is_favourite)
        .with_columns(action=pl.when(is_favourite).then(pl.lit("like")).otherwise("action"))
        .with_columns(reason=reason)
        .drop("known", "duration_s")
    )


def count_plays(judged: pl.LazyFrame) -> PlayCounts:
    """Count the rows of a judged log, in one pass that streams.

    Parameters
    ----------
    judged
        What `validate_plays` returned.

    Returns
    -------
    counts

    Raises
    ------
    ValueError
        When the times cannot be days, most likely because they are in milliseconds.
    """
    faults = [field.name for field in fields(PlayCounts)[1:]]
    row = judged.select(
        pl.len().alias("rows"),
        pl.col("day").fill_nan(None).max(),
        *((pl.col("reason") == name).sum().alias(name) for name in faults),
    ).collect(engine="streaming")
    last_day = row["day"][0]
    if last_day is not None and last_day > LONGEST_LOG_DAYS:
        raise ValueError(
            f"the last play must lie within {LONGEST_LOG_DAYS} days of the first of January 1970, got day {last_day:g} "
            "(are the times in milliseconds?)"
        )
    return PlayCounts(rows=row["rows"][0], **{name: int(row[name][0] or 0) for name in faults})


def usable_plays(path: Path) -> pl.LazyFrame:
    """Open the plays of a log that can be used, whatever their tracks are called; how many cannot is logged.

    Raises
    ------
    ValueError
        As `count_plays` says.
    """
    judged = validate_plays(scan_plays(path), None)
    with reading(path):
        counts = count_plays(judged)
    if counts.left_out:
        logger.warning("%s", counts)
    return judged.filter(pl.col("reason").is_null()).select(PLAY_SCHEMA.names())


def write_plays(judged: pl.LazyFrame, out: str | Path) -> PlayCounts:
    """Write the good plays of a log to Parquet, streaming: 100 million rows pass through in bounded memory.

    Parameters
    ----------
    judged
        What `validate_plays` returned.
    out
        Where the Parquet file goes.

    Returns
    -------
    counts
    """
    counts = count_plays(judged)
    good = judged.filter(pl.col("reason").is_null()).select(*PLAY_SCHEMA.names(), "is_favourite")
    good.sink_parquet(out, engine="streaming")
    return counts


def number_plays(judged: pl.LazyFrame, users: Mapping[str, int]) -> pl.LazyFrame:
    """Give plays the columns of `PlayLog`, and ``reason``, as an enumeration, by steps that all stream.

    Parameters
    ----------
    judged
        What `validate_plays` returned of names with a column ``row``.
    users
        Row of each user; plays of a user without a row are left out too, as of an unknown one.
    """
    rows = pl.LazyFrame(
        {"name": list(users), "user_row": list(users.values())}, {"name": pl.String, "user_row": pl.Int64}
    )
    known = judged.join(rows, left_on="user", right_on="name", how="left", maintain_order="left")
    return known.with_columns(user=pl.col("user_row")).select(
        "user",
        pl.col("row").alias("track"),
        pl.col("day").fill_null(0.0).cast(pl.Float32),
        pl.col("completion").cast(pl.Float32).fill_null(float("nan")),
        pl.col("action").cast(pl.Enum(ACTIONS), strict=False).to_physical().cast(pl.Int8),
        pl.coalesce("reason", pl.when(pl.col("user").is_null()).then(pl.lit("unknown_user"))).cast(
            pl.Enum([field.name for field in fields(PlayCounts)[1:]])
        ),
    )


def load_plays(judged: pl.LazyFrame, users: Mapping[str, int]) -> tuple[PlayLog, PlayCounts]:
    """Read the good plays of a log into arrays in memory, 25 bytes a play; arguments as for `number_plays`.

    Returns
    -------
    plays
        In order of time where the log tells the time, in that of the log otherwise.
    counts
    """
    table = number_plays(judged, users).collect(engine="streaming")
    counts = count_plays(table.lazy())
    good = table.filter(pl.col("reason").is_null()).drop("reason")
    good = good.sort("day", maintain_order=True)
    return PlayLog(**{name: good[name].to_numpy() for name in good.columns}), counts
