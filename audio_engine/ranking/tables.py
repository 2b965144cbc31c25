"""Validation of a ranker's input tables: the play log, tracks and users."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.plays.table_files import id_text, user_text
from audio_engine.ranking.counts import EVENTS, KEYS
from metric_learning.play_log import ACTIONS

Floats = NDArray[np.float32]
ALWAYS = float("-inf")  # day from which a user's vector is valid if the table has no day
TAKEN = {"track", "artist", "day", "release_day", "weekday", "hour", "action", "liked", "place"} | {
    *("track_place", "user_vector_place"),
    *(f"{key}_{event}" for key in KEYS for event in EVENTS),
}  # reserved, not allowed for categories


@dataclass(frozen=True, kw_only=True)
class Known:
    """Tracks and users, without their counts."""

    tracks: pl.DataFrame  # track, artist, release_day
    track_vectors: Floats  # (n_tracks, dim) zeros if there is none
    users: pl.DataFrame  # user, and a column for each category, or number
    user_days: pl.DataFrame  # user, day; sorted by day
    user_vectors: Floats  # (n_rows, dim) computed from the plays before that day


def read_known(tracks: pl.DataFrame, users: pl.DataFrame | None, user_vectors: pl.DataFrame | None) -> Known:
    """Validate the tables of tracks and users.

    Parameters
    ----------
    tracks
        ``track``, and optionally ``artist``, ``release_day``, ``vector`` (of one length). A track without an artist
        counts as its own artist.
    users
        ``user``; any further column is a category, or a number. None: no users are known.
    user_vectors
        ``user, vector``, and ``day`` if a user has several: each computed from the plays before that day.

    Returns
    -------
    known

    Raises
    ------
    ValueError
        When a column is missing, a key repeats, or vectors differ in length; names the table and the column.
    """
    tracks = keyed(tracks, ("track",), name="tracks")
    users = keyed(pl.DataFrame({"user": []}, {"user": pl.String}) if users is None else users, ("user",), name="users")
    for column in sorted(TAKEN & set(users.columns)):
        raise ValueError(f"a category of users must not be called {column!r} (rename the column)")
    if user_vectors is None:
        user_vectors = pl.DataFrame(schema={"user": pl.String, "day": pl.Float64, "vector": pl.List(pl.Float32)})
    if "day" not in user_vectors.columns:
        user_vectors = user_vectors.with_columns(day=pl.lit(ALWAYS))
    user_vectors = (
        keyed(user_vectors, ("user",), name="user_vectors", key=("user", "day")).cast({"day": pl.Float64}).sort("day")
    )
    artist = pl.col("artist").cast(pl.String) if "artist" in tracks.columns else pl.lit(None, pl.String)
    release = pl.col("release_day") if "release_day" in tracks.columns else pl.lit(None)
    artist, release = pl.coalesce(artist, "track").alias("artist"), release.cast(pl.Float64).alias("release_day")
    return Known(
        tracks=tracks.select("track", artist, release),
        track_vectors=read_vectors(tracks, name="tracks"),
        users=users,
        user_days=user_vectors.select("user", "day"),
        user_vectors=read_vectors(user_vectors, name="user_vectors"),
    )


def read_log(plays: pl.DataFrame, *, name: str = "plays") -> pl.DataFrame:
    """Validate a play log: ``user, track, action``, and ``day`` if the log has times.

    Returns
    -------
    plays
        ``user, track, day, action``; a missing action becomes ``none``, a missing day 0.

    Raises
    ------
    ValueError
        When a column is missing or an action is unknown.
    """
    log = keyed(plays, ("user", "track"), name=name, key=None)
    require(log, ("action",), name=name)
    log = log.select("user", "track", day_of(log), pl.col("action").cast(pl.String).fill_null("none"))
    unknown = set(log["action"].unique()) - set(ACTIONS)
    if unknown:
        raise ValueError(f"action of {name} must be one of {', '.join(ACTIONS)}, got {sorted(unknown)[0]!r}")
    return log


def day_of(table: pl.DataFrame, *, unknown: float = 0.0) -> pl.Expr:
    """Return the day of each row, or one day for all if the table has none."""
    day = pl.col("day").cast(pl.Float64) if "day" in table.columns else pl.lit(None, pl.Float64)
    return day.fill_null(unknown).alias("day")


def require(table: pl.DataFrame, columns: Sequence[str], *, name: str) -> None:
    """Refuse a table that lacks a column; names both."""
    for column in columns:
        if column not in table.columns:
            raise ValueError(f"{name} must have a column {column!r}, got {', '.join(table.columns) or 'none'}")


def keyed(table: pl.DataFrame, ids: Sequence[str], *, name: str, key: Sequence[str] | None = ()) -> pl.DataFrame:
    """Validate that ids are present in every row, and keys (by default the ids) unique; None allows repeats."""
    require(table, ids, name=name)
    table = table.with_columns(
        (user_text if column == "user" else id_text)(column, table.schema[column]) for column in ids
    )
    for column in ids:
        if table[column].null_count():
            raise ValueError(f"{column} of {name} must be given in every row, got {table[column].null_count()} nulls")
    if key is not None and table.select(list(key or ids)).is_duplicated().any():
        raise ValueError(f"{' and '.join(key or ids)} of {name} must come once, got some twice")
    return table


def read_vectors(table: pl.DataFrame, *, name: str) -> Floats:
    """Return a table's column ``vector`` as an array.

    Returns
    -------
    vectors : (n_rows, dim)
        Zeros if a row has none; dim is 0 if the table has none at all.
    """
    column = table["vector"].cast(pl.List(pl.Float32)) if "vector" in table.columns else None
    there = None if column is None else column.is_not_null()
    if column is None or there is None or not there.any():
        return np.zeros((len(table), 0), np.float32)
    lengths = column.drop_nulls().list.len().unique().to_list()
    if len(lengths) > 1:
        raise ValueError(f"vector of {name} must be of one length, got {min(lengths)} and {max(lengths)}")
    vectors = np.zeros((len(table), lengths[0]), np.float32)
    vectors[there.to_numpy()] = column.drop_nulls().explode().to_numpy().reshape(-1, lengths[0])
    if not np.isfinite(vectors).all():
        raise ValueError(f"vector of {name} must be finite, got some that is not")
    return vectors
