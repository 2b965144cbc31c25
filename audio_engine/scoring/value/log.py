"""Plays and events on the disk, joined for the dimensions: one row a play, with what its user did because of it.

An event belongs to the user's last play of its track (an event without a track: to the user's last play) within
`Times.after_play` days before it; an event without such a play counts nowhere. The rows are sorted and joined by
DuckDB, which spills: memory does not grow with the log.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from audio_engine.plays.events import EVENT_SCHEMA, usable_events
from audio_engine.plays.formats import scan_plays
from audio_engine.plays.sql import MEMORY_GB, fetch, keep, open_parquet, put, spilling_connection
from audio_engine.plays.table_files import reading
from audio_engine.plays.validation import validate_plays, write_plays
from audio_engine.scoring.time_decay import last_day
from audio_engine.scoring.value.policy import Times

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

logger = logging.getLogger(__name__)

N_ACTIVITY_BANDS = 5  # of users, by how many plays they have

# the last play of the track before each event; an event without a track looks at the plays of all tracks
FOLLOWED = """
    SELECT event.kind, play.listener, play.track, play.played_at
    FROM (SELECT * FROM events WHERE track IS NOT NULL) AS event ASOF JOIN plays AS play
    ON event.listener = play.listener AND event.track = play.track AND event.happened_at >= play.played_at
    WHERE event.happened_at - play.played_at <= {after_play}
    UNION ALL
    SELECT event.kind, play.listener, play.track, play.played_at
    FROM (SELECT * FROM events WHERE track IS NULL) AS event ASOF JOIN plays AS play
    ON event.listener = play.listener AND event.happened_at >= play.played_at
    WHERE event.happened_at - play.played_at <= {after_play}
"""
DONE = """
    SELECT listener, track, played_at, bool_or(kind = 'favourite') AS favoured, bool_or(kind = 'share') AS shared,
           bool_or(kind IN ('purchase', 'subscribe')) AS paid
    FROM followed GROUP BY ALL
"""
# `gap`: days since the user's last play, null at their first; `place`: how many plays into the visit, from 1
HEARD = """
    WITH gaps AS (
        SELECT *, played_at - lag(played_at) OVER by_time AS gap FROM plays
        WINDOW by_time AS (PARTITION BY listener ORDER BY played_at, track)
    ), visits AS (
        SELECT *, sum(CASE WHEN gap <= {visit_gap} THEN 0 ELSE 1 END) OVER by_time AS visit FROM gaps
        WINDOW by_time AS (PARTITION BY listener ORDER BY played_at, track ROWS UNBOUNDED PRECEDING)
    ), places AS (
        SELECT *, row_number() OVER (PARTITION BY listener, visit ORDER BY played_at, track) AS place FROM visits
    )
    SELECT places.listener, places.track, floor(places.played_at / 7)::INTEGER AS week, least(place, 20) AS place,
           completion, action = 'like' AS liked, action = 'skip' AS skipped, action = 'dislike' AS disliked,
           is_favourite OR coalesce(favoured, false) AS favoured, coalesce(shared, false) AS shared,
           coalesce(paid, false) AS paid,
           gap IS NULL AND places.played_at >= (SELECT min(played_at) FROM plays) + {absence} AS is_first,
           coalesce(gap >= {absence}, false) AS is_return
    FROM places LEFT JOIN done
    ON places.listener = done.listener AND places.track = done.track AND places.played_at = done.played_at
"""
ACTIVITY = f"""
    SELECT listener, ntile({N_ACTIVITY_BANDS}) OVER (ORDER BY n, listener) AS band
    FROM (SELECT listener, count(*) AS n FROM plays GROUP BY listener)
"""

DAYS = """
    SELECT track, floor(played_at)::INTEGER AS day, count(*) AS n, count(*) FILTER (action = 'like') AS n_likes,
           count(*) FILTER (action IN ('skip', 'dislike')) AS n_rejected, sum(coalesce(completion, 0.5)) AS heard
    FROM plays GROUP BY ALL
"""


@dataclass(frozen=True, kw_only=True)
class ValueLog:
    """A log, joined, and the day at which its tracks are valued."""

    connection: "DuckDBPyConnection"  # has the views plays, heard (a row a play), activity and days
    folder: Path  # for what does not fit in memory
    at_day: float

    def fetch(self, select: str) -> pl.DataFrame:
        """Read the rows of a statement: O(tracks) of them."""
        return fetch(self.connection, self.folder, select)

    def keep(self, name: str, select: str) -> None:
        """Keep the rows of a statement on the disk, as a view."""
        keep(self.connection, self.folder, name, select)

    def put(self, name: str, table: pl.DataFrame) -> None:
        """Make a table a view."""
        put(self.connection, self.folder, name, table)

    def plays(self) -> pl.LazyFrame:
        """Open the plays up to the day, with the columns of a play log."""
        return pl.scan_parquet(self.folder / "log.parquet", glob=False).filter(pl.col("day") <= self.at_day)


@contextmanager
def open_value_log(
    plays: Path, *, events: Path | None, times: Times, at_day: float | None = None, memory_gb: float = MEMORY_GB
) -> Iterator[ValueLog]:
    """Open a log of plays, and one of events.

    Parameters
    ----------
    plays, events
        The logs; None: no events, other than the likes that the plays have.
    times
        Windows.
    at_day
        Nothing after this day is looked at; None: the last day of the plays.
    memory_gb
        Memory that DuckDB may use before it spills, 1e9 bytes.

    Raises
    ------
    ValueError
        When no play tells its day, or none lies before `at_day`.
    """
    with spilling_connection(memory_gb=memory_gb) as (connection, folder):
        with reading(plays):
            counts = write_plays(validate_plays(scan_plays(plays), None), folder / "log.parquet")
        if counts.left_out:
            logger.warning("%s", counts)
        day = last_day(pl.scan_parquet(folder / "log.parquet", glob=False)) if at_day is None else at_day
        no_events = pl.LazyFrame(schema=EVENT_SCHEMA)
        (usable_events(events) if events else no_events).sink_parquet(folder / "told.parquet", engine="streaming")
        for name in ("log", "told"):
            open_parquet(connection, folder / f"{name}.parquet").create_view(name)
        log = ValueLog(connection=connection, folder=folder, at_day=day)
        _join(log, times)
        yield log


def _join(log: ValueLog, times: Times) -> None:
    """Make the views."""
    log.connection.execute(
        'CREATE VIEW plays AS SELECT "user" AS listener, track, day AS played_at, completion, action, '
        f"is_favourite FROM log WHERE day <= {log.at_day!r}"
    )
    (n_plays,) = log.connection.execute("SELECT count(*) FROM plays").fetchall()[0]
    if not n_plays:
        raise ValueError(f"plays must hold some up to day {log.at_day:g}, got none")
    log.connection.execute(
        f'CREATE VIEW events AS SELECT "user" AS listener, track, day AS happened_at, kind FROM told '
        f"WHERE day <= {log.at_day!r}"
    )
    windows = {name: repr(getattr(times, name)) for name in ("after_play", "absence", "visit_gap")}
    log.keep("followed", FOLLOWED.format(**windows))
    log.keep("done", DONE)
    log.keep("heard", HEARD.format(**windows))
    log.keep("activity", ACTIVITY)
    log.keep("days", DAYS)
    n_events, n_followed = log.connection.execute(
        "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM followed)"
    ).fetchall()[0]
    if n_followed < n_events:
        logger.warning(
            "%d events, %d follow no play of their user within %g days", n_events, n_events - n_followed,
            times.after_play,
        )  # fmt: skip
