"""Numbers and times that a log writes as text.

A time is a number (seconds since 1970, or days in a column of days), or a date, with or without a time of day and a
zone; UTC where it names none. Whether ``03/04/2023`` is in March or in April the whole column tells, or nothing does.
"""

import re
from typing import Any

import polars as pl

SECONDS_A_DAY = 86_400
NOTHING = (
    "",
    *(form for word in ("null", "none", "nan", "na", "n/a") for form in (word, word.upper(), word.title())),
    "NaN",
    r"\N",
)
DECIMAL_COMMA = r"^(?:(-?\d+),(\d{1,2}|\d{4,})|(-?0),(\d+))$"  # 0,5 and 12,75, but not 1,234, which may be thousands
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
    with_comma = pl.when(number.is_null()).then(text).str.replace(DECIMAL_COMMA, "$1$3.$2$4")
    number = pl.coalesce(number, with_comma.cast(pl.Float64, strict=False))
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
    words = pl.when(number.is_null()).then(text)
    facts = _facts(table, text, readable=number.is_finite())
    if not facts["n"]:
        return None
    if facts["readable"]:
        days = number / numbers_a_day
        if numbers_a_day > 1 and facts["readable"] == facts["n"]:
            check_bare_dates(table.select(number), column, name=name)
    else:
        days = pl.lit(None, pl.Float64)
    if facts["readable"] < facts["n"]:
        patterns = _patterns(table, words, column=column, name=name)
        if not patterns and not facts["readable"]:
            raise _no_time(column, name, facts["example"])
        days = pl.coalesce(days, *(_days(words, pattern) for pattern in patterns))
    return pl.when(text.is_not_null()).then(pl.when(days.is_finite()).then(days).otherwise(float("nan")))


def check_bare_dates(table: pl.LazyFrame, column: str, *, name: str) -> None:
    """Refuse whole numbers that are dates written without dashes, not seconds.

    Raises
    ------
    ValueError
        When the least and the greatest of them are such.
    """
    number = pl.col(column)
    ends = table.select(number.min().alias("first"), number.max().alias("last")).collect(engine="streaming").row(0)
    if all(re.match(BARE_DATE, f"{end or 0:.0f}") for end in ends):
        raise _no_time(column, name, f"{ends[0]:.0f}")


def _no_time(column: str, name: str, example: object) -> ValueError:
    """Make the error of a column that holds no times."""
    return ValueError(
        f"column {column!r} of {name} must hold times, got {example!r} "
        "(write 2023-11-14 22:13:20, in UTC, or seconds since 1970)"
    )


def _cells(column: str) -> pl.Expr:
    """Take a column's text without what stands for no value."""
    text = pl.col(column).cast(pl.String).str.strip_chars()
    return pl.when(~text.is_in(NOTHING)).then(text)


def _facts(table: pl.LazyFrame, text: pl.Expr, *, readable: pl.Expr) -> dict[str, Any]:
    """Count the cells that are not empty and those that can be read, with an ``example`` of the others."""
    facts = table.select(
        text.count().alias("n"),
        readable.sum().alias("readable"),
        pl.when(~readable.fill_null(value=False)).then(text).drop_nulls().first().alias("example"),
    )
    return facts.collect(engine="streaming").row(0, named=True)


def _patterns(table: pl.LazyFrame, words: pl.Expr, *, column: str, name: str) -> list[str]:
    """List the layouts of the dates in a column, in one pass over it."""
    numbers = words.str.extract_groups(NUMBERS)
    first, last = (numbers.struct.field(part).cast(pl.Int32, strict=False) for part in ("first", "last"))
    facts = table.select(
        *(words.str.contains(pattern).any().alias(layout) for layout, pattern in LAYOUTS.items()),
        (first > 12).any().alias("day first"),
        (last > 12).any().alias("month first"),
        pl.when(first.is_not_null()).then(words).drop_nulls().first().alias("numbers"),
    )
    found = facts.collect(engine="streaming").row(0, named=True)
    patterns = [pattern for layout, pattern in LAYOUTS.items() if found[layout]]
    if found["numbers"] is None:
        return patterns
    if found["day first"] == found["month first"]:
        raise ValueError(
            f"column {column!r} of {name} must tell the day from the month, got {found['numbers']!r}"
            f"{' and others in the other order' if found['day first'] else ''} (write 2023-11-14 22:13:20)"
        )
    return [*patterns, DAY_FIRST if found["day first"] else MONTH_FIRST]


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
