"""The table that a cluster writes: a folder of Parquet files with a row per audio file, with its vector or its error.

There is no other state: the files already written are the progress of a run. Read with Polars, a file at a time.
"""

import errno
import os
from collections.abc import Iterator

import polars as pl

from audio_engine.catalogue.paths import local_path
from audio_engine.catalogue.track import DIM
from audio_engine.cluster.locations import open_home, reaching

PARQUET = ".parquet"
MAGIC = b"PAR1"  # the end of a complete Parquet file
SLICE_ROWS = 10_000  # read at once

TEXT_TAGS = ("title", "artist", "album", "genre")
TAG_COLUMNS = {**dict.fromkeys(TEXT_TAGS, pl.String()), "year": pl.Int32(), "duration_s": pl.Float64()}
SCHEMA = pl.Schema(
    {
        "uri": pl.String(),
        "content_hash": pl.String(),  # null if the bytes could not be read
        "file_size": pl.Int64(),  # bytes
        "mtime_ns": pl.Int64(),  # nanoseconds since 1970; 0 if the store does not report it
        **TAG_COLUMNS,
        "vector": pl.Array(pl.Float32, DIM),  # null if there is an error
        "model_id": pl.String(),
        "error": pl.String(),  # one line; empty if there is none
        "warnings": pl.String(),  # what decoding lost or mended, a line each
    }
)


def parts_of(table: str) -> list[str]:
    """List the Parquet files of a table: those of a folder (none if it does not exist yet), or the file itself."""
    filesystem, path = open_home(table)
    with reaching(table):
        if not filesystem.isdir(path):
            return [table] if filesystem.exists(path) else []
        found = filesystem.find(path, maxdepth=1)
    return sorted(f"{table.rstrip('/')}/{_name(part)}" for part in found if _is_part(_name(part)))


def drop_unfinished(table: str) -> list[str]:
    """Delete partial files that a killed run left in a folder; returns the deleted files.

    Raises
    ------
    NotADirectoryError
        When it is a file: no run wrote it, so it must not be deleted.
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
    """Read some columns of all rows; an empty frame if nothing is written yet.

    Raises
    ------
    ValueError
        When a file is not Parquet or lacks a column.
    """
    empty = pl.DataFrame(schema={name: SCHEMA[name] for name in columns})
    return pl.concat([empty, *(open_part(part, *columns).select(columns).collect() for part in parts_of(table))])


def open_part(part: str, *columns: str) -> pl.LazyFrame:
    """Open a Parquet file that must have the given columns; it may have others.

    Raises
    ------
    ValueError
        When it is not a complete Parquet file, or lacks a column.
    """
    try:
        rows = pl.scan_parquet(local_path(part) or _download(part), glob=False)
        found = rows.collect_schema()
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"table must be complete Parquet files, got {part!r} (is its run still going?)") from error
    for name in columns:
        if name not in found:
            raise ValueError(f"columns must include {', '.join(columns)}, got none called {name} in {part!r}")
    return rows


def slices(rows: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """Read some thousand rows at a time: memory stays constant however large a file is."""
    for start in range(0, rows.select(pl.len()).collect().item(), SLICE_ROWS):
        yield rows.slice(start, SLICE_ROWS).collect()


def _download(part: str) -> bytes:
    """Read a remote file: it holds as many rows as a run writes at once."""
    filesystem, path = open_home(part)
    with reaching(part):
        content: bytes = filesystem.cat_file(path)
    return content


def _name(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _is_part(name: str) -> bool:
    """Exclude files that other programs keep beside a table."""
    return name.endswith(PARQUET) and not name.startswith((".", "_"))
