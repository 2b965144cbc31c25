"""Values of tracks from a stream: cooled plays, smoothed like rate, exploration bonus; of all tracks or of one."""

import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from audio_engine.scoring.exploration import ENOUGH_PLAYS, explored_value
from audio_engine.scoring.heat import cooled_to
from audio_engine.scoring.like_rates import BetaPrior, prior_by_moments, smoothed_rate
from audio_engine.streaming.sink import COUNTS, SinkRead, list_files, read_heats, read_recipe

FIRST_PRIOR = BetaPrior(alpha=1.0, beta=1.0)  # until the rates of the tracks tell one


@dataclass(frozen=True, kw_only=True)
class Exploration:
    """The bonus for tracks with few plays, as `audio_engine.scoring.exploration.explored_value` takes it."""

    weight: float = 1.0
    enough: float = ENOUGH_PLAYS  # plays


@dataclass(frozen=True, kw_only=True)
class TrackValue:
    """The value of one track as of a day."""

    track: str
    at_day: float  # days
    decayed_plays: float  # plays, each halved every half-life
    plays: int  # y
    likes: int
    dislikes: int
    skips: int
    favourites: int
    shares: int
    purchases: int
    subscribes: int
    all_plays: int  # x, of all tracks
    smoothed_rate: float  # z, of likes
    explored_value: float  # s


def track_values(sink: Path, *, at_day: float | None = None, exploration: Exploration | None = None) -> pl.DataFrame:
    """Read the values of all tracks of a sink.

    Parameters
    ----------
    sink
        What ``audio-engine stream run`` writes, even at this moment.
    at_day
        As of when; None: as of the latest record.
    exploration
        Weight and end of the bonus.

    Returns
    -------
    values
        A row a track: ``track``, ``decayed_plays``, the counts, ``smoothed_rate``, ``explored_value``; the highest
        explored value first.

    Raises
    ------
    TrackValuesError
        When there is no sink, or it cannot be read.
    ValueError
        When `at_day` is before the latest record.
    """
    values = LiveValues(sink).table(at_day=at_day, exploration=exploration)
    return values.sort("explored_value", "track", descending=[True, False])


class LiveValues:
    """The values of a sink, read again whenever the stream has written a batch; for any number of threads.

    Parameters
    ----------
    sink
        Need not be there yet.
    """

    def __init__(self, sink: Path) -> None:
        self.sink = sink
        self._read: _Read | None = None
        self._reading = threading.Lock()

    def table(self, *, at_day: float | None = None, exploration: Exploration | None = None) -> pl.DataFrame:
        """Give the values of all tracks, in the order of their ids; raises as `track_values`."""
        read, exploration = self._current(), exploration or Exploration()
        return _valued(read, read.sink.heats, at_day=at_day, exploration=exploration)

    def value(self, track: str, *, at_day: float | None = None, exploration: Exploration | None = None) -> TrackValue:
        """Give the value of a track; one of which no record came has no plays, and the bonus that this brings.

        Raises
        ------
        TrackValuesError, ValueError
            As `track_values`.
        """
        read, exploration = self._current(), exploration or Exploration()
        row = read.sink.heats["track"].search_sorted(track)
        heats = read.sink.heats.slice(row, 1).filter(pl.col("track") == track)
        if heats.is_empty():
            none = {"track": track, "anchor_day": read.latest_day, "heat": 0.0, **dict.fromkeys(COUNTS, 0)}
            heats = pl.DataFrame([none], schema=read.sink.heats.schema)
        (values,) = _valued(read, heats, at_day=at_day, exploration=exploration).rows(named=True)
        return TrackValue(**values, at_day=_day(read, at_day), all_plays=read.all_plays)

    def has(self, track: str) -> bool:
        """Say whether a record of this track came; raises as `track_values`."""
        tracks = self._current().sink.heats["track"]
        row = tracks.search_sorted(track)
        return row < len(tracks) and bool(tracks[row] == track)

    def _current(self) -> "_Read":
        """Read the sink if it has changed; while one thread does, the others take what was there before."""
        read = self._read
        if read is not None and (self._reading.locked() or list_files(self.sink) == read.sink.files):
            return read
        with self._reading:
            if self._read is None or list_files(self.sink) != self._read.sink.files:
                self._read = _read(self.sink, self._read)
            return self._read


@dataclass(frozen=True, kw_only=True, eq=False)
class _Read:
    """A sink as it was read."""

    sink: SinkRead
    half_life_days: float
    latest_day: float  # of any record
    all_plays: int
    prior: BetaPrior  # of like rates


def _read(sink: Path, known: _Read | None) -> _Read:
    """Read a sink, or what has been added to it."""
    read = read_heats(sink, None if known is None else known.sink)
    heats = read.heats
    latest = heats["anchor_day"].max()
    try:
        prior = prior_by_moments(heats["likes"], heats["plays"])
    except ValueError:  # too few tracks or plays
        prior = FIRST_PRIOR
    return _Read(
        sink=read,
        half_life_days=read_recipe(sink).half_life_days,
        latest_day=float(latest) if isinstance(latest, float) else 0.0,
        all_plays=int(heats["plays"].sum()),
        prior=prior,
    )


def _day(read: _Read, at_day: float | None) -> float:
    """Say as of when; raises ValueError when that is before the latest record."""
    if at_day is None:
        return read.latest_day
    if not at_day >= read.latest_day:
        raise ValueError(f"at_day must not be before the latest record, day {read.latest_day:.6f}, got {at_day:g}")
    return at_day


def _valued(read: _Read, heats: pl.DataFrame, *, at_day: float | None, exploration: Exploration) -> pl.DataFrame:
    """Work out the values of tracks."""
    cooled = cooled_to(heats.lazy(), _day(read, at_day), half_life_days=read.half_life_days).collect()
    plays = cooled["plays"].to_numpy()
    rate = smoothed_rate(cooled["likes"].to_numpy(), plays, read.prior)
    explored = explored_value(
        rate, plays, all_plays=np.float64(read.all_plays), weight=exploration.weight, enough=exploration.enough
    )
    rates = (pl.Series("smoothed_rate", rate), pl.Series("explored_value", explored))
    return cooled.select("track", "decayed_plays", *COUNTS).with_columns(*rates)
