"""Tables in files: Parquet, CSV, tab-separated text and JSON lines.

This is the one door by which tables are read. A path is a path: ``[``, ``*`` and ``?`` in it are characters like any
other. What text files hold is text: nothing is guessed from the first rows, so ``007`` is not ``7``, and a word in row
101 of a column of numbers is no fault.
"""

import glob
import mmap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl

SEPARATORS = (",", ";", "\t", "|")
IDS = frozenset({"user", "user_id", "uid", "track", "track_id", "artist", "artist_key", "path", "file"})  # always text
WHOLE_FLOAT = r"^(-?\d+)\.0$"
WHOLE = r"^(?:0|-?[1-9]\d*)$"  # a number without leading zeros
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"  # how compressed files begin
QUOTED = r'^"(?:(?:[^"]|"")*""(?:[^"]|"")*)?"$'  # "He said ""no""", and "", but not "Heroes"
UTF8_MARK, UTF16_MARKS = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")


def scan_table(path: str | Path) -> pl.LazyFrame:
    """Open a table without holding it in memory.

    Parameters
    ----------
    path
        ``.parquet``, ``.csv``, ``.tsv`` or ``.jsonl``, or a folder of Parquet files.

    Returns
    -------
    table
        Columns of a text file are numbers or dates where every value is one that is written without leading zeros; ids
        are text.

    Raises
    ------
    ValueError
        When the file is of another kind, or damaged.
    FileNotFoundError
        When there is no such file.
    """
    path = Path(path)
    parts = scan_parts(path)
    if not path.is_dir() and _kind(path) == "csv":
        return _typed(parts[0], path)
    with reading(path):
        table = pl.concat(parts, how="diagonal_relaxed") if len(parts) > 1 else parts[0]
        table.collect_schema()
    return table


def scan_parts(path: str | Path, columns: Sequence[str] | None = None) -> list[pl.LazyFrame]:
    """Open a table as the files that it consists of: several of a folder of Parquet, else one.

    Parameters
    ----------
    path
        As `scan_table` takes it.
    columns
        Which columns of JSON lines are wanted; they are then text, whatever each line has. None: all, of the types that
        fit every line.

    Returns
    -------
    parts
        Those of CSV are text throughout. A file may lack a column.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"a table must be a file or a folder of Parquet files, got {path}, which does not exist"
        )
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix == ".parquet" and file.name[0] not in "._")
        if not files:
            raise FileNotFoundError(f"a table must be a file or a folder of Parquet files, got {path}, which has none")
        return [_scan_parquet(file) for file in files]
    match _kind(path):
        case "parquet":
            return [_scan_parquet(path)]
        case "csv":
            return [_scan_csv(path)]
    return [_scan_json(path, columns)]


def read_parquet(path: Path) -> pl.DataFrame:
    """Read a Parquet file, and no other than the one that is called so."""
    return pl.read_parquet(path, glob=False, hive_partitioning=False)


def scan_arrow(path: Path) -> pl.LazyFrame:
    """Open an Arrow file, and no other than the one that is called so."""
    return pl.scan_ipc(glob.escape(str(path)))


def read_text_table(path: Path) -> pl.DataFrame:
    """Read a CSV file as text throughout, or a Parquet file.

    Raises
    ------
    ValueError, FileNotFoundError
        As `scan_table` says.
    """
    with reading(path):
        return scan_parts(path)[0].collect()


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Name the file that cannot be read.

    Raises
    ------
    ValueError
        In place of an error of Polars.
    """
    try:
        yield
    except pl.exceptions.PolarsError as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(f"{path} must be a table that can be read: {reason}{_hint(reason)}") from error


def id_text(column: str, dtype: pl.DataType) -> pl.Expr:
    """Write ids as text: what is a whole number is written without a decimal point; an empty id is null.

    Raises
    ------
    ValueError
        When the column holds lists or other tables.
    """
    if dtype.is_nested():
        raise ValueError(f"column {column!r} must hold ids, one a row, got {dtype}")
    ids = pl.col(column)
    text = ids.cast(pl.String, strict=False)
    if dtype.is_float():
        is_whole = (ids == ids.floor()) & (ids.abs() < 2**53)
        whole = ids.cast(pl.Int64, strict=False).cast(pl.String)
        text = pl.when(is_whole).then(whole).when(ids.is_not_nan()).then(text)
    elif dtype.is_decimal():
        text = text.str.replace(r"\.0+$", "")
    return pl.when(text != "").then(text).alias(column)


def user_text(column: str, dtype: pl.DataType) -> pl.Expr:
    """Write ids of users as `id_text` does; ``7.0``, as it is written by who took ids for floats, is the user ``7``."""
    users = id_text(column, dtype)
    floats = pl.when(users.str.ends_with(".0")).then(users).str.replace(WHOLE_FLOAT, "$1")
    return pl.coalesce(floats, users).alias(column)


def ids_of(table: pl.DataFrame, column: str) -> pl.Series:
    """Take a column of ids as text."""
    return table.select(id_text(column, table.schema[column]))[column]


def _kind(path: Path) -> str:
    """Say what kind of file an ending stands for."""
    match path.suffix.lower():
        case ".parquet":
            return "parquet"
        case ".csv" | ".tsv" | ".txt":
            return "csv"
        case ".jsonl" | ".ndjson" | ".listens":
            return "json"
    raise ValueError(f"a table must end in .parquet, .csv, .tsv or .jsonl, got {path.name}")


def _scan_parquet(file: Path) -> pl.LazyFrame:
    """Open a Parquet file."""
    with reading(file):
        table = pl.scan_parquet(file, glob=False, hive_partitioning=False)
        table.collect_schema()
    return table


def _scan_csv(file: Path) -> pl.LazyFrame:
    """Open a CSV file, whatever separates its columns; where those are tabs, a quote is a character like any other."""
    _check_mark(file, UTF16_MARKS)
    separator = "\t" if file.suffix.lower() in {".tsv", ".txt"} else ","
    with reading(file):
        table = _open_csv(file, separator)
        (head, *others) = table.collect_schema().names()
        if not others:
            separator = next((other for other in SEPARATORS if other in head), separator)
            table = _open_csv(file, separator)
        is_quoted = separator != "\t" or head.startswith('"')
        if is_quoted and separator == "\t":
            table = pl.scan_csv(file, separator=separator, infer_schema=False, glob=False)
        names = table.collect_schema().names()
        for name in names:
            if f"{name}_duplicated_0" in names:
                raise ValueError(f"{file} must have each column once, got {name!r} twice")
        if not _has_quotes(file):
            return table
        if is_quoted:
            _check_rows(table, separator, file)
            return table
    return table.select(map(_unquoted, names))


def _open_csv(file: Path, separator: str) -> pl.LazyFrame:
    """Open a CSV file as text."""
    quote = None if separator == "\t" else '"'
    return pl.scan_csv(file, separator=separator, quote_char=quote, infer_schema=False, glob=False)


def _unquoted(column: str) -> pl.Expr:
    """Take the quotes off cells of tabbed text that some writer has put there because of quotes inside."""
    cell = pl.col(column)
    inside = cell.str.strip_prefix('"').str.strip_suffix('"').str.replace_all('""', '"', literal=True)
    return pl.when(cell.str.contains(QUOTED)).then(inside).otherwise(cell).alias(column)


def _check_rows(table: pl.LazyFrame, separator: str, file: Path) -> None:
    """Go through a CSV file with quotes once, to refuse one in which a quote that nothing closes hides rows."""
    names = table.collect_schema().names()
    hides = (
        pl.col(name).str.contains("\n", literal=True)
        & (pl.col(name).str.count_matches(separator, literal=True) >= len(names) - 1)
        for name in names
    )
    if table.select(pl.any_horizontal(hides).any()).collect(engine="streaming").item():
        raise ValueError(f'{file} must close every quote (") on its line, got a quote around several lines')


def _has_quotes(file: Path) -> bool:
    """Look for a quote in the bytes of a file; what is compressed may have some."""
    with file.open("rb") as content, mmap.mmap(content.fileno(), 0, access=mmap.ACCESS_READ) as held:
        return held[:2] == GZIP or held[:4] == ZSTD or held.find(b'"') >= 0


def _scan_json(file: Path, columns: Sequence[str] | None) -> pl.LazyFrame:
    """Open JSON lines, in one pass that finds damaged lines, and which of the columns there are."""
    _check_mark(file, (UTF8_MARK, *UTF16_MARKS))
    with reading(file):
        if columns is None:
            return pl.scan_ndjson(glob.escape(str(file)), infer_schema_length=None)
        table = pl.scan_ndjson(glob.escape(str(file)), schema=dict.fromkeys(columns, pl.String()))
        n_values = table.select(pl.all().count()).collect(engine="streaming").row(0)
    return table.select(name for name, n in zip(columns, n_values, strict=True) if n)


def _check_mark(file: Path, marks: Sequence[bytes]) -> None:
    """Refuse a byte order mark that Polars does not read."""
    with file.open("rb") as content:
        if content.read(3).startswith(tuple(marks)):
            raise ValueError(f"{file} must be UTF-8 without a byte order mark, got one (save it as UTF-8)")


def _typed(table: pl.LazyFrame, file: Path) -> pl.LazyFrame:
    """Make columns of text numbers or dates, where all their values are such, in one pass over the file."""
    names = table.collect_schema().names()
    read = {name: {"text": pl.col(name)} if name in IDS else _readings(name) for name in names}
    facts = [expr.count().alias(f"{kind} {name}") for name in names for kind, expr in read[name].items()]
    with reading(file):
        row = table.select(facts).collect(engine="streaming").row(0, named=True)
    best = {
        name: next(
            kind for kind in (*read[name], "text") if kind == "text" or row[f"{kind} {name}"] == row[f"text {name}"] > 0
        )
        for name in names
    }
    return table.select(read[name][best[name]].alias(name) for name in names)


def _readings(name: str) -> dict[str, pl.Expr]:
    """Read a column of text as each type that it may be of, null where it is not: the first that fits counts."""
    text = pl.col(name)
    is_whole, is_padded = text.str.contains(WHOLE), text.str.contains(r"^-?0\d")
    is_short = (text.str.len_bytes() < 16) | text.str.contains(".", literal=True)  # an id of 20 digits is no number
    return {
        "whole": pl.when(is_whole).then(text.cast(pl.Int64, strict=False)),
        "number": pl.when(~is_padded & is_short).then(text.cast(pl.Float64, strict=False)),
        "date": text.str.to_date("%Y-%m-%d", strict=False),
        "text": text,
    }


def _hint(reason: str) -> str:
    """Say what is likely behind an error of Polars."""
    hints = {
        "utf-8": "is it saved as UTF-8?",
        "more fields": "does a row have more cells than the heading?",
        "CSV malformed": 'is there a quote (") inside a cell that is not quoted?',
        "could not parse": 'is there a quote (") that nothing closes?',
    }
    return next((f" ({hint})" for words, hint in hints.items() if words in reason), "")
