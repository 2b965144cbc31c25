"""Vectors by row number, and the exact scan over them, on which every kind of index builds."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from index.batch_scan import MIN_QUERIES, MIN_ROWS, Candidates, pruned_scan

BLOCK = 1 << 16  # vectors that are copied or decoded at a time
SPARE = 8  # candidates fetched past k, so that rounding in single or half precision loses none of the k
SPARE_SHARE, LEAST_SPARE = 64, 64  # a file has one spare row in so many, and so many besides
GROWTH = 8  # a full matrix grows by one row in this many

NO_ROWS = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class RowSubset:
    """Rows that a filter allows, prepared for searching."""

    rows: NDArray[np.int64]  # ascending
    selector: Any = None  # faiss.IDSelectorBitmap, when lists are searched
    bitmap: NDArray[np.uint8] | None = None  # its bits, kept alive
    n_in_list: NDArray[np.int64] | None = None  # (n_lists,)
    beside: NDArray[np.int64] | None = None  # those of the rows that the lists lack


class Rows:
    """Vectors in a matrix that grows and shrinks; may start as a map of a file.

    Parameters
    ----------
    vectors : (n + n_spare, dim)
        float32. Without spare rows it is used without copying until the first change. With spare rows it must be
        writable, and is changed in place until they are used up: the pages of a private map are copied one by one.
    n
        How many rows there are; by default all.
    """

    def __init__(self, vectors: NDArray[np.float32], n: int | None = None) -> None:
        self._matrix = vectors
        self._n = len(vectors) if n is None else n
        self._is_ours = self._n < len(vectors)

    def __len__(self) -> int:
        return self._n

    @property
    def matrix(self) -> NDArray[np.float32]:
        """All vectors, (n, dim): a view that is valid until the next change."""
        return self._matrix[: self._n]

    @property
    def n_bytes(self) -> int:
        """Memory or mapped file behind the vectors."""
        return self.matrix.nbytes

    @property
    def n_spare(self) -> int:
        """How many spare rows a file of them should have."""
        return LEAST_SPARE + self._n // SPARE_SHARE if self._n else 0

    def at(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the vectors of rows, (n_rows, dim)."""
        return self._matrix.take(rows, axis=0)

    def append(self, vectors: NDArray[np.float32]) -> None:
        """Append vectors in the next rows."""
        n = self._n + len(vectors)
        if n > len(self._matrix) or not self._is_ours:
            grown = np.empty((n + n // GROWTH, vectors.shape[1]), dtype=np.float32)
            grown[: self._n] = self.matrix
            self._matrix, self._is_ours = grown, True
        self._matrix[self._n : n] = vectors
        self._n = n

    def fill(self, holes: NDArray[np.int64], movers: NDArray[np.int64], n: int) -> None:
        """Move the vectors in the rows ``movers`` into the rows ``holes``, and keep ``n``."""
        if not self._is_ours:
            self._matrix, self._is_ours = np.array(self._matrix), True
        self._matrix[holes] = self._matrix[movers]
        self._n = n


def candidates_of_one(found: Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> NDArray[np.int64]:
    """Return the candidate rows of the only query that a store has searched for, (n_candidates,)."""
    rows = next((rows[0] for numbers, rows in found if len(numbers)), NO_ROWS)
    return rows[rows >= 0]


def blocks(vectors: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Yield a matrix in blocks of rows."""
    for start in range(0, len(vectors), BLOCK):
        yield np.ascontiguousarray(vectors[start : start + BLOCK], dtype=np.float32)


def scan(queries: NDArray[np.float32], matrix: NDArray[np.float32], n_candidates: int) -> Candidates:
    """Find the rows with the largest inner products by a full scan.

    Parameters
    ----------
    queries : (n_queries, dim)
    matrix : (n, dim)
    n_candidates
        At most ``n``.

    Returns
    -------
    similarities, rows : (n_queries, n_candidates)
        The largest first.
    """
    if not len(queries) or not n_candidates:
        shape = (len(queries), n_candidates)
        return np.empty(shape, dtype=np.float32), np.empty(shape, dtype=np.int64)
    if len(queries) >= MIN_QUERIES and len(matrix) >= MIN_ROWS:
        return pruned_scan(queries, matrix, n_candidates)
    similarities, rows = faiss.knn(queries, matrix, n_candidates, faiss.METRIC_INNER_PRODUCT)
    return similarities, rows


def scan_blocks(queries: NDArray[np.float32], matrices: Iterable[NDArray[np.float32]], n_candidates: int) -> Candidates:
    """As `scan`, over a matrix that comes in blocks; returns fewer candidates where there are fewer rows."""
    similarities = np.empty((len(queries), 0), dtype=np.float32)
    rows = np.empty((len(queries), 0), dtype=np.int64)
    start = 0
    for matrix in matrices:
        more, at = scan(queries, matrix, min(n_candidates, len(matrix)))
        similarities, rows = np.hstack([similarities, more]), np.hstack([rows, at + start])
        best = np.argsort(-similarities, axis=1, kind="stable")[:, :n_candidates]
        similarities, rows = np.take_along_axis(similarities, best, axis=1), np.take_along_axis(rows, best, axis=1)
        start += len(matrix)
    return similarities, rows
