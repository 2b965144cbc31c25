"""Batch maximum-inner-product search: products below a query's current k-th best are dropped before any sorting.

BLAS computes inner products in blocks; one comparison per block leaves a few products in a thousand, and only those are
merged into the current best. FAISS's own scan offers every product to a heap, which takes three times as long.
"""

from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import faiss
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

Candidates = tuple[NDArray[np.float32], NDArray[np.int64]]  # similarities and rows, (n_queries, n_candidates)

MIN_QUERIES, MIN_ROWS = 64, 1 << 16  # below either, a plain scan is as fast
QUERIES = 1024  # compared with a block by one thread
ROWS = 4096  # in a block: 16 MB of inner products
MANY = 64  # from so many candidates blocks are `TALLER`: a merge costs as much as its lists are long, so do fewer
TALLER = 4  # times the rows and a fraction of the queries: 0.46 not 0.80 ms a query for 128 candidates of 100,000
FIRST_ROWS = 1 << 14  # at least so many are scanned in full, for a first k-th best

_one_scan = Lock()  # each scan takes all cores, and limits BLAS to the calling thread while it runs


def pruned_scan(queries: NDArray[np.float32], matrix: NDArray[np.float32], n_candidates: int) -> Candidates:
    """Find the rows with the largest inner products: as `index.vector_store.scan`, which calls this when faster."""
    n_threads = faiss.omp_get_max_threads()
    n_together = min(QUERIES // (TALLER if n_candidates >= MANY else 1), -(-len(queries) // n_threads))
    parts = [queries[start : start + n_together] for start in range(0, len(queries), n_together)]
    with _one_scan, threadpool_limits(1, "blas"), ThreadPoolExecutor(n_threads) as threads:
        found = list(threads.map(lambda part: _scan_part(part, matrix, n_candidates), parts))
    return np.concatenate([part[0] for part in found]), np.concatenate([part[1] for part in found])


def _scan_part(queries: NDArray[np.float32], matrix: NDArray[np.float32], n_candidates: int) -> Candidates:
    """Scan for the queries of one thread."""
    first = min(len(matrix), max(FIRST_ROWS, 2 * n_candidates))
    similarities, rows = faiss.knn(queries, matrix[:first], n_candidates, faiss.METRIC_INNER_PRODUCT)
    n_rows = ROWS * (TALLER if n_candidates >= MANY else 1)
    for start in range(first, len(matrix), n_rows):
        products = queries @ matrix[start : start + n_rows].T
        passed = np.flatnonzero(products > similarities[:, -1:])
        if len(passed):
            numbers, places = np.divmod(passed, products.shape[1])
            _merge(similarities, rows, numbers, products.ravel()[passed], places + start)
    return similarities, rows


def _merge(
    similarities: NDArray[np.float32],
    rows: NDArray[np.int64],
    numbers: NDArray[np.int64],
    new_similarities: NDArray[np.float32],
    new_rows: NDArray[np.int64],
) -> None:
    """Merge new candidates into the best of some queries, in place; `numbers` are their query numbers, ascending."""
    changed = np.unique(numbers)
    n_kept = similarities.shape[1]
    owners = np.concatenate([np.repeat(changed, n_kept), numbers])
    values = np.concatenate([similarities[changed].ravel(), new_similarities])
    order = np.lexsort((-values, owners))
    starts = np.searchsorted(owners[order], changed)
    best = order[starts[:, np.newaxis] + np.arange(n_kept)]
    similarities[changed] = values[best]
    rows[changed] = np.concatenate([rows[changed].ravel(), new_rows])[best]
