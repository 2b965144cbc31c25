"""Numbers and times that a log writes as text.

A time is a number (seconds since 1970, or days in a column of days), or a date, with or without a time of day and a
zone; UTC where it names none. Whether ``03/04/2023`` is in March or in April the whole column tells, or nothing does.
"""

from collections.abc import Mapping
from typing import Any

import polars as pl

SECONDS_A_DAY = 86_400
NOTHING = ("", "null", "none", "nan", "na", "n/a", r"\n")  # in lower case: what stands for no value
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTH = rf"(?P<month>(?i:{'|'.join(MONTHS)})[a-z]*)\.?"
YEAR, DAY, GAP = r"(?P<year>\d{4})", r"(?P<day>\d{1,2})", r"[-/., ]+"
TIME = (
    r"(?:(?:T|,? +)(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:\.\d+)?))?"
    r" *(?P<half>[AaPp][Mm])?(?: *(?P<zone>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?))?)?$"
)
WEEKDAY = r"^(?:(?i:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? +)?"
LAYOUTS = {
    "year first": rf"^{YEAR}[-/.](?P<month>\d{{1,2}})[-/.]{DAY}{TIME}",
    "day and name of month": rf"{WEEKDAY}{DAY}{GAP}{MONTH}{GAP}{YEAR}{TIME}",
    "name of month and day": rf"{WEEKDAY}{MONTH}{GAP}{DAY}{GAP}{YEAR}{TIME}",
}
NUMBERS = r"^(?P<first>\d{1,2})[-/.](?P<last>\d{1,2})[-/.](?P<year>\d{4})"  # day and month, in one order or the other
DAY_FIRST = rf"^{DAY}[-/.](?P<month>\d{{1,2}})[-/.]{YEAR}{TIME}"
MONTH_FIRST = rf"^(?P<month>\d{{1,2}})[-/.]{DAY}[-/.]{YEAR}{TIME}"
BARE_DATE = r"^(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])$"  # 20231114: hardly seconds


def read_numbers(table: pl.LazyFrame, column: str, *, name: str) -> pl.Expr | None:
    """Read a column of text as numbers.

    Parameters
    ----------
    table
        Is gone through once.
    column
        Of it.
    name
        Of the table, for an error.

    Returns
    -------
    numbers
        Null where a cell is empty, NaN where it holds what is no number. None: every cell is empty.

    Raises
    ------
    ValueError
        When no cell is a number.
    """
    text = _cells(column)
    number = text.cast(pl.Float64, strict=False)
    facts = _facts(table, text, readable=number.is_not_null())
    if not facts["n"]:
        return None
    if not facts["readable"]:
        raise ValueError(f"column {column!r} of {name} must hold numbers, got {facts['example']!r}")
    return pl.when(text.is_not_null()).then(number.fill_null(float("nan")))


def read_days(table: pl.LazyFrame, column: str, *, numbers_a_day: int, name: str) -> pl.Expr | None:
    """Read a column of text as days since 1970.

    Parameters
    ----------
    table, column, name
        As `read_numbers` takes them.
    numbers_a_day
        How many of the unit of a plain number make a day.

    Returns
    -------
    days
        As `read_numbers` gives numbers.

    Raises
    ------
    ValueError
        When no cell is a time, or it is not clear which of two numbers is the month.
    """
    text = _cells(column)
    number = text.cast(pl.Float64, strict=False)
    parts = text.str.extract_groups(NUMBERS)
    first, last = (parts.struct.field(part).cast(pl.Int32, strict=False) for part in ("first", "last"))
    is_layout = {layout: text.str.contains(pattern) for layout, pattern in LAYOUTS.items()}
    facts = _facts(
        table,
        text,
        readable=pl.any_horizontal(number.is_finite(), text.str.contains(DAY_FIRST), *is_layout.values()),
        number=number.is_not_null(),
        bare_date=text.str.contains(BARE_DATE),
        numbers=text.str.contains(NUMBERS),
        day_first=first > 12,
        month_first=last > 12,
        **is_layout,
    )
    if not facts["n"]:
        return None
    if not facts["readable"] or (numbers_a_day > 1 and facts["bare_date"] == facts["n"]):
        raise ValueError(
            f"column {column!r} of {name} must hold times, got {facts['example']!r} "
            "(write 2023-11-14 22:13:20, in UTC, or seconds since 1970)"
        )
    patterns = [pattern for layout, pattern in LAYOUTS.items() if facts[layout]]
    if facts["numbers"]:
        patterns.append(_order(facts, column=column, name=name))
    read = [number / numbers_a_day] * bool(facts["number"]) + [_days(text, pattern) for pattern in patterns]
    days = pl.coalesce(read)
    return pl.when(text.is_not_null()).then(pl.when(days.is_finite()).then(days).otherwise(float("nan")))


def _cells(column: str) -> pl.Expr:
    """Take a column's text without what stands for no value."""
    text = pl.col(column).cast(pl.String).str.strip_chars()
    return pl.when(~text.str.to_lowercase().is_in(NOTHING)).then(text)


def _facts(table: pl.LazyFrame, text: pl.Expr, *, readable: pl.Expr, **counted: pl.Expr) -> dict[str, Any]:
    """Count cells, in one pass that streams; ``example`` is one that cannot be read, or else one of those that can."""
    counts = [expr.sum().alias(name) for name, expr in {"readable": readable, **counted}.items()]
    unreadable = text.filter(~readable.fill_null(value=False) & text.is_not_null()).first()
    ordered = counted.get("numbers")
    example = text.filter(ordered).first() if ordered is not None else pl.lit(None, pl.String)
    facts = table.select(
        text.count().alias("n"),
        *counts,
        example.alias("of numbers"),
        pl.coalesce(unreadable, text.drop_nulls().first()).alias("example"),
    )
    return facts.collect(engine="streaming").row(0, named=True)


def _order(facts: Mapping[str, Any], *, column: str, name: str) -> str:
    """Choose between day first and month first, by the numbers over 12 in the column."""
    if bool(facts["day_first"]) == bool(facts["month_first"]):
        raise ValueError(
            f"column {column!r} of {name} must tell the day from the month, got {facts['of numbers']!r}"
            f"{' and others in the other order' if facts['day_first'] else ''} (write 2023-11-14 22:13:20)"
        )
    return DAY_FIRST if facts["day_first"] else MONTH_FIRST


def _days(text: pl.Expr, pattern: str) -> pl.Expr:
    """Read times of one layout as days since 1970; null where a cell is of another, or is no time of any day."""
    parts = text.str.extract_groups(pattern)

    def part(name: str) -> pl.Expr:
        return parts.struct.field(name)

    month = part("month").str.slice(0, 3).str.to_lowercase()
    month = month.replace(dict(zip(MONTHS, map(str, range(1, 13)), strict=True)))
    date = pl.concat_str(part("year"), month.str.zfill(2), part("day").str.zfill(2), separator="-")
    hour, minute, second = (
        part(name).cast(pl.Float64, strict=False).fill_null(0.0) for name in ("hour", "minute", "second")
    )
    half = part("half").str.to_lowercase()
    hour = pl.when(half.is_null()).then(hour).when(hour.is_between(1, 12)).then(hour % 12 + 12 * (half == "pm"))
    is_time = (hour < 24) & (minute < 60) & (second < 61)
    seconds = hour * 3600 + minute * 60 + second - _offset(part("zone"))
    day = date.str.to_date("%Y-%m-%d", strict=False).to_physical().cast(pl.Float64)
    return pl.when(is_time).then(day + seconds / SECONDS_A_DAY)


def _offset(zone: pl.Expr) -> pl.Expr:
    """Say how many seconds a zone is before UTC."""
    digits = zone.str.replace(":", "", literal=True)
    hours = digits.str.slice(1, 2).cast(pl.Float64, strict=False).fill_null(0.0)
    minutes = digits.str.slice(3, 2).cast(pl.Float64, strict=False).fill_null(0.0)
    sign = pl.when(zone.str.starts_with("-")).then(-1.0).otherwise(1.0)
    return pl.when(zone.str.contains(r"^[+-]")).then(sign * (hours * 3600 + minutes * 60)).otherwise(0.0)
