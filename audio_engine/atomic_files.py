"""Atomic writes: those of `metric_learning.atomic_files`, and of tables, whole or frame by frame.

The ending of a name says what kind of table is written, here and nowhere else.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from metric_learning.atomic_files import check_place, whole_file, whole_folder, write_whole
from metric_learning.full_disk import is_full_disk, naming_full_disk

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "PARQUET",
    "check_ending",
    "check_place",
    "is_full_disk",
    "naming_full_disk",
    "whole_file",
    "whole_folder",
    "write_frames",
    "write_table",
    "write_whole",
]

PARQUET, CSV, ARROW = ".parquet", ".csv", ".arrow"
LISTS = (PARQUET, ARROW)  # endings of tables whose cells may be lists, such as vectors
ENDINGS = (PARQUET, CSV, ARROW)  # of tables


def check_ending(out: Path, endings: Sequence[str] = ENDINGS) -> str:
    """Return the ending of a table's name, in lower case.

    Raises
    ------
    ValueError
        When it is none of some endings: what it holds would not be what its name says.
    """
    ending = out.suffix.lower()
    if ending not in endings:
        raise ValueError(f"a table must end in {' or '.join(endings)}, got {out.name}")
    return ending


def write_table(table: "pl.DataFrame | pl.LazyFrame", out: Path) -> None:
    """Write a table to Parquet, to CSV or to uncompressed Arrow, as the ending of the file's name says.

    Parameters
    ----------
    table
        One that is not read yet is streamed.
    out
        The file; one that is there is replaced, at once and whole.

    Raises
    ------
    ValueError
        When the name has another ending; or that of CSV, and cells are lists.
    OSError
        As `whole_file`.
    """
    rows, ending = table.lazy(), check_ending(out)
    nested = [name for name, dtype in rows.collect_schema().items() if dtype.is_nested()]
    if nested and ending not in LISTS:
        raise ValueError(f"a table with lists ({', '.join(nested)}) must end in {' or '.join(LISTS)}, got {out.name}")
    with whole_file(out) as temporary:
        if ending == ARROW:
            rows.sink_ipc(temporary, compression="uncompressed", engine="streaming")
        elif ending == CSV:
            rows.sink_csv(temporary, engine="streaming")
        else:
            rows.sink_parquet(temporary, engine="streaming")


def write_frames(frames: "Iterator[pl.DataFrame]", schema: "pl.Schema", out: Path) -> None:
    """Write frames to a table, as `write_table`, without ever holding all of them.

    Parameters
    ----------
    frames
        All of one schema; drawn one by one as the file is written.
    schema
        Theirs.
    out
        The file.

    Raises
    ------
    ValueError, OSError
        As `write_table`.
    """
    from polars.io.plugins import register_io_source  # noqa: PLC0415  (help needs no Polars)

    def source(
        columns: list[str] | None, predicate: "pl.Expr | None", _: int | None, __: int | None
    ) -> "Iterator[pl.DataFrame]":
        """Give the frames to the writer, which asks for all columns of all rows."""
        for frame in frames:
            kept = frame if columns is None else frame.select(columns)
            yield kept if predicate is None else kept.filter(predicate)

    write_table(register_io_source(source, schema=schema), out)
