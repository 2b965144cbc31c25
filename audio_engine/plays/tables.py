"""Tables of tracks, users and plays, read into arrays for training, ranking, recall and evaluation.

Tracks and users are rows of their tables; plays name them by these rows.
"""

import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.catalogue.paths import catalogue_path
from audio_engine.plays.formats import scan_plays
from audio_engine.plays.table_files import ids_of, reading, scan_table, user_text
from audio_engine.plays.track_matching import FILE_COLUMNS, TrackNames, name_tracks
from audio_engine.plays.validation import PlayCounts, load_plays, validate_plays
from metric_learning.play_log import PlayLog


@dataclass(frozen=True, kw_only=True, eq=False)
class TrackTable:
    """Tracks with their audio, and the names by which a log may call them."""

    names: TrackNames
    artist_keys: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.artist_keys)

    def where(self, keep: NDArray[np.bool_]) -> "TrackTable":
        """Keep some of the tracks."""
        artist_keys = tuple(self.artist_keys[row] for row in np.flatnonzero(keep))
        return TrackTable(names=self.names.where(keep), artist_keys=artist_keys)

    def none(self) -> "TrackTable":
        """Keep no track."""
        return self.where(np.zeros(len(self), np.bool_))

    @property
    def track_ids(self) -> tuple[str, ...]:
        """Id of each track."""
        return self.names.track_ids

    @property
    def files(self) -> tuple[Path, ...]:
        """Audio file of each track."""
        return self.names.files

    @property
    def by_id(self) -> Mapping[str, Path]:
        """Audio file by track."""
        return dict(zip(self.track_ids, self.files, strict=True))


@dataclass(frozen=True, kw_only=True, eq=False)
class VectorTable:
    """Tracks with their vectors, and the names by which a log may call them."""

    names: TrackNames
    vectors: pl.Series  # by row
    others: pl.DataFrame  # the other columns of the table, by row


def read_tracks(path: Path, audio: Path) -> TrackTable:
    """Read a table of tracks: ``track``, ``file``, and where there are such, ``artist_key`` and ``duration_s``.

    Raises
    ------
    ValueError
        When a column is missing.
    """
    table = scan_table(path).collect()
    for name in ("track", "file"):
        if name not in table.columns:
            raise ValueError(f"{path.name} must have a column {name!r}, got {', '.join(table.columns)}")
    track_ids = ids_of(table, "track").to_list()
    return TrackTable(
        names=name_tracks(
            track_ids,
            files=(audio / name for name in table["file"]),
            durations_s=table["duration_s"] if "duration_s" in table.columns else None,
        ),
        artist_keys=tuple(table["artist_key"].to_list() if "artist_key" in table.columns else track_ids),
    )


def read_vectors(path: Path) -> VectorTable:
    """Read a table of vectors: an export of a catalogue, or ``track_id`` or ``track``, ``vector``, and maybe ``path``.

    Raises
    ------
    ValueError
        When a column is missing.
    """
    table = scan_table(path).collect()
    key = "track_id" if "track_id" in table.columns else "track"
    for name in (key, "vector"):
        if name not in table.columns:
            raise ValueError(f"{path.name} must have a column {name!r}, got {', '.join(table.columns)}")
    table = table.drop_nulls("vector").unique(key, keep="first", maintain_order=True)
    paths = table["path"].cast(pl.String) if "path" in table.columns else pl.Series([None])
    files = () if paths.has_nulls() else map(catalogue_path, paths)
    names = name_tracks(ids_of(table, key), files=files)
    if key == "track_id" and "track" in table.columns:
        names = names.preferring(ids_of(table, "track"), range(len(table)))
    return VectorTable(names=names, vectors=table["vector"], others=table.drop("vector"))


def match_to(table: pl.DataFrame, known: TrackNames | None) -> tuple[TrackNames, list[int | None]]:
    """Name the tracks of a table, and find them among others: by name, or by the path of the file where both have one.

    Parameters
    ----------
    table
        ``track``, as text, and maybe ``path`` or ``file``.
    known
        The others; None: there are none.

    Returns
    -------
    names
        Of the tracks of the table: their own, and those that they have among the others.
    rows
        Which of the others each track is; None where it is none of them.
    """
    where = next((name for name in FILE_COLUMNS if name in table.columns and not table[name].has_nulls()), None)
    names = name_tracks(table["track"], files=map(catalogue_path, table[where]) if where else ())
    if known is None:
        return names, [None] * len(table)
    rows = known.find(table["track"])
    if where:
        rows = [
            own if by_file is None else by_file for own, by_file in zip(rows, known.find(table[where]), strict=True)
        ]
    return names.joined(known, rows), rows


def read_users(path: Path) -> tuple[dict[str, int], NDArray[np.int64]]:
    """Read a table of users: ``user``, and any other columns, taken as categories.

    Returns
    -------
    users
        Row of each.
    categories : (n_users, n_columns)
        Each column numbered from 0 in the order of its values.
    """
    table = scan_table(path).collect()
    if "user" not in table.columns:
        raise ValueError(f"{path.name} must have a column 'user', got {', '.join(table.columns)}")
    columns = [table[name].rank("dense").fill_null(0).to_numpy() for name in table.columns if name != "user"]
    codes = np.stack(columns, axis=1).astype(np.int64) - 1 if columns else np.zeros((len(table), 0), np.int64)
    return {
        user: row for row, user in enumerate(table.select(user_text("user", table.schema["user"]))["user"])
    }, codes.clip(min=0)


def read_user_names(path: Path) -> set[str]:
    """Read the names in the column ``user`` of a table.

    Raises
    ------
    FileNotFoundError, ValueError
        When the table is missing, or has no such column.
    """
    table = scan_table(path)
    if "user" not in (schema := table.collect_schema()):
        raise ValueError(f"{path.name} must have a column 'user', got {', '.join(schema.names())}")
    return set(table.select(user_text("user", schema["user"])).collect()["user"].drop_nulls())


def read_plays(path: Path, users: Mapping[str, int], tracks: TrackTable) -> tuple[PlayLog, PlayCounts]:
    """Read a play log with columns of the default names."""
    with reading(path):
        return load_plays(validate_plays(scan_plays(path), tracks.names.table), users)


def users_of(plays: Path) -> tuple[dict[str, int], NDArray[np.int64]]:
    """List the users of a play log, about whom nothing else is known.

    Returns
    -------
    users
        Row of each.
    categories : (n_users, 0)
    """
    names = scan_plays(plays).select(pl.col("user").drop_nulls().unique().sort()).collect(engine="streaming")["user"]
    return {name: row for row, name in enumerate(names)}, np.zeros((len(names), 0), np.int64)


def read_track_table(
    tracks: Path, *, columns: Sequence[str], split: str | None = None, unseen_artists: bool = False
) -> pl.DataFrame:
    """Read a table of tracks, and keep those that are wanted.

    Parameters
    ----------
    tracks
        The table, as `scan_table` takes it.
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
        When it is no table, a column is missing, or fewer than two tracks are left.
    """
    if not tracks.exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(tracks))
    with reading(tracks):
        table = scan_table(tracks).collect()
    for column in ("track", "file", *columns, *["split"] * (split is not None), *["artist_seen"] * unseen_artists):
        if column not in table.columns:
            raise ValueError(f"tracks must have a column {column!r}, got {', '.join(table.columns)} in {tracks}")
    if split is not None:
        table = table.filter(pl.col("split") == split)
    if unseen_artists:
        table = table.filter(pl.col("artist_seen").cast(pl.String).str.to_lowercase() == "false")  # a CSV has words
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
