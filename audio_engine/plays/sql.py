"""DuckDB over tables on the disk: a connection with a limit of memory, past which it spills into a folder.

Results go to Parquet and are read by Polars, since DuckDB itself hands over tables by way of pyarrow, which is not
needed here otherwise.
"""

import glob
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from audio_engine.plays.table_files import read_parquet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

MEMORY_GB = 2.0  # gigabytes (1e9 bytes) that DuckDB may use before it spills


@contextmanager
def spilling_connection(*, memory_gb: float = MEMORY_GB) -> "Iterator[tuple[DuckDBPyConnection, Path]]":
    """Connect to an empty database, and make the folder that it spills to; both are gone at the end.

    Raises
    ------
    ValueError
        When ``memory_gb`` is not above 0.
    """
    import duckdb  # noqa: PLC0415  (an extra)

    if not memory_gb > 0:
        raise ValueError(f"memory_gb must be above 0, got {memory_gb}")
    with tempfile.TemporaryDirectory(prefix="audio-engine-") as spilled:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{memory_gb}GB",
            "temp_directory": spilled,
            "preserve_insertion_order": "false",
        }
        with duckdb.connect(config=settings) as connection:
            yield connection, Path(spilled)


def open_parquet(connection: "DuckDBPyConnection", file: Path) -> "DuckDBPyRelation":
    """Open a Parquet file; DuckDB would take a path for a pattern."""
    return connection.read_parquet(glob.escape(str(file)))


def keep(connection: "DuckDBPyConnection", folder: Path, name: str, select: str) -> None:
    """Write the rows of a statement to the disk, and make them the view `name`."""
    file = folder / f"{name}.parquet"
    connection.execute(f"COPY ({select}) TO '{_quoted(file)}' (FORMAT parquet)")
    open_parquet(connection, file).create_view(name)


def fetch(connection: "DuckDBPyConnection", folder: Path, select: str) -> pl.DataFrame:
    """Read the rows of a statement into memory."""
    file = folder / "fetched.parquet"
    connection.execute(f"COPY ({select}) TO '{_quoted(file)}' (FORMAT parquet)")
    return read_parquet(file)


def put(connection: "DuckDBPyConnection", folder: Path, name: str, table: pl.DataFrame) -> None:
    """Make a table in memory the view `name`; one of that name before is replaced."""
    file = folder / f"{name}.parquet"
    table.write_parquet(file)
    open_parquet(connection, file).create_view(name, replace=True)


def _quoted(file: Path) -> str:
    """Write a path inside the quotes of SQL."""
    return str(file).replace("'", "''")
