"""Play logs of any column names and types as lazy tables with the columns `PLAY_SCHEMA`.

Ids are text, times are days, and what cannot be read is NaN, for `audio_engine.plays.validation` to count and leave
out: nothing is repaired in silence.
"""

from dataclasses import dataclass

import polars as pl

from audio_engine.plays.table_files import id_text, user_text
from audio_engine.plays.times import NOTHING, SECONDS_A_DAY, check_bare_dates, read_days, read_numbers

FAVOURITE = "favourite"  # an action that counts as a like: see `audio_engine.plays.validation`
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
    action: str = "action"  # like, favourite, dislike, skip, none or nothing


def name_columns(table: pl.LazyFrame, columns: PlayColumns | None = None, *, name: str = "plays") -> pl.LazyFrame:
    """Give a log the columns of `PLAY_SCHEMA`.

    Parameters
    ----------
    table
        Any log.
    columns
        What its columns are called.
    name
        Of the log, for an error.

    Returns
    -------
    plays
        Lazy, one row a row of the log; null where the log does not say, and action ``none`` where it says nothing. NaN
        is a number that cannot be read; and the day of a row without a time, in a log of which others have one.

    Raises
    ------
    ValueError
        When the log has no column of users or of tracks, or none of the values of another column can be read.
    """
    columns = columns or PlayColumns()
    schema = table.collect_schema()
    for role in ("user", "track"):
        if getattr(columns, role) not in schema:
            raise ValueError(
                f"plays must have a column {getattr(columns, role)!r} for the {role}, got "
                f"{', '.join(schema.names()) or 'none'} in {name} "
                f"(rename it; in Python, PlayColumns({role}=...) names it)"
            )
    present = {
        "day": _day(table, columns, name),
        "played_s": _numbers(table, columns.played_s, name),
        "completion": _numbers(table, columns.completion, name),
        "action": _actions(columns.action, schema),
    }
    return table.select(
        user_text(columns.user, schema[columns.user]).alias("user"),
        id_text(columns.track, schema[columns.track]).alias("track"),
        *(expr.alias(role) for role, expr in present.items()),
    )


def _is_text(dtype: pl.DataType) -> bool:
    return dtype in (pl.String, pl.Categorical, pl.Enum)


def _day(table: pl.LazyFrame, columns: PlayColumns, name: str) -> pl.Expr:
    """Work out the day of a play from its day, or its date and time, or its seconds; NaN where the log lacks it."""
    schema = table.collect_schema()
    for column, numbers_a_day in ((columns.day, 1), (columns.timestamp, SECONDS_A_DAY)):
        if column not in schema or schema[column] == pl.Null:
            continue
        time, dtype = pl.col(column), schema[column]
        days: pl.Expr | None
        if _is_text(dtype):
            days = read_days(table, column, numbers_a_day=numbers_a_day, name=name)
        elif dtype in (pl.Date, pl.Datetime):
            days = time.dt.epoch("us").cast(pl.Float64) / (1e6 * SECONDS_A_DAY)
        elif dtype.is_numeric():
            if numbers_a_day > 1 and dtype.is_integer():
                check_bare_dates(table, column, name=name)
            days = time.cast(pl.Float64) / numbers_a_day
        else:
            raise ValueError(f"column {column!r} of {name} must hold times, got {dtype}")
        if days is not None:
            return pl.when(days.is_finite()).then(days).otherwise(float("nan"))
    return pl.lit(None, pl.Float64)


def _numbers(table: pl.LazyFrame, column: str, name: str) -> pl.Expr:
    """Take a column of numbers: null where it says nothing, NaN where it holds what is no number."""
    dtype = table.collect_schema().get(column, pl.Null())
    if _is_text(dtype):
        numbers = read_numbers(table, column, name=name)
        return pl.lit(None, pl.Float64) if numbers is None else numbers
    if dtype == pl.Null:
        return pl.lit(None, pl.Float64)
    if not dtype.is_numeric():
        raise ValueError(f"column {column!r} of {name} must hold numbers, got {dtype}")
    return pl.col(column).cast(pl.Float64).fill_nan(None)


def _actions(column: str, schema: pl.Schema) -> pl.Expr:
    """Take a column of actions, in lower case; ``none`` where it says nothing."""
    if column not in schema:
        return pl.lit("none")
    if schema[column].is_nested():
        raise ValueError(f"column {column!r} must hold an action a row, got {schema[column]}")
    action = pl.col(column).cast(pl.String, strict=False).str.strip_chars()
    action = pl.when(~action.is_in(NOTHING)).then(action).str.to_lowercase().fill_null("none")
    return pl.when(action == "favorite").then(pl.lit(FAVOURITE)).otherwise(action)
