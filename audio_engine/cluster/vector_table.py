"""The table that a cluster writes, as a folder of Parquet files: a row a sound, with its vector or why it has none.

Nothing else is kept: which files are written says how far a run has come. Read with Polars, a file at a time.
"""

import errno
import os
from collections.abc import Iterator

import polars as pl

from audio_engine.catalogue.paths import local_path
from audio_engine.catalogue.track import DIM
from audio_engine.cluster.locations import open_home, reaching

PARQUET = ".parquet"
MAGIC = b"PAR1"  # how a whole Parquet file ends
SLICE_ROWS = 10_000  # read at once

TEXT_TAGS = ("title", "artist", "album", "genre")
TAG_COLUMNS = {**dict.fromkeys(TEXT_TAGS, pl.String()), "year": pl.Int32(), "duration_s": pl.Float64()}
SCHEMA = pl.Schema(
    {
        "uri": pl.String(),
        "content_hash": pl.String(),  # null where the bytes could not be read
        "file_size": pl.Int64(),  # bytes
        "mtime_ns": pl.Int64(),  # nanoseconds since 1970; 0 where the home of the file does not say
        **TAG_COLUMNS,
        "vector": pl.Array(pl.Float32, DIM),  # null where there is an error
        "model_id": pl.String(),
        "error": pl.String(),  # one line; empty where there is none
        "warnings": pl.String(),  # what decoding lost or mended, a line each
    }
)


def parts_of(table: str) -> list[str]:
    """List the Parquet files of a table: those of a folder (none, where it is not there yet), or the file itself."""
    filesystem, path = open_home(table)
    with reaching(table):
        if not filesystem.isdir(path):
            return [table] if filesystem.exists(path) else []
        found = filesystem.find(path, maxdepth=1)
    return sorted(f"{table.rstrip('/')}/{_name(part)}" for part in found if _is_part(_name(part)))


def drop_unfinished(table: str) -> list[str]:
    """Delete what a killed run has left half written in a folder; the files that went are returned.

    Raises
    ------
    NotADirectoryError
        When it is a file: no run has written it, so nothing in it is ours to delete.
    """
    filesystem, path = open_home(table)
    if filesystem.isfile(path):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), table)
    unfinished = []
    for part in parts_of(table):
        filesystem, path = open_home(part)
        if filesystem.size(path) < len(MAGIC) or filesystem.tail(path, len(MAGIC)) != MAGIC:
            filesystem.rm_file(path)
            unfinished.append(part)
    return unfinished


def read_columns(table: str, *columns: str) -> pl.DataFrame:
    """Read some columns of all rows; an empty frame where nothing is written yet.

    Raises
    ------
    ValueError
        When a file is no Parquet or lacks a column.
    """
    empty = pl.DataFrame(schema={name: SCHEMA[name] for name in columns})
    return pl.concat([empty, *(open_part(part, *columns).select(columns).collect() for part in parts_of(table))])


def open_part(part: str, *columns: str) -> pl.LazyFrame:
    """Open a Parquet file that must have some columns; it may have others.

    Raises
    ------
    ValueError
        When it is no whole Parquet file, or lacks a column.
    """
    try:
        rows = pl.scan_parquet(local_path(part) or _download(part), glob=False)
        found = rows.collect_schema()
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"table must be of whole Parquet files, got {part!r} (is its run still going on?)") from error
    for name in columns:
        if name not in found:
            raise ValueError(f"columns must include {', '.join(columns)}, got none called {name} in {part!r}")
    return rows


def slices(rows: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """Read some thousand rows at a time: memory stays flat however large a file is."""
    for start in range(0, rows.select(pl.len()).collect().item(), SLICE_ROWS):
        yield rows.slice(start, SLICE_ROWS).collect()


def _download(part: str) -> bytes:
    """Read a file that lies elsewhere: it holds as many rows as a run writes at once."""
    filesystem, path = open_home(part)
    with reaching(part):
        content: bytes = filesystem.cat_file(path)
    return content


def _name(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _is_part(name: str) -> bool:
    """Leave out what other programs keep beside a table."""
    return name.endswith(PARQUET) and not name.startswith((".", "_"))
