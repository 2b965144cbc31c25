"""Measures of a service and its catalogue from a play log, by DuckDB.

The log is read as all others are, by `audio_engine.plays`, into a temporary Parquet file. DuckDB streams that and
spills to disk, so only the disk limits its length. Each measure is one SQL statement over the views `plays` (listener,
track, played_at, completion, action, is_favourite), `tracks` and `users`, and the tables `active` (a row per user and
day) and `by_track` (a row per track). The column of users is called `listener`, since `user` is a keyword of SQL.

References
----------
P. Farris, N. Bendle, P. Pfeifer, D. Reibstein, Marketing metrics, 2nd edition 2010: penetration, the share of a
population that uses a thing (chapter 2); retention, of those who could be kept the share that was (chapter 5).
E. Simpson, Measurement of diversity, Nature 1949: the chance that two draws differ.
Gini and novelty are those of `audio_engine.metrics.lists`, of plays in place of lists.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from audio_engine.metrics.lists import coverage, gini
from audio_engine.plays.formats import scan_plays
from audio_engine.plays.sql import MEMORY_GB, open_parquet, spilling_connection
from audio_engine.plays.table_files import id_text, reading, scan_table, user_text
from audio_engine.plays.validation import PlayCounts, validate_plays, write_plays

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NEW_DAYS = 30.0  # days from release in which a track is new

RATES = """
    SELECT count(*) AS n_plays,
           CASE WHEN count(action) > 0 THEN count(*) FILTER (action = 'like') / count(*) END AS like_rate,
           CASE WHEN count(action) > 0 THEN count(*) FILTER (action = 'dislike') / count(*) END AS dislike_rate,
           CASE WHEN count(action) > 0 THEN count(*) FILTER (action = 'skip') / count(*) END AS skip_rate,
           nullif(count(*) FILTER (is_favourite), 0) / nullif(count(*), 0) AS favourite_rate,
           avg(completion) AS completion
    FROM plays
"""
COUNTS = """
    SELECT count(DISTINCT listener) AS n_active, coalesce(max(day) - min(day) + 1, 0) AS days,
           (SELECT count(*) FROM by_track WHERE n_plays > 0) AS n_tracks_played
    FROM active
"""
# share of user-days with plays on which the user also played n days later; excludes days too near the end
RETENTION = """
    SELECT count(later.listener) / nullif(count(*), 0)
    FROM active LEFT JOIN active AS later ON later.listener = active.listener AND later.day = active.day + $n
    WHERE active.day + $n <= (SELECT max(day) FROM active)
"""
NOVELTY = """
    SELECT sum(n_plays * -log2(n_listeners / (SELECT count(DISTINCT listener) FROM active))) / nullif(sum(n_plays), 0)
    FROM by_track WHERE n_plays > 0
"""
# of two plays of one user on one day, how often are they by different artists; a day of one play has no pair
DIVERSITY = """
    SELECT avg(1 - same / pairs) FROM (
        SELECT sum(n * (n - 1)) AS same, sum(n) * (sum(n) - 1) AS pairs FROM (
            SELECT listener, floor(played_at) AS day, artist_key, count(*) AS n
            FROM plays JOIN tracks USING (track) GROUP BY ALL
        ) GROUP BY listener, day
    ) WHERE pairs > 0
"""
NEW_TRACKS = """
    SELECT count(DISTINCT listener) / nullif((SELECT count(DISTINCT listener) FROM active), 0),
           count(*) / nullif((SELECT count(*) FROM plays), 0)
    FROM plays JOIN tracks USING (track) WHERE played_at - release_day BETWEEN 0 AND $new_days
"""
BY_DAY = """
    SELECT active.day, sum(active.n_plays)::BIGINT AS n_plays, count(*) AS n_active,
           CASE WHEN (SELECT count(action) FROM plays) > 0
           THEN sum(active.n_likes) / sum(active.n_plays) END AS like_rate,
           CASE WHEN active.day < (SELECT max(day) FROM active)
           THEN count(later.listener) / count(*) END AS retention_next_day
    FROM active LEFT JOIN active AS later ON later.listener = active.listener AND later.day = active.day + 1
    GROUP BY active.day ORDER BY active.day
"""


@dataclass(frozen=True, kw_only=True)
class Ecosystem:
    """The measures of `measure_ecosystem`; None if the log or a table lacks the data."""

    n_plays: int
    n_left_out: int  # rows of the log that cannot be used
    left_out: Mapping[str, int]  # of them, by reason
    n_active: int  # users with a play
    n_tracks_played: int
    days: int  # from the first play's day to the last one's
    penetration: float | None  # share of all users with a play
    new_track_penetration: float | None  # share of active users who played a new track
    new_track_share: float | None  # share of the plays that are of new tracks
    retention_next_day: float | None  # share of user-days with plays whose user also played on the next day
    retention_week: float | None  # … on the seventh day after
    like_rate: float | None  # likes per play, favourites among them, and so on; None if the log records no action
    favourite_rate: float | None  # None if the log records none
    dislike_rate: float | None
    skip_rate: float | None
    completion: float | None  # mean share of the track that was played
    coverage: float | None  # share of the catalogue with a play
    gini: float | None  # of plays over the catalogue, zeros included; without one, over the tracks played
    novelty: float | None  # bits: mean over plays of -log2 of the share of active users who played the track
    diversity: float | None  # chance that two plays of one user and day are by different artists


@dataclass(frozen=True, kw_only=True)
class Day:
    """One day of a log."""

    day: int
    n_plays: int
    n_active: int
    like_rate: float | None  # None where the log records no action
    retention_next_day: float | None  # None on the last day


def measure_ecosystem(
    plays: str | Path,
    *,
    tracks: str | Path | None = None,
    users: str | Path | None = None,
    new_days: float = NEW_DAYS,
    memory_gb: float = MEMORY_GB,
) -> Ecosystem:
    """Measure penetration, retention, rates, coverage, Gini, novelty and diversity of a play log.

    Parameters
    ----------
    plays
        Any log that `audio_engine.plays.formats.scan_plays` reads, with ``day`` or ``timestamp``.
    tracks
        Table of the catalogue: ``track``, and optionally ``artist_key`` and ``release_day``. Plays of tracks missing
        from it count in rates and retention only.
    users
        Table of all users: ``user``.
    new_days
        Days from release in which a track is new.
    memory_gb
        Memory that DuckDB may use before it spills, 1e9 bytes.

    Returns
    -------
    ecosystem

    Raises
    ------
    ValueError
        When a table lacks a column, which the message names, or cannot be read.
    FileNotFoundError
        When a file does not exist.
    """
    with _open(plays, memory_gb=memory_gb) as (connection, log):
        columns = _make_view(connection, "tracks", tracks, key="track") if tracks is not None else ()
        _count_by_track(connection, whole_catalogue=tracks is not None)
        counts = _named_rows(connection, COUNTS)[0]
        n_plays = connection.execute("SELECT n_plays FROM by_track").fetchnumpy()["n_plays"]
        is_dated = "release_day" in columns
        reached, share = _row(connection, NEW_TRACKS, new_days=new_days) if is_dated else (None, None)
        return Ecosystem(
            **_named_rows(connection, RATES)[0],
            **counts,
            n_left_out=log.left_out,
            left_out=log.reasons,
            penetration=counts["n_active"] / _count_users(connection, users) if users is not None else None,
            new_track_penetration=reached,
            new_track_share=share,
            retention_next_day=_row(connection, RETENTION, n=1)[0],
            retention_week=_row(connection, RETENTION, n=7)[0],
            coverage=float(coverage(n_plays)) if tracks is not None and len(n_plays) else None,
            gini=float(gini(n_plays)) if n_plays.any() else None,
            novelty=_row(connection, NOVELTY)[0],
            diversity=_row(connection, DIVERSITY)[0] if "artist_key" in columns else None,
        )


def measure_days(plays: str | Path, *, memory_gb: float = MEMORY_GB) -> list[Day]:
    """Measure each day of a play log.

    Parameters
    ----------
    plays, memory_gb
        As `measure_ecosystem` takes them.

    Returns
    -------
    days
        Those with a play, in order.
    """
    with _open(plays, memory_gb=memory_gb) as (connection, _):
        return [Day(**row) for row in _named_rows(connection, BY_DAY)]


@contextmanager
def _open(plays: str | Path, *, memory_gb: float) -> "Iterator[tuple[DuckDBPyConnection, PlayCounts]]":
    """Open a log as the view ``plays``, and the days on which its users played as the table ``active``."""
    with spilling_connection(memory_gb=memory_gb) as (connection, folder):
        log = folder / "plays.parquet"
        with reading(Path(plays)):
            counts = write_plays(validate_plays(scan_plays(plays), None), log)
        open_parquet(connection, log).create_view("log")
        n_plays, n_times, n_actions = _row(
            connection, "SELECT count(*), count(day), count(*) FILTER (action <> 'none') FROM log"
        )
        if n_plays and not n_times:
            raise ValueError(f"{Path(plays).name} must have a column 'day' or 'timestamp', got none")
        connection.execute(
            'CREATE VIEW plays AS SELECT "user" AS listener, track, day AS played_at, completion, '
            f"{'action' if n_actions else 'NULL'} AS action, is_favourite FROM log"
        )
        connection.execute(
            "CREATE TABLE active AS SELECT listener, floor(played_at)::INTEGER AS day, count(*) AS n_plays, "
            "count(*) FILTER (action = 'like') AS n_likes FROM plays GROUP BY ALL"
        )
        yield connection, counts


def _make_view(connection: "DuckDBPyConnection", name: str, path: str | Path, *, key: str) -> tuple[str, ...]:
    """Make a view of a table, its key as text; the names of its columns are returned."""
    table = scan_table(path)
    schema = table.collect_schema()
    if key not in schema:
        raise ValueError(f"{Path(path).name} must have a column {key!r}, got {', '.join(schema.names())}")
    kept = [column for column in (key, "artist_key", "release_day") if column in schema]
    (folder,) = _row(connection, "SELECT current_setting('temp_directory')")
    file = Path(folder) / f"{name}.parquet"
    read = {
        key: (user_text if key == "user" else id_text)(key, schema[key]),
        "release_day": pl.col("release_day").cast(pl.Float64),
    }
    table.select(read.get(column, pl.col(column)) for column in kept).sink_parquet(file, engine="streaming")
    open_parquet(connection, file).create_view(name)
    return tuple(kept)


def _count_by_track(connection: "DuckDBPyConnection", *, whole_catalogue: bool) -> None:
    """Create the table ``by_track``: plays and users of each track, for the whole catalogue if there is one."""
    counts = "SELECT track, count(*) AS n_plays, count(DISTINCT listener) AS n_listeners FROM plays GROUP BY track"
    if whole_catalogue:
        counts = (
            "SELECT track, coalesce(n_plays, 0) AS n_plays, coalesce(n_listeners, 0) AS n_listeners "
            f"FROM (SELECT DISTINCT track FROM tracks) LEFT JOIN ({counts}) USING (track)"
        )
    connection.execute(f"CREATE TABLE by_track AS {counts}")


def _count_users(connection: "DuckDBPyConnection", users: str | Path) -> int:
    """Count the users of a table."""
    _make_view(connection, "users", users, key="user")
    return int(_row(connection, 'SELECT count(DISTINCT "user") FROM users')[0])


def _row(connection: "DuckDBPyConnection", statement: str, **values: float) -> tuple[Any, ...]:
    """Run a statement that returns one row."""
    (row,) = connection.execute(statement, values or None).fetchall()
    return tuple(row)


def _named_rows(connection: "DuckDBPyConnection", statement: str) -> list[dict[str, Any]]:
    """Run a statement; returns rows by column name."""
    done = connection.execute(statement)
    names = [column[0] for column in done.description]
    return [dict(zip(names, row, strict=True)) for row in done.fetchall()]
