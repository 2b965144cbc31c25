"""Tables of listening, read into arrays by whoever trains, ranks, recalls or evaluates: tracks, users, plays.

Tracks and users are rows of their tables; plays name them by these rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.play_layouts import scan_plays
from audio_engine.plays import PlayCounts, judge_plays, load_plays, scan_table
from metric_learning.play_log import PlayLog


@dataclass(frozen=True, kw_only=True)
class TrackTable:
    """Tracks with their audio."""

    track_ids: tuple[str, ...]
    artist_keys: tuple[str, ...]
    durations_s: tuple[float, ...]  # NaN where not known
    files: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.track_ids)

    def where(self, keep: NDArray[np.bool_]) -> "TrackTable":
        """Keep some of the tracks."""
        rows = np.flatnonzero(keep)
        return TrackTable(**{name: tuple(getattr(self, name)[i] for i in rows) for name in self.__dataclass_fields__})

    def none(self) -> "TrackTable":
        """Keep no track."""
        return self.where(np.zeros(len(self), np.bool_))

    @property
    def by_id(self) -> Mapping[str, Path]:
        """Audio file by track."""
        return dict(zip(self.track_ids, self.files, strict=True))


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
    has_artist, has_duration = "artist_key" in table.columns, "duration_s" in table.columns
    track_ids = table["track"].cast(pl.String).to_list()
    return TrackTable(
        track_ids=tuple(track_ids),
        artist_keys=tuple(table["artist_key"].to_list() if has_artist else track_ids),
        durations_s=tuple(table["duration_s"].to_list() if has_duration else [float("nan")] * len(track_ids)),
        files=tuple(audio / name for name in table["file"]),
    )


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
    return {user: row for row, user in enumerate(table["user"].cast(pl.String))}, codes.clip(min=0)


def read_plays(path: Path, users: Mapping[str, int], tracks: TrackTable) -> tuple[PlayLog, PlayCounts]:
    """Read a play log with columns of the default names."""
    durations = dict(zip(tracks.track_ids, tracks.durations_s, strict=True))
    rows = {track_id: row for row, track_id in enumerate(tracks.track_ids)}
    return load_plays(judge_plays(scan_plays(path), durations), users, rows)
