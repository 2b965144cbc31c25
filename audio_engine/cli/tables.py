"""Tables as answers: written to a file, or put on stdout whole for programs, and by its first rows for people."""

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from audio_engine.atomic_files import write_frames
from audio_engine.cli.printing import number, printable, put_json, put_table, say

if TYPE_CHECKING:
    import polars as pl

N_SHOWN = 20  # rows of a table for people


def give_table(table: "pl.DataFrame", out: Path | None, *, as_json: bool) -> None:
    """Write a table to a file, or put it on stdout: whole for programs, its first rows for people."""
    give_frames([table], table.schema, out, as_json=as_json)


def give_frames(frames: Iterable["pl.DataFrame"], schema: "pl.Schema", out: Path | None, *, as_json: bool) -> None:
    """Give a table that comes frame by frame, as `give_table`, and never hold more than one of them."""
    shown: list[tuple[object, ...]] = []
    n_rows = 0

    def drawn() -> Iterator["pl.DataFrame"]:
        nonlocal n_rows
        for frame in frames:
            n_rows += len(frame)
            shown.extend(frame.head(N_SHOWN - len(shown)).iter_rows())
            if as_json:
                put_rows(frame)
            yield frame

    if out:
        write_frames(drawn(), schema, out)
        if not as_json:
            say_written(n_rows, out)
        return
    deque(drawn(), maxlen=0)
    if as_json:
        return
    put_table(list(schema), [[number(value) for value in row] for row in shown])
    if n_rows > N_SHOWN:
        say(f"the first {N_SHOWN} of {n_rows}; all with --json or --out FILE")


def put_rows(table: "pl.DataFrame") -> None:
    """Put a table on stdout for programs."""
    for row in table.iter_rows(named=True):
        put_json(row)


def say_written(n_rows: int, out: Path) -> None:
    """Say how many rows were written to which file."""
    say(f"{n_rows} rows: {printable(out)}")
