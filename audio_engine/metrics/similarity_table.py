"""Table of similarities of users and tracks that is never held: it is worked out for some users at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

CELLS_TOGETHER = 1 << 22  # of users and tracks that are compared at a time


@dataclass(frozen=True, kw_only=True, eq=False)
class SimilarityTable:
    """How similar each user is to each track."""

    shape: tuple[int, int]  # n_users, n_tracks
    of_users: Callable[[slice], NDArray[np.floating]]  # similarities of the users in a slice: (n, n_tracks)

    @classmethod
    def of_vectors(cls, users: NDArray[np.floating], tracks: NDArray[np.floating]) -> Self:
        """Compare vectors (n_users, dim) and (n_tracks, dim) by their inner products."""
        return cls(shape=(len(users), len(tracks)), of_users=lambda rows: users[rows] @ tracks.T)

    @classmethod
    def of_array(cls, similarity: NDArray[np.floating]) -> Self:
        """Take an array (n_users, n_tracks)."""
        return cls(shape=(similarity.shape[0], similarity.shape[1]), of_users=lambda rows: similarity[rows])

    def of_tracks(self, kept: NDArray[np.bool_]) -> Self:
        """Keep some of the tracks, (n_tracks,)."""
        shape = (self.shape[0], int(kept.sum()))
        return type(self)(shape=shape, of_users=lambda rows: self.of_users(rows)[:, kept])

    def blocks(self) -> Iterator[tuple[slice, NDArray[np.floating]]]:
        """Work it out: some users, and their similarities to all tracks."""
        n_together = max(1, CELLS_TOGETHER // max(self.shape[1], 1))
        for start in range(0, self.shape[0], n_together):
            rows = slice(start, min(start + n_together, self.shape[0]))
            yield rows, self.of_users(rows)
