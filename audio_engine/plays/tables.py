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
    table: pl.DataFrame  # a row a track, with whatever else is known of it

    def __len__(self) -> int:
        return len(self.table)

    def where(self, keep: NDArray[np.bool_]) -> "TrackTable":
        """Keep some of the tracks."""
        return TrackTable(names=self.names.where(keep), table=self.table.filter(pl.Series(keep, dtype=pl.Boolean)))

    def none(self) -> "TrackTable":
        """Keep no track."""
        return self.where(np.zeros(len(self), np.bool_))

    @property
    def track_ids(self) -> tuple[str, ...]:
        """Id of each track."""
        return self.names.track_ids

    @property
    def artist_keys(self) -> tuple[str, ...]:
        """Artist of each track; one without an artist is its own."""
        ids = pl.Series(self.track_ids, dtype=pl.String)
        if "artist_key" not in self.table.columns:
            return tuple(ids)
        return tuple(pl.select(pl.coalesce(ids_of(self.table, "artist_key"), ids)).to_series())

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


def read_tracks(  # noqa: PLR0913  (a table, and which of its rows are wanted)
    path: Path,
    audio: Path,
    *,
    columns: Sequence[str] = (),
    split: str | None = None,
    unseen_artists: bool = False,
    at_least: int = 0,
) -> TrackTable:
    """Read a table of tracks, and keep those that are wanted; of several rows for one track the first counts.

    Parameters
    ----------
    path
        The table, as `scan_table` takes it: ``track``, ``file``, and where there are such, ``artist_key`` and
        ``duration_s``.
    audio
        The folder that ``file`` is in.
    columns
        What else must be in it.
    split
        Keep only rows of this ``split``.
    unseen_artists
        Keep only rows whose artist has no track in training (``artist_seen`` is false).
    at_least
        Tracks that must be left.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        When the table or the folder is missing.
    ValueError
        When it is no table, a column is missing, or too few tracks are left.
    """
    if not path.exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    if not audio.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "audio must be a folder", str(audio))
    with reading(path):
        table = scan_table(path).collect()
    for column in ("track", "file", *columns, *["split"] * (split is not None), *["artist_seen"] * unseen_artists):
        if column not in table.columns:
            raise ValueError(f"tracks must have a column {column!r}, got {', '.join(table.columns)} in {path}")
    table = table.unique("track", keep="first", maintain_order=True)
    if split is not None:
        table = table.filter(pl.col("split") == split)
    if unseen_artists:
        table = table.filter(pl.col("artist_seen").cast(pl.String).str.to_lowercase() == "false")  # a CSV has words
    if len(table) < at_least:
        raise ValueError(
            f"tracks must hold at least {at_least} tracks, got {len(table)} (of split {split!r}) in {path}"
        )
    names = name_tracks(
        ids_of(table, "track"),
        files=(audio / name for name in table["file"]),
        durations_s=table["duration_s"] if "duration_s" in table.columns else None,
    )
    return TrackTable(names=names, table=table)


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


def read_users(path: Path) -> tuple[dict[str, int], pl.DataFrame]:
    """Read a table of users: ``user``, and any other columns, for `audio_engine.plays.demographics`.

    Returns
    -------
    users
        Row of each.
    table
    """
    table = scan_table(path).collect()
    if "user" not in table.columns:
        raise ValueError(f"{path.name} must have a column 'user', got {', '.join(table.columns)}")
    names = table.select(user_text("user", table.schema["user"]))["user"]
    return {user: row for row, user in enumerate(names)}, table


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


def users_of(plays: Path) -> tuple[dict[str, int], pl.DataFrame]:
    """List the users of a play log, about whom nothing else is known.

    Returns
    -------
    users
        Row of each.
    table
        ``user`` alone.
    """
    table = scan_plays(plays).select(pl.col("user").drop_nulls().unique().sort()).collect(engine="streaming")
    return {name: row for row, name in enumerate(table["user"])}, table


def audio_files(tracks: TrackTable) -> tuple[Path, ...]:
    """Give the file of each track, all of which must be there.

    Raises
    ------
    FileNotFoundError
        When some are missing: it names the first, and says how many.
    """
    missing = [file for file in tracks.files if not file.is_file()]
    if missing:
        slip = "; is it the right folder?" if len(missing) == len(tracks) else ""
        words = f"{len(missing)} of the {len(tracks)} files of the table are not there (this is the first{slip})"
        raise FileNotFoundError(errno.ENOENT, words, str(missing[0]))
    return tracks.files
