"""Reading of play logs (Parquet, CSV or JSON lines) as lazy tables, in memory that does not grow with the log.

A log is a lazy table with the columns `PLAY_SCHEMA`, whatever its own columns are called. Unusable rows (a track that
is not in the catalogue, a negative time, a completion over 1, an unknown action) are counted, reported and left out,
never silently repaired.
"""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

SECONDS_A_DAY = 86_400
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
