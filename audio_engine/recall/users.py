"""Users as arrays and as a table: names, vectors, and what they have played and liked.

A table of users has one row each: `user`, `vector` (dim numbers), `track` (all that they played) and `weight` (of
each: above 0 liked, below 0 disliked, 0 neither).
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class UserBatch:
    """Some users."""

    users: list[str]
    vectors: Floats  # (n_users, dim) unit length
    tastes: csr_array  # (n_users, n_tracks) a cell for each track that was played, from `user_profile.tastes_of`

    def __len__(self) -> int:
        return len(self.users)

    def where(self, keep: NDArray[np.bool_]) -> "UserBatch":
        """Keep some of them."""
        users = [user for user, is_kept in zip(self.users, keep.tolist(), strict=True) if is_kept]
        return UserBatch(users=users, vectors=self.vectors[keep], tastes=self.tastes[keep])


def to_table(users: UserBatch, tracks: pl.Series) -> pl.DataFrame:
    """Lay users out as a table.

    Parameters
    ----------
    users
        Each with a vector.
    tracks : (n_tracks,)
        The value that represents each track in the table: its id, or a number.

    Returns
    -------
    table
        ``user, vector, track, weight``.
    """
    dim = users.vectors.shape[1]
    owner = np.repeat(np.arange(len(users)), np.diff(users.tastes.indptr))
    played = pl.DataFrame(
        {
            "number": owner,
            "track": tracks.gather(users.tastes.indices),
            "weight": users.tastes.data.astype(np.float32),
        }
    )
    lists = played.group_by("number", maintain_order=True).agg("track", "weight")
    table = pl.DataFrame(
        {
            "number": np.arange(len(users)),
            "user": pl.Series(users.users, dtype=pl.String),
            "vector": pl.Series(users.vectors, dtype=pl.Array(pl.Float32, dim)),
        }
    )
    joined = table.join(lists, on="number", how="left", maintain_order="left").drop("number")
    return joined.with_columns(pl.col("track", "weight").fill_null([]))


def from_table(table: pl.DataFrame, n_tracks: int) -> UserBatch:
    """Read users from a table whose tracks are numbers below ``n_tracks``; as `to_table` wrote it."""
    counts = table["track"].list.len().to_numpy()
    played = table.select(pl.col("track", "weight")).explode("track", "weight").drop_nulls("track")
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    cells = (played["weight"].to_numpy(), played["track"].to_numpy().astype(np.int64), indptr)
    return UserBatch(
        users=table["user"].to_list(),
        vectors=np.ascontiguousarray(table["vector"].to_numpy(), dtype=np.float32),
        tastes=csr_array(cells, shape=(len(table), n_tracks)),
    )
