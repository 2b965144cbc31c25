"""Files and folders that are whole or not there: written beside their final name, then renamed.

Whoever opens the name meanwhile finds what was there before; after a kill nothing is half there.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from metric_learning.full_disk import is_full_disk, naming_full_disk

if TYPE_CHECKING:
    import polars as pl

__all__ = ["is_full_disk", "naming_full_disk", "whole_file", "whole_folder", "write_frames"]


@contextmanager
def whole_file(out: Path) -> Iterator[Path]:
    """Give a path to write to; what lies there takes its place as `out` when the block has ended well.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        When the file cannot lie there.
    """
    if not out.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(out.parent))
    if out.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(out))
    aside = _beside(out, "part")
    try:
        with naming_full_disk(out):
            yield aside
            with aside.open("rb") as file:
                os.fsync(file.fileno())
            aside.replace(out)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """Give a new folder to write into; it takes the place of `out` when the block has ended well.

    Between the two renames at the end, for an instant, there is no `out`; folders above it are made.
    """
    aside, older = _beside(out, "part"), _beside(out, "old")
    try:
        with naming_full_disk(out):
            aside.mkdir(parents=True)
            yield aside
        if out.exists():
            out.replace(older)
        aside.replace(out)
    finally:
        for leftover in (aside, older):
            shutil.rmtree(leftover, ignore_errors=True)


def _beside(out: Path, ending: str) -> Path:
    """Name a place of this process's own in the same folder."""
    return out.with_name(f".{out.name}.{os.getpid()}.{ending}")


def write_frames(frames: "Iterator[pl.DataFrame]", schema: "pl.Schema", out: Path) -> None:
    """Write frames to a Parquet file, or, where its name ends in .arrow, to an uncompressed Arrow file.

    Parameters
    ----------
    frames
        All of one schema; asked for one by one, as the file can take them.
    schema
        Theirs.
    out
        The file; one that is there is replaced, at once and whole.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        When the file cannot lie there.
    """
    from polars.io.plugins import register_io_source  # noqa: PLC0415  (help needs no Polars)

    def source(
        columns: list[str] | None, predicate: "pl.Expr | None", _: int | None, __: int | None
    ) -> "Iterator[pl.DataFrame]":
        """Give the frames to the writer, which asks for all columns of all rows."""
        for frame in frames:
            kept = frame if columns is None else frame.select(columns)
            yield kept if predicate is None else kept.filter(predicate)

    rows = register_io_source(source, schema=schema)
    with whole_file(out) as aside:
        if out.suffix == ".arrow":
            rows.sink_ipc(aside, compression="uncompressed", engine="streaming")
        else:
            rows.sink_parquet(aside, engine="streaming")
