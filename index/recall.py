"""Recall of an index: the share of true neighbours it finds for sampled tracks, measured against a full scan."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from index.inverted import RECALL_K
from index.vector_store import scan_blocks

N_QUERIES = 400  # to tune n_probe on, and as many again to measure on
TIE_TOLERANCE = 1e-6  # a track as near as the k-th counts as found: duplicates are interchangeable


class RecallError(ValueError):
    """An index finds too few of the true neighbours."""


@dataclass(frozen=True, kw_only=True)
class RecallSample:
    """Sampled tracks and the similarity of their true k-th neighbour; a track is not its own neighbour."""

    rows: NDArray[np.int64]  # (n_queries,)
    queries: NDArray[np.float32]  # (n_queries, dim)
    kth: NDArray[np.float32]  # (n_queries,) similarity of the k-th neighbour
    k: int

    @classmethod
    def drawn(
        cls, rows: NDArray[np.int64], queries: NDArray[np.float32], blocks: Iterable[NDArray[np.float32]]
    ) -> Self:
        """Find the true neighbours of tracks among all vectors, which come in blocks in row order."""
        similarities, found = scan_blocks(queries, blocks, RECALL_K + 1)
        k = found.shape[1] - 1
        without_self = _drop_self(found, rows)
        return cls(
            rows=rows,
            queries=queries,
            kth=np.take_along_axis(similarities, without_self, axis=1)[:, -1] if k else np.empty(len(rows), np.float32),
            k=k,
        )

    def halves(self) -> tuple[Self, Self]:
        """Split the sample in two, taking alternate tracks."""
        parts = (
            type(self)(rows=self.rows[half::2], queries=self.queries[half::2], kth=self.kth[half::2], k=self.k)
            for half in (0, 1)
        )
        return next(parts), next(parts)

    def recall(
        self,
        nearest: Callable[[NDArray[np.float32], int], NDArray[np.int64]],
        vectors_at: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    ) -> float:
        """Measure the share of the k true neighbours that a search finds.

        Parameters
        ----------
        nearest
            The search: (queries, k) to rows (n_queries, k), -1 where it found none.
        vectors_at
            The vectors, by row, that the true neighbours were found in.

        Returns
        -------
        index_recall
            recall_at_k in [0, 1], averaged over the sample.
        """
        if not self.k or not len(self.rows):
            return 1.0
        found = nearest(self.queries, self.k + 1)
        found = np.take_along_axis(found, _drop_self(found, self.rows), axis=1)
        vectors = vectors_at(np.maximum(found, 0).ravel()).reshape(*found.shape, -1)
        similarities = np.einsum("qd,qkd->qk", self.queries, vectors)
        is_near = (similarities >= self.kth[:, np.newaxis] - TIE_TOLERANCE) & (found >= 0)
        return float(is_near.mean())


def _drop_self(found: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Choose all columns but one: the track itself, or the last where duplicates displaced it."""
    is_self = found == rows[:, np.newaxis]
    is_self[~is_self.any(axis=1), -1] = True
    kept: NDArray[np.int64] = np.argsort(is_self, axis=1, kind="stable")[:, :-1]
    return kept
