"""What a play log calls the tracks of a catalogue: their ids, their paths, their file names, or names from a table.

The rule kept: a name stands for one track. A file name without its ending counts where only one track has it; a name
from a table goes before all others.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from audio_engine.catalogue.paths import find_by_path
from audio_engine.catalogue.track import Track
from audio_engine.plays.scanning import scan_table

FILE_COLUMNS = ("path", "file")  # of a table of tracks: where the file lies, best first


@dataclass(frozen=True, kw_only=True)
class TrackNames:
    """The tracks that a log may name."""

    track_ids: tuple[str, ...]  # of the catalogue, by row
    durations_s: tuple[float, ...]  # NaN where not known
    row_of: Mapping[str, int] = field(repr=False)  # by name in the log

    @property
    def durations(self) -> Mapping[str, float]:
        """Length in seconds by name in the log."""
        return {name: self.durations_s[row] for name, row in self.row_of.items()}

    def in_tower(self, tower_rows: Mapping[str, int]) -> Mapping[int, int]:
        """Give the number of a track in a user tower by its row, where the tower knows one of its names."""
        return {row: tower_rows[name] for name, row in self.row_of.items() if name in tower_rows}


def name_tracks(tracks: Sequence[Track], *, table: Path | None = None, audio: Path | None = None) -> TrackNames:
    """List the names by which a log may call tracks.

    Parameters
    ----------
    tracks
        Of the catalogue.
    table
        Of tracks, Parquet or CSV: ``track``, the name in the log, and ``path`` or ``file``.
    audio
        The folder that relative paths in the table start from; its own by default.

    Returns
    -------
    names

    Raises
    ------
    FileNotFoundError
        When the table is missing.
    ValueError
        When it lacks a column.
    """
    own = [own_names(track) for track in tracks]
    stems = Counter(stem for *_, stem in own)
    row_of = {stem: row for row, (*_, stem) in enumerate(own) if stems[stem] == 1}
    for row, (track_id, path, _) in enumerate(own):
        row_of[path] = row_of[track_id] = row
    if table is not None:
        rows = {track.track_id: row for row, track in enumerate(tracks)}
        row_of |= {name: rows[track_id] for name, track_id in _names_of_table(table, tracks, audio).items()}
    return TrackNames(
        track_ids=tuple(track.track_id for track in tracks),
        durations_s=tuple(track.tags.duration_s or float("nan") for track in tracks),
        row_of=row_of,
    )


def read_users(file: Path) -> set[str]:
    """Read the names in the column ``user`` of a table.

    Raises
    ------
    FileNotFoundError, ValueError
        When the table is missing, or has no such column.
    """
    table = scan_table(file)
    if "user" not in table.collect_schema():
        raise ValueError(f"{file.name} must have a column 'user', got {', '.join(table.collect_schema().names())}")
    return set(table.select(pl.col("user").cast(pl.String)).collect()["user"].drop_nulls())


def own_names(track: Track) -> tuple[str, str, str]:
    """Give what a track may be called without a table: its id, its path, its file's name without the ending."""
    return track.track_id, _text(track.path), _text(track.path.stem)


def _names_of_table(file: Path, tracks: Sequence[Track], audio: Path | None) -> Mapping[str, str]:
    """Read the track id of each name that a table gives to a file of the catalogue."""
    table = scan_table(file)
    columns = table.collect_schema().names()
    where = next((name for name in FILE_COLUMNS if name in columns), None)
    if "track" not in columns or where is None:
        raise ValueError(f"tracks must have a column 'track' and 'path' or 'file', got {', '.join(columns)} in {file}")
    find = find_by_path(tracks, audio or file.parent)
    rows = table.select(pl.col("track", where).cast(pl.String)).collect().rows()
    found = {name: find(path) for name, path in rows if name is not None and path is not None}
    return {name: track.track_id for name, track in found.items() if track is not None}


def _text(path: str | Path) -> str:
    """Write a path as a table holds it."""
    return os.fsencode(path).decode("utf-8", "replace")
