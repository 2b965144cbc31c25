"""Play logs: Parquet, CSV or JSON lines in, clean plays out, in memory that does not grow with the log.

A log is a lazy table with the columns `PLAY_SCHEMA` whatever its own are called. Rows that cannot be used (a track that
is not in the catalogue, a negative time, a completion over 1, an unknown action) are counted, reported and left out,
never mended in silence.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import polars as pl

from metric_learning.play_log import ACTIONS, PlayLog

SECONDS_A_DAY = 86_400
ROUNDING_S = 1.0  # seconds by which a play may pass the length of its track: lengths are rounded
LONGEST_LOG_DAYS = 36_525  # days, a hundred years: past this the times are in another unit
PLAY_SCHEMA = pl.Schema(
    {
        "user": pl.String,
        "track": pl.String,
        "day": pl.Float64,  # days since the first of January 1970, or since whatever the log counts from
        "played_s": pl.Float64,  # seconds
        "completion": pl.Float64,  # share of the track, 0 to 1
        "action": pl.String,
    }
)


@dataclass(frozen=True, kw_only=True)
class PlayColumns:
    """What the columns of a log are called; a name that the log lacks is taken as not recorded, save user and track."""

    user: str = "user"
    track: str = "track"
    day: str = "day"  # days
    timestamp: str = "timestamp"  # seconds, or a date and time
    completion: str = "completion"  # 0 to 1
    played_s: str = "played_s"  # seconds
    action: str = "action"  # like, dislike, skip, none or nothing


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


def scan_table(path: str | Path) -> pl.LazyFrame:
    """Open a table without reading it.

    Parameters
    ----------
    path
        ``.parquet``, ``.csv``, ``.tsv`` or ``.jsonl``, or a folder of Parquet files.

    Returns
    -------
    table

    Raises
    ------
    ValueError
        When the file is of another kind, or damaged.
    FileNotFoundError
        When there is no such file.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"a table must be a file or a folder of Parquet files, got {path}, which does not exist"
        )
    try:
        table = _scan(path)
        table.collect_schema()
    except pl.exceptions.PolarsError as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(f"{path} must be a table that can be read: {reason}") from error
    return table


def _scan(path: Path) -> pl.LazyFrame:
    """Open a table by its ending."""
    if path.is_dir():
        return pl.scan_parquet(path / "*.parquet")
    match path.suffix.lower():
        case ".parquet":
            return pl.scan_parquet(path)
        case ".csv":
            return pl.scan_csv(path, try_parse_dates=True)
        case ".tsv" | ".txt":
            return pl.scan_csv(path, separator="\t", try_parse_dates=True)
        case ".jsonl" | ".ndjson" | ".listens":
            return pl.scan_ndjson(path)
    raise ValueError(f"a table must end in .parquet, .csv, .tsv or .jsonl, got {path.name}")


def name_columns(table: pl.LazyFrame, columns: PlayColumns | None = None) -> pl.LazyFrame:
    """Give a log the columns of `PLAY_SCHEMA`.

    Parameters
    ----------
    table
        Any log.
    columns
        What its columns are called.

    Returns
    -------
    plays
        Lazy, one row a row of the log; null where the log does not say, and action ``none`` where it says nothing.

    Raises
    ------
    ValueError
        When the log has no column of users or of tracks.
    """
    columns = columns or PlayColumns()
    schema = table.collect_schema()
    for role in ("user", "track"):
        if getattr(columns, role) not in schema:
            raise ValueError(
                f"plays must have a column {getattr(columns, role)!r} for the {role}, got {', '.join(schema.names())}"
                f" (rename it; in Python, PlayColumns({role}=...) names it)"
            )
    present = {
        "completion": _optional(columns.completion, schema, pl.Float64),
        "played_s": _optional(columns.played_s, schema, pl.Float64),
        "action": _optional(columns.action, schema, pl.String).str.to_lowercase().fill_null("none"),
    }
    return table.select(
        pl.col(columns.user).cast(pl.String).alias("user"),
        pl.col(columns.track).cast(pl.String).alias("track"),
        _day(columns, schema).alias("day"),
        *(present[name].alias(name) for name in ("played_s", "completion", "action")),
    )


def judge_plays(plays: pl.LazyFrame, tracks: Mapping[str, float]) -> pl.LazyFrame:
    """Say of each play why it cannot be used, and work out its completion from the seconds played where it lacks one.

    Parameters
    ----------
    plays
        With the columns of `PLAY_SCHEMA`.
    tracks
        Length in seconds (NaN where not known) by track.

    Returns
    -------
    judged
        The plays with a column ``fault``: the name of a field of `PlayCounts`, or null where the play is good.
    """
    known = pl.LazyFrame({"track": list(tracks), "duration_s": np.fromiter(tracks.values(), np.float64, len(tracks))})
    duration = pl.col("duration_s").fill_nan(None)
    to_the_end = pl.col("played_s").is_between(duration, duration + ROUNDING_S)
    heard = pl.when(to_the_end).then(1.0).otherwise(pl.col("played_s") / duration)
    fault = (
        pl.when(pl.col("known").is_null())
        .then(pl.lit("unknown_track"))
        .when((pl.col("day") < 0) | (pl.col("played_s") < 0) | (pl.col("completion") < 0))
        .then(pl.lit("negative_time"))
        .when(pl.col("completion") > 1)
        .then(pl.lit("completion_over_one"))
        .when(~pl.col("action").is_in(ACTIONS))
        .then(pl.lit("unknown_action"))
    )
    joined = plays.join(known.with_columns(known=True), on="track", how="left", maintain_order="left")
    return (
        joined.with_columns(completion=pl.coalesce("completion", heard))
        .with_columns(fault=fault)
        .drop("known", "duration_s")
    )


def count_plays(judged: pl.LazyFrame) -> PlayCounts:
    """Count the rows of a judged log, in one pass that streams.

    Parameters
    ----------
    judged
        What `judge_plays` returned.

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
        *((pl.col("fault") == name).sum().alias(name) for name in faults),
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
        What `judge_plays` returned.
    out
        Where the Parquet file goes.

    Returns
    -------
    counts
    """
    counts = count_plays(judged)
    good = judged.filter(pl.col("fault").is_null()).drop("fault")
    good.sink_parquet(out, engine="streaming")
    return counts


def load_plays(judged: pl.LazyFrame, users: Mapping[str, int], tracks: Mapping[str, int]) -> tuple[PlayLog, PlayCounts]:
    """Read the good plays of a log into arrays, 25 bytes a play.

    Parameters
    ----------
    judged
        What `judge_plays` returned.
    users, tracks
        Row of each user and each track; plays of a user without a row are left out too.

    Returns
    -------
    plays
        In order of time where the log tells the time, in that of the log otherwise.
    counts
    """
    counts = count_plays(judged)
    good = judged.filter(pl.col("fault").is_null() & pl.col("user").is_in(list(users)))
    table = good.select(
        pl.col("user").replace_strict(users, return_dtype=pl.Int64),
        pl.col("track").replace_strict(tracks, return_dtype=pl.Int64),
        pl.col("day").fill_null(0.0).cast(pl.Float32),
        pl.col("completion").cast(pl.Float32).fill_null(float("nan")),
        pl.col("action").replace_strict({name: code for code, name in enumerate(ACTIONS)}, return_dtype=pl.Int8),
    ).collect(engine="streaming")
    table = table.sort("day", maintain_order=True)
    return PlayLog(**{name: table[name].to_numpy() for name in table.columns}), counts


def _optional(name: str, schema: pl.Schema, dtype: pl.DataType | type[pl.DataType]) -> pl.Expr:
    """Take a column where the log has it, nulls where it has not."""
    return (pl.col(name) if name in schema else pl.lit(None)).cast(dtype)


def _day(columns: PlayColumns, schema: pl.Schema) -> pl.Expr:
    """Work out the day of a play from its day, or its date and time, or its seconds."""
    if columns.day in schema or columns.timestamp not in schema:
        return _optional(columns.day, schema, pl.Float64)
    time = pl.col(columns.timestamp)
    if schema[columns.timestamp] == pl.String:
        time = time.str.to_datetime(time_unit="us")
    elif schema[columns.timestamp].is_numeric():
        return time.cast(pl.Float64) / SECONDS_A_DAY
    return time.dt.epoch("s").cast(pl.Float64) / SECONDS_A_DAY
