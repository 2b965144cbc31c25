"""Plays of a log that need not fit in memory: numbered in one pass into a file, and sorted from there a part at a time.

What is sorted lies in memory-mapped columns, each in a temporary file that goes with it: see `temporary_array`.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.plays.formats import scan_plays
from audio_engine.plays.table_files import reading, scan_table
from audio_engine.plays.tables import TrackTable
from audio_engine.plays.validation import PlayCounts, count_plays, number_plays, validate_plays
from metric_learning.play_log import NONE, PlayLog
from metric_learning.temporary_array import temporary_array

PLAYS_A_PART = 1 << 21  # sorted at a time
COLUMNS: Final = {"user": np.int32, "track": np.int32, "day": np.float32, "completion": np.float32, "action": np.int8}


@dataclass(frozen=True, kw_only=True)
class StoredPlays:
    """The plays of a log in a Parquet file, as `PlayLog` numbers them."""

    file: Path
    counts: PlayCounts  # of the log

    def in_order_of(self, column: Literal["user", "track"], rows: NDArray[np.int64]) -> PlayLog:
        """Sort the good plays of some tracks by user or by track, and those of each by time, in bounded memory.

        Parameters
        ----------
        column
            What to sort by; a part holds some users' plays, or some tracks', one's at least.
        rows : (n_tracks,)
            New row of each track; below 0: its plays are left out.

        Returns
        -------
        plays
            Memory-mapped, 17 bytes a play on disk.
        """
        plays = self._of_tracks(rows)
        n_each = plays.group_by(column).len().collect(engine="streaming").sort(column)
        n_plays = int(n_each["len"].sum())
        log = PlayLog(**{name: temporary_array((n_plays,), dtype) for name, dtype in COLUMNS.items()})
        part = (n_each["len"].cum_sum() - n_each["len"]) // PLAYS_A_PART
        ranges = n_each.group_by(part.alias("part")).agg(pl.min(column).alias("first"), pl.max(column).alias("last"))
        start = 0
        for first, last in ranges.sort("part").select("first", "last").iter_rows():
            here = plays.filter(pl.col(column).is_between(first, last)).collect(engine="streaming")
            here = here.sort(column, "day", "place")
            for name in COLUMNS:
                getattr(log, name)[start : start + len(here)] = here[name].to_numpy()
            start += len(here)
        return log

    def opinions(self, rows: NDArray[np.int64]) -> PlayLog:
        """Read likes and rejections of some tracks into memory, in order of time; `rows` as in `in_order_of`."""
        spoken = self._of_tracks(rows).filter(pl.col("action") != NONE).collect(engine="streaming")
        spoken = spoken.sort("day", "place")
        return PlayLog(**{name: spoken[name].to_numpy().astype(dtype) for name, dtype in COLUMNS.items()})

    def _of_tracks(self, rows: NDArray[np.int64]) -> pl.LazyFrame:
        """Keep the good plays of some tracks, under their new rows."""
        known = pl.DataFrame({"track": np.arange(len(rows)), "new": rows}).filter(pl.col("new") >= 0)
        good = scan_table(self.file).filter(pl.col("reason").is_null())
        return good.join(known.lazy(), on="track").drop("track", "reason").rename({"new": "track"})


@contextmanager
def stored_plays(path: Path, users: Mapping[str, int], tracks: TrackTable) -> Iterator[StoredPlays]:
    """Store the plays of a log, of any size, as numbers, for as long as the block lasts.

    Parameters
    ----------
    path
        A play log with columns of the default names.
    users
        Row of each user.
    tracks
        Whose plays are wanted.

    Raises
    ------
    ValueError
        When the log cannot be read as one.
    """
    with tempfile.TemporaryDirectory(prefix="audio-engine-") as folder:
        file = Path(folder) / "plays.parquet"
        with reading(path):
            numbered = number_plays(validate_plays(scan_plays(path), tracks.names.table), users)
            numbered.with_row_index("place").sink_parquet(file, engine="streaming")
        yield StoredPlays(file=file, counts=count_plays(scan_table(file)))
