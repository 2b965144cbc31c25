"""Measures of a service and its catalogue from a Parquet play log, by DuckDB.

DuckDB streams the log and spills to disk, so only the disk limits its length. Each measure is one SQL statement over
the views `plays` (listener, track, played_at, completion, action), `tracks` and `users`, and the tables `active` (a row
per user and day) and `by_track` (a row per track). The column of users is called `listener`, since `user` is a keyword
of SQL.

References
----------
P. Farris, N. Bendle, P. Pfeifer, D. Reibstein, Marketing metrics, 2nd edition 2010: penetration, the share of a
population that uses a thing (chapter 2); retention, of those who could be kept the share that was (chapter 5).
E. Simpson, Measurement of diversity, Nature 1949: the chance that two draws differ.
Gini and novelty are those of `audio_engine.metrics.lists`, of plays in place of lists.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio_engine.metrics.lists import coverage, gini

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NEW_DAYS = 30.0  # days from release in which a track is new
MEMORY_GB = 2.0  # gigabytes (1e9 bytes) that DuckDB may use before it spills
SECONDS_A_DAY = 86_400

RATES = """
    SELECT count(*) AS n_plays,
           CASE WHEN count(action) > 0 THEN count(*) FILTER (action = 'like') / count(*) END AS like_rate,
           CASE WHEN count(action) > 0 THEN count(*) FILTER (action = 'dislike') / count(*) END AS dislike_rate,
           CASE WHEN count(action) > 0 THEN count(*) FILTER (action = 'skip') / count(*) END AS skip_rate,
           nullif(count(*) FILTER (action IN ('favourite', 'favorite')), 0) / nullif(count(*), 0) AS favourite_rate,
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
    n_active: int  # users with a play
    n_tracks_played: int
    days: int  # from the first play's day to the last one's
    penetration: float | None  # share of all users with a play
    new_track_penetration: float | None  # share of active users who played a new track
    new_track_share: float | None  # share of the plays that are of new tracks
    retention_next_day: float | None  # share of user-days with plays whose user also played on the next day
    retention_week: float | None  # … on the seventh day after
    like_rate: float | None  # likes per play, and so on; None if the log records no action
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
        Parquet file or folder: ``user, track``, ``day`` (days) or ``timestamp`` (seconds, or date and time), and
        optionally ``completion`` (0 to 1) and ``action``.
    tracks
        Parquet file of the catalogue: ``track``, and optionally ``artist_key`` and ``release_day``. Plays of tracks
        missing from it count in rates and retention only.
    users
        Parquet file of all users: ``user``.
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
        When a table lacks a column; the message names it.
    FileNotFoundError
        When a file does not exist.
    """
    with _open(plays, memory_gb=memory_gb) as connection:
        columns = _make_view(connection, "tracks", tracks, needs=("track",)) if tracks is not None else {}
        _count_by_track(connection, whole_catalogue=tracks is not None)
        counts = _named_rows(connection, COUNTS)[0]
        n_plays = connection.execute("SELECT n_plays FROM by_track").fetchnumpy()["n_plays"]
        is_dated = "release_day" in columns
        reached, share = _row(connection, NEW_TRACKS, new_days=new_days) if is_dated else (None, None)
        return Ecosystem(
            **_named_rows(connection, RATES)[0],
            **counts,
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
    with _open(plays, memory_gb=memory_gb) as connection:
        return [Day(**row) for row in _named_rows(connection, BY_DAY)]


@contextmanager
def _open(plays: str | Path, *, memory_gb: float) -> "Iterator[DuckDBPyConnection]":
    """Open a log as the view ``plays``, and the days on which its users played as the table ``active``."""
    import duckdb  # noqa: PLC0415  (an extra)

    if memory_gb <= 0:
        raise ValueError(f"memory_gb must be above 0, got {memory_gb}")
    with tempfile.TemporaryDirectory(prefix="audio-engine-") as spilled:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{memory_gb}GB",
            "temp_directory": spilled,
            "preserve_insertion_order": "false",
        }
        with duckdb.connect(config=settings) as connection:
            types = _make_view(connection, "log", plays, needs=("user", "track"))
            rest = ", ".join(name if name in types else f"NULL AS {name}" for name in ("completion", "action"))
            connection.execute(
                f'CREATE VIEW plays AS SELECT "user" AS listener, track, {_time(types)} AS played_at, {rest} FROM log'
            )
            connection.execute(
                "CREATE TABLE active AS SELECT listener, floor(played_at)::INTEGER AS day, count(*) AS n_plays, "
                "count(*) FILTER (action = 'like') AS n_likes FROM plays GROUP BY ALL"
            )
            yield connection


def _make_view(
    connection: "DuckDBPyConnection", name: str, path: str | Path, *, needs: Sequence[str]
) -> dict[str, str]:
    """Create a view of a Parquet file or a folder of them; returns the type of each column."""
    import duckdb  # noqa: PLC0415  (an extra)

    path = Path(path)
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files or not files[0].exists():
        raise FileNotFoundError(f"{name} must be a Parquet file or a folder of them, got {path}")
    try:
        table = connection.read_parquet([str(file) for file in files])
    except duckdb.InvalidInputException as error:
        raise ValueError(f"{path} must be readable Parquet: {str(error).splitlines()[0]}") from error
    for column in needs:
        if column not in table.columns:
            raise ValueError(f"{path.name} must have a column {column!r}, got {', '.join(table.columns)}")
    table.create_view(name)
    return dict(zip(table.columns, map(str, table.types), strict=True))


def _time(types: dict[str, str]) -> str:
    """Return the SQL for the time of a play, in days."""
    if "day" in types:
        return "day"
    if "timestamp" not in types:
        raise ValueError(f"plays must have a column 'day' or 'timestamp', got {', '.join(types)}")
    is_date = types["timestamp"].startswith(("TIMESTAMP", "DATE"))
    return f"{'epoch(timestamp)' if is_date else 'timestamp'} / {SECONDS_A_DAY}"


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
    _make_view(connection, "users", users, needs=("user",))
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
