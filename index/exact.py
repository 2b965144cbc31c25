"""Exact search: one matrix of vectors, all of them compared with every query."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from index.batch_scan import Candidates
from index.vector_store import BLOCK, SPARE, Rows, RowSubset, blocks, candidates_of_one, scan, scan_blocks

TIE_TOLERANCE = 1e-5  # FAISS sums in float32: a candidate this close below the k-th may in fact tie with it


class ExactScan:
    """Exact search over rows."""

    def __init__(self, exact: Rows) -> None:
        self.exact = exact

    def __len__(self) -> int:
        return len(self.exact)

    @property
    def n_bytes(self) -> int:
        """Memory or mapped file behind the vectors."""
        return self.exact.n_bytes

    def at(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the vectors of rows, (n_rows, dim)."""
        return self.exact.at(rows)

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield all vectors in row order, a block at a time."""
        return blocks(self.exact.matrix)

    def subset(self, rows: NDArray[np.int64]) -> RowSubset:
        """Prepare a filter for searching."""
        return RowSubset(rows=rows)

    def search(
        self, queries: NDArray[np.float32], k: int, subset: RowSubset | None = None
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Find rows that contain the k nearest of every query, and all that may tie with the k-th.

        Yields
        ------
        numbers : (n_numbers,)
            The queries answered in this batch; every query comes once.
        rows : (n_numbers, n_candidates)
        """
        n_rows = len(self) if subset is None else len(subset.rows)
        numbers, n_wanted = np.arange(len(queries)), min(k + SPARE, n_rows)
        while n_wanted and len(numbers):
            similarities, rows = self._scan(queries[numbers], n_wanted, subset)
            is_done = np.full(len(numbers), n_wanted == n_rows)
            if n_wanted < n_rows:
                is_done = similarities[:, -1] < similarities[:, k - 1] - TIE_TOLERANCE
            yield numbers[is_done], rows[is_done]
            numbers, n_wanted = numbers[~is_done], min(2 * n_wanted, n_rows)

    def search_one(self, query: NDArray[np.float32], k: int, subset: RowSubset | None = None) -> NDArray[np.int64]:
        """As `search`, for one query, (1, dim); returns its rows, (n_candidates,)."""
        return candidates_of_one(self.search(query, k, subset))

    def append(self, vectors: NDArray[np.float32]) -> None:
        """Append vectors in the next rows."""
        self.exact.append(vectors)

    def fill(self, holes: NDArray[np.int64], movers: NDArray[np.int64], n: int) -> None:
        """Move the vectors in the rows ``movers`` into the rows ``holes``, and keep ``n``."""
        self.exact.fill(holes, movers, n)

    def _scan(self, queries: NDArray[np.float32], n_candidates: int, subset: RowSubset | None) -> Candidates:
        """Compare the queries with all rows, or only with those of a subset."""
        if subset is None:
            return scan(queries, self.exact.matrix, n_candidates)
        parts = (self.at(subset.rows[start : start + BLOCK]) for start in range(0, len(subset.rows), BLOCK))
        similarities, places = scan_blocks(queries, parts, n_candidates)
        return similarities, subset.rows[places]
