"""Atomic writes: those of `metric_learning.atomic_files`, and of tables written frame by frame."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from metric_learning.full_disk import is_full_disk, naming_full_disk

if TYPE_CHECKING:
    import polars as pl

from metric_learning.atomic_files import whole_file, whole_folder, write_whole

__all__ = ["is_full_disk", "naming_full_disk", "whole_file", "whole_folder", "write_frames", "write_whole"]


def write_frames(frames: "Iterator[pl.DataFrame]", schema: "pl.Schema", out: Path) -> None:
    """Write frames to a Parquet file, or, where its name ends in .arrow, to an uncompressed Arrow file.

    Parameters
    ----------
    frames
        All of one schema; drawn one by one as the file is written.
    schema
        Theirs.
    out
        The file; one that is there is replaced, at once and whole.

    Raises
    ------
    OSError
        As `whole_file`.
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
    with whole_file(out) as temporary:
        if out.suffix == ".arrow":
            rows.sink_ipc(temporary, compression="uncompressed", engine="streaming")
        else:
            rows.sink_parquet(temporary, engine="streaming")
