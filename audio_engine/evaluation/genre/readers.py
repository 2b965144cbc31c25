"""Dataset readers for common layouts: a folder of genres, or a table of tracks."""

import errno
import os
from pathlib import Path

import polars as pl

from audio_engine.decoding.file_scan import find_audio_files
from audio_engine.evaluation.genre.dataset import GenreDataset, GenreTrack
from audio_engine.plays.table_files import read_text_table

PATH_COLUMNS = ("path", "file")  # the first present is used
ARTIST_COLUMNS = ("artist", "artist_key")


def read_folder(folder: Path) -> GenreDataset:
    """Read a folder of ``genre/track``, without artists.

    Raises
    ------
    NotADirectoryError
        When it is not a folder.
    ValueError
        When it holds fewer than two genres.
    """
    require_folder(folder)
    folder = Path(os.path.abspath(folder))  # noqa: PTH100  (like the paths found: without "..")
    tracks = tuple(
        GenreTrack(path=path, genres=(path.relative_to(folder).parts[0],))
        for path in find_audio_files(folder)
        if len(path.relative_to(folder).parts) > 1
    )
    return GenreDataset(name=folder.name, tracks=tracks)


def read_table(table: Path, *, audio: Path | None = None) -> GenreDataset:
    """Read a CSV or Parquet file: ``path`` or ``file``, ``genre``, and optionally ``artist`` or ``artist_key``.

    Parameters
    ----------
    table
        A row per track; rows without a genre are ignored.
    audio
        The folder that paths start from; by default the table's own folder, or the folder ``audio`` beside it.

    Raises
    ------
    FileNotFoundError
        When the table, or the file of a track, is missing.
    ValueError
        When it is not such a table, or a column is missing.
    """
    if not table.is_file():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(table))
    try:
        rows = read_text_table(table)
    except ValueError as error:
        raise ValueError(f"dataset must be a CSV or Parquet file, got {error}") from error
    path, artist = _column(rows, PATH_COLUMNS), _column(rows, ARTIST_COLUMNS)
    if path is None or "genre" not in rows.columns:
        raise ValueError(f"dataset must have columns path (or file) and genre, got {', '.join(rows.columns)}")
    rows = rows.with_columns(pl.col("genre").cast(pl.String)).filter(pl.col("genre").fill_null("") != "")
    artists = rows[artist].cast(pl.String).to_list() if artist else [None] * rows.height
    return GenreDataset(
        name=f"{table.parent.name}/{table.name}",
        tracks=tuple(
            GenreTrack(path=_found(name, table.parent, audio), genres=(genre,), artist=who or None)
            for name, genre, who in zip(rows[path], rows["genre"], artists, strict=True)
        ),
    )


def require_folder(folder: Path) -> None:
    """Refuse a path that is not a folder."""
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))


def _column(rows: pl.DataFrame, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in rows.columns), None)


def _found(name: str, beside: Path, audio: Path | None) -> Path:
    """Find the file of a row: by the path in the table, or in the folder of audio."""
    folders = [audio] if audio else [beside, beside / "audio"]
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folders[0] / name))
