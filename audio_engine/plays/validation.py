"""Validation of play logs: invalid rows are left out, and counted by reason."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import polars as pl

from audio_engine.plays.scanning import PLAY_SCHEMA
from audio_engine.plays.track_matching import match_tracks
from metric_learning.play_log import ACTIONS, PlayLog

ROUNDING_S = 1.0  # seconds by which a play may pass the length of its track: lengths are rounded
LONGEST_LOG_DAYS = 36_525  # days, a hundred years: past this the times are in another unit


@dataclass(frozen=True, kw_only=True)
class PlayCounts:
    """How many rows a log has, and how many were left out for what; a row at fault twice counts under the first."""

    rows: int
    unknown_track: int
    negative_time: int
    completion_over_one: int
    unknown_action: int

    @property
    def left_out(self) -> int:
        """Rows that were left out."""
        return self.unknown_track + self.negative_time + self.completion_over_one + self.unknown_action

    def __str__(self) -> str:
        reasons = [f"{getattr(self, field.name)} {field.name.replace('_', ' ')}" for field in fields(self)[1:]]
        return f"{self.rows} plays, {self.left_out} left out ({', '.join(reasons)})"


def validate_plays(plays: pl.LazyFrame, names: pl.DataFrame | None) -> pl.LazyFrame:
    """Say of each play why it cannot be used, and work out its completion from the seconds played where it lacks one.

    Parameters
    ----------
    plays
        With the columns of `PLAY_SCHEMA`.
    names
        Of tracks: ``name``, ``duration_s`` in seconds (null where not known), and what else the plays are to be told of
        their tracks, as `TrackNames.table` has it. None: any name is one.

    Returns
    -------
    judged
        The plays with a column ``reason``: the name of a field of `PlayCounts`, or null where the play is good; and
        with the further columns of `names`.
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
        .when((pl.col("day") < 0) | (pl.col("played_s") < 0) | (pl.col("completion") < 0))
        .then(pl.lit("negative_time"))
        .when(pl.col("completion") > 1)
        .then(pl.lit("completion_over_one"))
        .when(~pl.col("action").is_in(ACTIONS))
        .then(pl.lit("unknown_action"))
    )
    return (
        known.with_columns(completion=pl.coalesce("completion", heard))
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
        pl.col("day").max(),
        *((pl.col("reason") == name).sum().alias(name) for name in faults),
    ).collect(engine="streaming")
    last_day = row["day"][0]
    if last_day is not None and last_day > LONGEST_LOG_DAYS:
        raise ValueError(
            f"the last play must lie within {LONGEST_LOG_DAYS} days of the first of January 1970, got day {last_day:g} "
            "(are the times in milliseconds?)"
        )
    return PlayCounts(rows=row["rows"][0], **{name: int(row[name][0] or 0) for name in faults})


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
    good = judged.filter(pl.col("reason").is_null()).select(PLAY_SCHEMA.names())
    good.sink_parquet(out, engine="streaming")
    return counts


def load_plays(judged: pl.LazyFrame, users: Mapping[str, int]) -> tuple[PlayLog, PlayCounts]:
    """Read the good plays of a log into arrays, 25 bytes a play.

    Parameters
    ----------
    judged
        What `validate_plays` returned of names with a column ``row``.
    users
        Row of each user; plays of a user without a row are left out too.

    Returns
    -------
    plays
        In order of time where the log tells the time, in that of the log otherwise.
    counts
    """
    codes = {name: code for code, name in enumerate(ACTIONS)}
    table = judged.select(
        pl.col("user").replace_strict(users, default=None, return_dtype=pl.Int64),
        pl.col("row").alias("track"),
        pl.col("day").fill_null(0.0).cast(pl.Float32),
        pl.col("completion").cast(pl.Float32).fill_null(float("nan")),
        pl.col("action").replace_strict(codes, default=None, return_dtype=pl.Int8),
        pl.col("reason").cast(pl.Enum([field.name for field in fields(PlayCounts)[1:]])),
    ).collect(engine="streaming")
    counts = count_plays(table.lazy())
    good = table.filter(pl.col("reason").is_null() & pl.col("user").is_not_null()).drop("reason")
    good = good.sort("day", maintain_order=True)
    return PlayLog(**{name: good[name].to_numpy() for name in good.columns}), counts
