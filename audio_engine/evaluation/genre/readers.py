"""Dataset readers for common layouts: a folder of genres, or a table of tracks."""

import errno
import os
from functools import cached_property
from pathlib import Path

import polars as pl

from audio_engine.decoding.file_scan import find_audio_files
from audio_engine.evaluation.genre.dataset import GenreDataset, GenreTrack
from audio_engine.plays.spelling import one_spelling
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
    return GenreDataset.of_anyone(folder.name, tracks)


def read_table(table: Path, *, audio: Path | None = None) -> GenreDataset:
    """Read a CSV or Parquet file: ``path`` or ``file``, ``genre``, and optionally ``artist`` or ``artist_key``.

    Parameters
    ----------
    table
        A row per track; rows without a genre are ignored, and further rows for one path.
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
    rows = read_text_table(table)
    path, artist = _column(rows, PATH_COLUMNS), _column(rows, ARTIST_COLUMNS)
    if path is None or "genre" not in rows.columns:
        raise ValueError(f"dataset must have columns path (or file) and genre, got {', '.join(rows.columns)}")
    rows = rows.with_columns(pl.col("genre").cast(pl.String)).filter(
        pl.col("genre").fill_null("").str.strip_chars() != ""
    )
    rows = rows.unique(path, keep="first", maintain_order=True)
    artists = rows[artist].cast(pl.String).to_list() if artist else [None] * rows.height
    find = _Files([audio] if audio else [table.parent, table.parent / "audio"]).find
    tracks = [
        GenreTrack(path=find(name), genres=(genre,), artist=who or None)
        for name, genre, who in zip(rows[path], rows["genre"], artists, strict=True)
    ]
    return GenreDataset.of_anyone(f"{table.absolute().parent.name}/{table.name}", tracks)


def require_folder(folder: Path) -> None:
    """Refuse a path that is not a folder."""
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))


def _column(rows: pl.DataFrame, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in rows.columns), None)


class _Files:
    """The files of some folders, by the names that a table has for them."""

    def __init__(self, folders: list[Path]) -> None:
        self.folders = folders

    def find(self, name: str) -> Path:
        """Find a file as the table says, or by the same letters in another form of Unicode (NFC for NFD)."""
        for folder in self.folders:
            if (folder / name).is_file():
                return folder / name
        path = self._by_letters.get(one_spelling(str(Path(name))))
        if path is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.folders[0] / name))
        return path

    @cached_property
    def _by_letters(self) -> dict[str, Path]:
        """List the files, the first folder's last, so that they count."""
        files = ((folder, path) for folder in reversed(self.folders) for path in folder.rglob("*") if path.is_file())
        return {one_spelling(str(path.relative_to(folder))): path for folder, path in files}
