"""Tables as answers: written to a file, or put on stdout whole for programs, and by its first rows for people."""

from pathlib import Path
from typing import TYPE_CHECKING

from audio_engine.atomic_files import write_table
from audio_engine.cli.printing import number, printable, put_json, put_table, say

if TYPE_CHECKING:
    import polars as pl

N_SHOWN = 20  # rows of a table for people


def give_table(table: "pl.DataFrame", out: Path | None, *, as_json: bool) -> None:
    """Write a table to a file, or put it on stdout: whole for programs, its first rows for people."""
    if out:
        write_table(table, out)
    if as_json:
        put_rows(table)
    elif out:
        say_written(table, out)
    else:
        put_table(table.columns, [[number(value) for value in row] for row in table.head(N_SHOWN).iter_rows()])
        if len(table) > N_SHOWN:
            say(f"the first {N_SHOWN} of {len(table)}; all with --json or --out FILE")


def put_rows(table: "pl.DataFrame") -> None:
    """Put a table on stdout for programs."""
    for row in table.iter_rows(named=True):
        put_json(row)


def say_written(table: "pl.DataFrame", out: Path) -> None:
    """Say how many rows were written to which file."""
    say(f"{len(table)} rows: {printable(out)}")
