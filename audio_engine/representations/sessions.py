"""Listening sessions out of a play log: the tracks of each visit of a user, in order, in memory-mapped arrays.

A session ends where a user plays nothing for a while. The log is read once, and then some users at a time, so that
memory does not grow with it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.plays.formats import scan_plays
from audio_engine.plays.table_files import reading
from audio_engine.plays.validation import PlayCounts, count_plays, validate_plays

GAP_MINUTES = 60.0
MINUTES_A_DAY = 1_440.0
PLAYS_A_BLOCK = 2_000_000  # about, sorted in memory at a time
TRACKS_TOGETHER = 1 << 20  # tracks of sessions in memory at a time, where these are gone through
SEED = 0  # of the hashes that users are told apart by, and rejected plays are drawn by
MAX_HASH = 2.0**64


@dataclass(frozen=True, kw_only=True)
class SessionRecipe:
    """What makes a session.

    Raises
    ------
    ValueError
        When a number is out of range, naming it.
    """

    gap_minutes: float = GAP_MINUTES  # without a play, after which a session has ended; infinite: one a user
    min_completion: float = (
        0.8  # share of a track below which a play without a like does not count; above 1: likes only
    )
    rejected_share: float = (
        0.0  # of the plays that do not count, skips and dislikes among them, that are kept all the same
    )

    def __post_init__(self) -> None:
        if not self.gap_minutes > 0:
            raise ValueError(f"gap_minutes must be above 0, got {self.gap_minutes}")
        if not self.min_completion >= 0:
            raise ValueError(f"min_completion must be at least 0, got {self.min_completion}")
        if not 0 <= self.rejected_share <= 1:
            raise ValueError(f"rejected_share must be from 0 to 1, got {self.rejected_share}")


@dataclass(frozen=True, kw_only=True)
class SessionCounts:
    """What became of the plays of a log."""

    plays: PlayCounts
    n_rejected: int  # plays left out since they were skipped, disliked or broken off
    n_repeated: int  # plays left out since the same track was played just before
    n_sessions: int  # of two tracks or more
    n_alone: int  # sessions of one track, which tell of no neighbours
    n_tracks: int  # tracks in sessions of two or more

    def row(self) -> dict[str, int]:
        """Return a flat row for programs and tables."""
        return {
            "plays": self.plays.rows,
            "plays left out": self.plays.left_out,
            **{f"  {name.replace('_', ' ')}": n for name, n in self.plays.reasons.items() if n},
            "plays rejected": self.n_rejected,
            "plays repeated": self.n_repeated,
            "sessions": self.n_sessions,
            "sessions of one track": self.n_alone,
            "tracks in sessions": self.n_tracks,
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Sessions:
    """Sessions of at least two tracks, no track twice in a row."""

    tracks: NDArray[np.int32]  # (n_plays,) rows of tracks, a session after the other; memory-mapped
    starts: NDArray[np.int64]  # (n_sessions + 1,) where each session begins; memory-mapped
    n_tracks: int  # in the table of tracks
    counts: SessionCounts

    def blocks(self) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int64]]]:
        """Go through sessions, about `TRACKS_TOGETHER` tracks at a time: tracks (n,), starts (n_sessions + 1,)."""
        first, n_sessions = 0, len(self.starts) - 1
        while first < n_sessions:
            until = self.starts[first] + TRACKS_TOGETHER
            last = min(max(int(np.searchsorted(self.starts, until, side="right")) - 1, first + 1), n_sessions)
            starts = np.asarray(self.starts[first : last + 1])
            yield np.asarray(self.tracks[starts[0] : starts[-1]]), starts - starts[0]
            first = last

    def transitions(
        self, *, window: int = 1, both_ways: bool = False
    ) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
        """List which track was followed by which: blocks of (from, to), each (n,), never a track by itself.

        Parameters
        ----------
        window
            Plays between the two at most; 1: the next one only.
        both_ways
            Whether to list each pair in the other order too.
        """
        for tracks, starts in self.blocks():
            session = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
            for gap in range(1, window + 1):
                kept = (session[gap:] == session[:-gap]) & (tracks[gap:] != tracks[:-gap])
                one, other = tracks[:-gap][kept], tracks[gap:][kept]
                yield one, other
                if both_ways:
                    yield other, one


def read_sessions(plays: Path, names: pl.DataFrame, n_tracks: int, *, recipe: SessionRecipe, folder: Path) -> Sessions:
    """Cut a play log into sessions.

    Parameters
    ----------
    plays
        Any log that `audio_engine.plays.formats.scan_plays` reads. One without times has a session a user, in the order
        of its rows.
    names
        What it calls the tracks: `TrackNames.table`.
    n_tracks
        How many tracks there are.
    recipe
        What makes a session.
    folder
        Where the arrays are kept: 4 bytes a play, 8 bytes a session, and 21 bytes a play while they are made.

    Returns
    -------
    sessions

    Raises
    ------
    FileNotFoundError, ValueError
        When the log is missing or lacks a column; when no session has two tracks.
    """
    judged = validate_plays(scan_plays(plays), names)
    with reading(plays):
        counts = count_plays(judged)
    n_good = counts.rows - counts.left_out
    compact = folder / "plays.parquet"
    _write_compact(judged, compact, recipe)
    files = folder / "tracks.int32", folder / "starts.int64"
    writer = _Writer(gap_days=recipe.gap_minutes / MINUTES_A_DAY)
    n_blocks = max(1, -(-n_good // PLAYS_A_BLOCK))
    with files[0].open("wb") as tracks, files[1].open("wb") as starts:
        starts.write(np.zeros(1, np.int64).tobytes())
        for number in range(n_blocks):
            block = pl.scan_parquet(compact, glob=False).filter(pl.col("user") % n_blocks == number).collect()
            writer.write(block.sort("user", "day", maintain_order=True), tracks, starts)
    compact.unlink()
    if not writer.n_sessions:
        raise ValueError(
            f"{plays.name} must hold a session of two tracks or more, got none ({counts}; "
            f"{n_good - writer.n_kept} plays skipped, disliked or broken off; {writer.n_alone} sessions of one track)"
        )
    found = np.memmap(files[0], np.int32, "r")
    return Sessions(
        tracks=found,
        starts=np.memmap(files[1], np.int64, "r"),
        n_tracks=n_tracks,
        counts=SessionCounts(
            plays=counts,
            n_rejected=n_good - writer.n_kept,
            n_repeated=writer.n_repeated,
            n_sessions=writer.n_sessions,
            n_alone=writer.n_alone,
            n_tracks=_n_distinct(found, n_tracks),
        ),
    )


class _Writer:
    """Appends the sessions of blocks of users to two files."""

    def __init__(self, *, gap_days: float) -> None:
        self.gap_days = gap_days
        self.n_kept = self.n_repeated = self.n_sessions = self.n_alone = self.n_written = 0

    def write(self, plays: pl.DataFrame, tracks: BinaryIO, starts: BinaryIO) -> None:
        """Cut plays, ``user, row, day`` in the order of the users and of time."""
        user, row, day = (plays[name].to_numpy() for name in ("user", "row", "day"))
        self.n_kept += len(plays)
        is_first = np.ones(len(row), np.bool_)
        is_first[1:] = (user[1:] != user[:-1]) | (np.diff(day) > self.gap_days)
        is_repeated = ~is_first
        is_repeated[1:] &= row[1:] == row[:-1]
        self.n_repeated += int(is_repeated.sum())
        row, session = row[~is_repeated], (np.cumsum(is_first) - 1)[~is_repeated]
        lengths = np.bincount(session) if len(session) else np.zeros(0, np.int64)
        is_long = lengths > 1
        tracks.write(row[is_long[session]].astype(np.int32).tobytes())
        starts.write((self.n_written + np.cumsum(lengths[is_long], dtype=np.int64)).tobytes())
        self.n_written += int(lengths[is_long].sum())
        self.n_sessions += int(is_long.sum())
        self.n_alone += int((lengths == 1).sum())


def _write_compact(judged: pl.LazyFrame, out: Path, recipe: SessionRecipe) -> None:
    """Write the plays that count, as numbers: ``user`` (a hash of the name), ``row``, ``day``."""
    is_broken_off = pl.col("completion").fill_nan(None).fill_null(1.0) < recipe.min_completion
    is_rejected = pl.col("action").is_in(["skip", "dislike"]) | ((pl.col("action") == "none") & is_broken_off)
    drawn = pl.struct("user", "row", "day").hash(SEED).cast(pl.Float64) / MAX_HASH
    is_kept = ~is_rejected | (drawn < recipe.rejected_share)
    plays = judged.filter(pl.col("reason").is_null() & is_kept)
    numbers = plays.select(pl.col("user").hash(SEED), pl.col("row").cast(pl.Int32), pl.col("day").fill_null(0.0))
    numbers.sink_parquet(out, engine="streaming")


def _n_distinct(tracks: NDArray[np.int32], n_tracks: int) -> int:
    """Count the tracks that occur."""
    is_there = np.zeros(n_tracks, np.bool_)
    for start in range(0, len(tracks), TRACKS_TOGETHER):
        is_there[tracks[start : start + TRACKS_TOGETHER]] = True
    return int(is_there.sum())
