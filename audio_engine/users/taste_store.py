"""The tastes of all users in one SQLite file: a row per user and track that was played, never users times tracks.

The file is changed by `add_batches` in a copy that replaces it, so whoever reads it never waits and never sees half of
an update. What it costs grows with the new plays, and with the copying of the file.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import polars as pl

from audio_engine.errors import NotTrainedError, UnknownUserError
from audio_engine.users.taste_state import SUMS, added, state_of_plays

PAIR_SCHEMA = pl.Schema({"user": pl.Int64(), "track": pl.Int64(), **dict(SUMS)})
NAMED_SCHEMA = pl.Schema({"user": pl.String(), "track": pl.String(), **dict(SUMS)})
TOTAL_SCHEMA = pl.Schema({"track": pl.Int64(), **dict(SUMS), "n_users": pl.Int64()})
COLUMNS = ", ".join(f"{name} {'INTEGER' if dtype == pl.Int64 else 'REAL'} NOT NULL" for name, dtype in SUMS.items())
TABLES = f"""
CREATE TABLE IF NOT EXISTS users (number INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL);
CREATE TABLE IF NOT EXISTS tracks (number INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL);
CREATE TABLE IF NOT EXISTS tastes (user INTEGER, track INTEGER, {COLUMNS}, PRIMARY KEY (user, track)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS totals (track INTEGER PRIMARY KEY, {COLUMNS}, n_users INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS days (user INTEGER, day INTEGER, n_plays INTEGER, PRIMARY KEY (user, day)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS logs (fingerprint TEXT PRIMARY KEY, name TEXT, n_plays INTEGER);
CREATE TABLE IF NOT EXISTS settings (half_life_days REAL NOT NULL);
"""
USERS_A_BLOCK = 10_000


@dataclass(frozen=True, kw_only=True)
class AddedLog:
    """A log whose plays are in the store."""

    name: str  # of its file
    fingerprint: str  # of its bytes
    n_plays: int  # of them in the store


class TasteStore:
    """The tastes of all users, opened for reading.

    Parameters
    ----------
    file
        As `add_batches` wrote it.

    Raises
    ------
    NotTrainedError
        When there is none.
    """

    def __init__(self, file: Path) -> None:
        if not file.exists():
            raise NotTrainedError("no profiles yet; run: audio-engine users update PLAYS")
        self._file = file
        with self._reading() as database:
            (self.half_life_days,) = database.execute("SELECT half_life_days FROM settings").fetchone()
            (self.n_users,) = database.execute("SELECT count(*) FROM users").fetchone()
            (self.last_day,) = database.execute("SELECT max(last_day) FROM totals").fetchone()
            self.n_plays, self.n_pairs = database.execute("SELECT sum(n_plays), sum(n_users) FROM totals").fetchone()
            logs = database.execute("SELECT name, fingerprint, n_plays FROM logs ORDER BY rowid").fetchall()
        self.logs = tuple(AddedLog(name=name, fingerprint=mark, n_plays=n) for name, mark, n in logs)

    def user(self, user: str) -> pl.DataFrame:
        """Read the taste of one user: ``user``, ``track`` (its id) and `SUMS`, a row per track.

        Raises
        ------
        UnknownUserError
        """
        with self._reading() as database:
            found = self._tastes(database, "users.name = ?", user)
        if found.is_empty():
            raise UnknownUserError(f"user must be a user of the plays that were added, got {user!r}")
        return found

    def blocks(self, *, n_users: int = USERS_A_BLOCK, one_in: int = 1) -> Iterator[pl.DataFrame]:
        """Read all tastes, so many users at a time; of all users or of one in so many; rows as `user` gives them."""
        with self._reading() as database:
            (last,) = database.execute("SELECT coalesce(max(number), 0) FROM users").fetchone()
            for start in range(1, last + 1, n_users * one_in):
                block = (start, start + n_users * one_in, one_in)
                found = self._tastes(database, "user >= ? AND user < ? AND user % ? = 0", *block)
                if len(found):
                    yield found

    def totals(self) -> pl.DataFrame:
        """Sum over all users: ``track`` (its id), `SUMS` and ``n_users``, a row per track that was played."""
        query = f"SELECT tracks.name, {', '.join(SUMS)}, n_users FROM totals JOIN tracks ON number = track"
        with self._reading() as database:
            return _frame(database.execute(query), pl.Schema({**dict(TOTAL_SCHEMA), "track": pl.String()}))

    def activity(self, *, since: float) -> pl.DataFrame:
        """Tell of each user's activity, summed in the file.

        Returns
        -------
        activity
            ``user``, ``first_day``, ``last_day``, ``active_days`` and ``plays`` (since a day), ``assets`` (tracks that
            were liked, ever).
        """
        query = """
            SELECT users.name, first_day, last_day, coalesce(active_days, 0), coalesce(plays, 0), assets FROM users
            JOIN (SELECT user, min(first_day) AS first_day, max(last_day) AS last_day, sum(n_likes > 0) AS assets
                  FROM tastes GROUP BY user) AS pairs ON pairs.user = number
            LEFT JOIN (SELECT user, count(*) AS active_days, sum(n_plays) AS plays
                  FROM days WHERE day >= ? GROUP BY user) AS lately ON lately.user = number
            ORDER BY number
        """
        whole = dict.fromkeys(("active_days", "plays", "assets"), pl.Int64())
        schema = {"user": pl.String(), "first_day": pl.Float64(), "last_day": pl.Float64(), **whole}
        with self._reading() as database:
            return _frame(database.execute(query, (since,)), pl.Schema(schema))

    def _tastes(self, database: sqlite3.Connection, where: str, *values: object) -> pl.DataFrame:
        """Read some tastes, by users and then tracks."""
        query = f"""
            SELECT users.name, tracks.name, {", ".join(SUMS)} FROM users
            JOIN tastes ON user = users.number JOIN tracks ON track = tracks.number WHERE {where}
        """
        return _frame(database.execute(query, values), NAMED_SCHEMA).sort("user", "track")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Open the file, which nobody changes in place; a writer of frames may draw them from a thread of its own."""
        address = f"file:{quote(os.fsencode(self._file))}?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True, check_same_thread=False)) as database:
            yield database


def add_batches(
    file: Path, batches: Iterable[pl.DataFrame], *, name: str, fingerprint: str, half_life_days: float
) -> None:
    """Add plays to a store in place, making it if it is not there; for a copy that nobody reads yet.

    Parameters
    ----------
    file
        The store.
    batches
        Of plays, as `state_of_plays` takes them, in any order.
    name, fingerprint
        Of the log.
    half_life_days
        Of a new store; one that is there must have the same.

    Raises
    ------
    ValueError
        When the log was added before, or the half-life is another.
    """
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = OFF")  # a copy that is thrown away when something goes wrong
        database.execute("PRAGMA synchronous = OFF")
        database.executescript(TABLES)
        _check_settings(database, half_life_days)
        before = database.execute("SELECT name FROM logs WHERE fingerprint = ?", (fingerprint,)).fetchone()
        if before:
            raise ValueError(f"plays must be new, got a log that was added as {before[0]} (--rebuild starts afresh)")
        database.execute("BEGIN")
        n_plays = sum(_add(database, plays, half_life_days=half_life_days) for plays in batches)
        database.execute("INSERT INTO logs VALUES (?, ?, ?)", (fingerprint, name, n_plays))
        database.execute("COMMIT")


def _check_settings(database: sqlite3.Connection, half_life_days: float) -> None:
    """Note the half-life in a new store; refuse another than the one that is there."""
    row = database.execute("SELECT half_life_days FROM settings").fetchone()
    if row is None:
        database.execute("INSERT INTO settings VALUES (?)", (half_life_days,))
    elif row[0] != half_life_days:
        raise ValueError(f"half_life_days must be {row[0]:g} as before, got {half_life_days:g} (--rebuild changes it)")


def _add(database: sqlite3.Connection, plays: pl.DataFrame, *, half_life_days: float) -> int:
    """Add a batch of plays; returns how many."""
    if plays.is_empty():
        return 0
    plays = plays.with_columns(
        user=_numbers(database, "users", plays["user"]), track=_numbers(database, "tracks", plays["track"])
    )
    new = state_of_plays(plays, half_life_days=half_life_days)
    old = _stored(database, "tastes", new, PAIR_SCHEMA)
    _replace(database, "tastes", added([old, new], half_life_days=half_life_days))
    _add_totals(database, new, old, half_life_days=half_life_days)
    days = plays.group_by("user", pl.col("day").floor().cast(pl.Int64)).agg(pl.len()).rows()
    count = "INSERT INTO days VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET n_plays = n_plays + excluded.n_plays"
    database.executemany(count, days)
    return len(plays)


def _add_totals(database: sqlite3.Connection, new: pl.DataFrame, old: pl.DataFrame, *, half_life_days: float) -> None:
    """Add the state of new plays to the sums over all users; a pair that was not there before is one more user."""
    key = ["track"]
    first = new.join(old, on=["user", "track"], how="anti").group_by(key).agg(n_users=pl.len().cast(pl.Int64))
    before = _stored(database, "totals", new.select(key).unique(), TOTAL_SCHEMA)
    users = pl.concat([before.select(*key, "n_users"), first]).group_by(key).agg(pl.col("n_users").sum())
    sums = added([before, new], key, half_life_days=half_life_days)
    _replace(database, "totals", sums.join(users, on=key, how="left", maintain_order="left"))


def _numbers(database: sqlite3.Connection, table: str, names: pl.Series) -> pl.Series:
    """Look up the numbers of names, and give new ones theirs in the order of their letters."""
    each = [(name,) for name in names.unique().sort()]
    database.executemany(f"INSERT INTO {table} (name) VALUES (?) ON CONFLICT DO NOTHING", each)
    number = f"SELECT number FROM {table} WHERE name = ?"
    known = {name: database.execute(number, (name,)).fetchone()[0] for (name,) in each}
    return names.replace_strict(known, return_dtype=pl.Int64)


def _stored(database: sqlite3.Connection, table: str, keys: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """Read the rows of a table that have these keys."""
    names = [name for name in ("user", "track") if name in schema]
    if database.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is None:
        return pl.DataFrame(schema=schema)
    database.execute("DROP TABLE IF EXISTS temp.wanted")
    database.execute(f"CREATE TEMP TABLE wanted ({', '.join(names)}, PRIMARY KEY ({', '.join(names)}))")
    places = ", ".join("?" * len(names))
    database.executemany(f"INSERT INTO wanted VALUES ({places})", keys.select(names).iter_rows())
    return _frame(
        database.execute(f"SELECT {', '.join(schema)} FROM wanted JOIN {table} USING ({', '.join(names)})"), schema
    )


def _replace(database: sqlite3.Connection, table: str, rows: pl.DataFrame) -> None:
    """Write rows over those of their keys."""
    places = ", ".join("?" * len(rows.columns))
    database.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({places})", rows.iter_rows())


def _frame(rows: Iterable[Sequence[object]], schema: pl.Schema) -> pl.DataFrame:
    """Lay rows of the database out as a table."""
    return pl.DataFrame(list(rows), schema=schema, orient="row")
