"""A table of tracks and the folder of their audio: what training and evaluation start from.

The table is a Parquet file with one row a track: `track` (its id), `file` (its file's name in the folder), and whatever
else is asked for, often `artist_key`, `split` and `artist_seen`.
"""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import polars as pl


def read_track_table(
    tracks: Path, *, columns: Sequence[str], split: str | None = None, unseen_artists: bool = False
) -> pl.DataFrame:
    """Read a table of tracks, and keep those that are wanted.

    Parameters
    ----------
    tracks
        The Parquet file.
    columns
        What must be in it, beside `track` and `file`.
    split
        Keep only rows of this `split`.
    unseen_artists
        Keep only rows whose artist has no track in training (`artist_seen` is false).

    Raises
    ------
    FileNotFoundError
        When the table is missing.
    ValueError
        When it is not Parquet, a column is missing, or fewer than two tracks are left.
    """
    if not tracks.is_file():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(tracks))
    try:
        table = pl.read_parquet(tracks)
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"tracks must be a Parquet file, got {tracks}: {str(error).splitlines()[0]}") from error
    for column in ("track", "file", *columns, *["split"] * (split is not None), *["artist_seen"] * unseen_artists):
        if column not in table.columns:
            raise ValueError(f"tracks must have a column {column!r}, got {', '.join(table.columns)} in {tracks}")
    if split is not None:
        table = table.filter(pl.col("split") == split)
    if unseen_artists:
        table = table.filter(~pl.col("artist_seen"))
    if table.height < 2:
        raise ValueError(f"tracks must hold at least 2 tracks, got {table.height} (of split {split!r}) in {tracks}")
    return table


def audio_files(table: pl.DataFrame, audio: Path) -> list[Path]:
    """Find the file of each track.

    Raises
    ------
    FileNotFoundError
        When one is missing, naming it.
    """
    files = [audio / name for name in table["file"]]
    for file in files:
        if not file.is_file():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(file))
    return files
