"""Users' vectors at several times, each computed from plays before its day only.

A ranker is trained on these. A vector computed from the very play to be ranked would leak the label.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from metric_learning.play_log import PlayLog
from metric_learning.play_table import PlayTable
from metric_learning.user import UserTower, embed_users


def days_of(first: float, last: float, *, every: float = 10.0) -> list[float]:
    """List the days on which users' vectors are recomputed, including the last day.

    Examples
    --------
    >>> days_of(0, 35)
    [10.0, 20.0, 30.0, 35.0]
    """
    return [*np.arange(first + every, last, every).tolist(), float(last)]


def tower_user_vectors(
    tower: UserTower,
    plays: PlayLog,
    *,
    users: Sequence[str],
    days: Sequence[float],
    categories: NDArray[np.int64] | None = None,
) -> pl.DataFrame:
    """Embed users by a user tower, once per day, from the plays before it.

    Parameters
    ----------
    tower
        The caller must ensure that its weights were not trained on later plays.
    plays
        Users are rows of ``users``, tracks rows of the tower's tracks.
    users
        Ids of the users.
    days
                The days.
    categories : (n_users, n_columns)
        As the tower was trained with; None: none.

    Returns
    -------
    user_vectors
        ``user, day, vector``, for `Ranker.train` and `Ranker.updated`.
    """
    parts = []
    for day in days:
        table = PlayTable(plays.where(plays.day < day), len(users), recipe=tower.recipe, categories=categories)
        parts.append(user_vector_table(users, day, embed_users(tower, table)))
    return pl.concat(parts)


def mean_user_vectors(
    plays: pl.DataFrame, vectors: Mapping[str, NDArray[np.floating]], days: Sequence[float]
) -> pl.DataFrame:
    """Describe users without a tower: the sum of liked tracks minus that of rejected ones, at unit length.

    Parameters
    ----------
    plays
        ``user, track, day, action``.
    vectors
        Of tracks; plays of others are ignored.
    days
                The days.

    Returns
    -------
    user_vectors
        ``user, day, vector``; of users who had liked or rejected something.

    References
    ----------
    J. Rocchio, Relevance feedback in information retrieval, The SMART Retrieval System 1971; sums instead of means, so
    that a rejection weighs as much as a like, where `audio_engine.recall.user_profile` weighs a mean by a quarter.
    """
    spoken = plays.filter((pl.col("action") != "none") & pl.col("track").is_in(list(vectors)))
    names = spoken["user"].unique(maintain_order=True).to_list()
    row_of = {name: row for row, name in enumerate(names)}
    user = np.array([row_of[name] for name in spoken["user"]], np.int64)
    opinion = np.where(spoken["action"].to_numpy() == "like", 1.0, -1.0)
    played = np.stack([vectors[track] for track in spoken["track"]]) if len(spoken) else np.zeros((0, 0))
    parts = [pl.DataFrame(schema={"user": pl.String, "day": pl.Float64, "vector": pl.List(pl.Float32)})]
    for day in days if len(spoken) else ():
        before = spoken["day"].to_numpy() < day
        total = np.zeros((len(names), played.shape[1]))
        np.add.at(total, user[before], opinion[before, None] * played[before])
        length = np.linalg.norm(total, axis=1)
        heard = length > 0
        unit = total[heard] / length[heard, None]
        parts.append(user_vector_table([names[i] for i in np.flatnonzero(heard)], day, unit.astype(np.float32)))
    return pl.concat(parts)


def user_vector_table(users: Sequence[str], day: float, vectors: NDArray[np.float32]) -> pl.DataFrame:
    """Build the table of users' vectors from a day on."""
    column = pl.Series("vector", vectors, dtype=pl.Array(pl.Float32, vectors.shape[1])).cast(pl.List(pl.Float32))
    names = pl.Series("user", list(users), dtype=pl.String)
    return pl.DataFrame([names]).with_columns(pl.lit(float(day)).alias("day"), column)
