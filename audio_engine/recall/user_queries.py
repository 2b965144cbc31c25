"""The queries of many users, one or several each: a user of several interests is searched for by each of them."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from audio_engine.recall.interests import MOST, find_interests, queries_of, shares_of
from audio_engine.recall.recommendations import AUTO, Interests

Floats = NDArray[np.float32]
NumberT = TypeVar("NumberT", bound=np.generic)


@dataclass(frozen=True, kw_only=True)
class UserQueries:
    """Queries of users."""

    vectors: Floats  # (n_queries, dim) unit length
    users: NDArray[np.int64]  # (n_queries,) whose each is, rising: the queries of a user stand together
    shares: NDArray[np.float64]  # (n_queries,) of the places of its user

    def beside(self, table: NDArray[NumberT], fill: float) -> NDArray[NumberT]:
        """Lay the rows of a user's queries side by side.

        Parameters
        ----------
        table : (n_queries, k)
            A row for each query.
        fill
            What stands for a query that a user does not have.

        Returns
        -------
        wide : (n_users, n_most * k)
        """
        counts = np.bincount(self.users)
        number = np.arange(len(self.users)) - np.repeat(np.cumsum(counts) - counts, counts)  # within its user, from 0
        wide = np.full((len(counts), int(counts.max(initial=1)), table.shape[1]), fill, table.dtype)
        wide[self.users, number] = table
        return wide.reshape(len(counts), -1)


def divide_users(users: Floats, tastes: csr_array, vectors: Floats, interests: Interests) -> UserQueries:
    """Make the queries of some users.

    Parameters
    ----------
    users : (n_users, dim)
        Their vectors, unit length.
    tastes : (n_users, n_tracks)
        From `user_profile.tastes_of`.
    vectors : (n_tracks, dim)
        Of the tracks; zeros where a track has gone, which is then as if it had not been liked.
    interests
        As `interests.find_interests`.
    """
    is_there = np.linalg.norm(vectors, axis=1) > 0
    queries, shares = [], []
    for number, user in enumerate(users):
        part = slice(tastes.indptr[number], tastes.indptr[number + 1])
        rows, weights = tastes.indices[part], tastes.data[part]
        is_liked = (weights > 0) & is_there[rows]
        liked, weights = vectors[rows[is_liked]], weights[is_liked]
        found = find_interests(liked, weights, interests)
        queries.append(queries_of(found, liked, weights, user))
        shares.append(shares_of(found))
    return UserQueries(
        vectors=np.concatenate([np.zeros((0, users.shape[1]), np.float32), *queries]),
        users=np.repeat(np.arange(len(users)), [len(each) for each in shares]),
        shares=np.concatenate([np.zeros(0), *shares]),
    )


def most_queries(interests: Interests) -> int:
    """Give how many queries a user has at most."""
    return MOST if interests == AUTO else interests
