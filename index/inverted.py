"""Approximate search by inverted lists of compressed vectors (FAISS IVF): candidates come from the nearest lists.

A filter is applied before ranking. A small subset is scanned exactly; for a large one the search visits lists from the
query outwards until it has seen as many vectors *of the subset* as a search without a filter sees in all, wherever in
the space the subset lies.

References
----------
H. Jégou, M. Douze, C. Schmid, Product quantization for nearest neighbor search, PAMI 2011: the inverted file.
M. Douze et al., The Faiss library, 2024.
"""

from collections.abc import Iterator
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from index.list_training import Bits
from index.ranking import nearest_candidates
from index.vector_store import BLOCK, SPARE, Rows, RowSubset, candidates_of_one, scan, scan_blocks

SCAN_RATIO = 0.04  # time to skip a vector that a filter excludes, relative to fetching and comparing one (docs)
RECALL_K = 10  # number of neighbours that n_probe is tuned for
LEAST_BESIDE, BESIDE_SHARE = 1 << 12, 256  # rows kept beside the lists: so many, or one in so many, whichever is more
FEW = 100  # candidates of one query that are ranked as they are, in fewer calls
FILTER_MARGIN = 2  # a filtered search sees this many times the vectors of an unfiltered search


class InvertedLists:
    """Approximate search: n_probe of n_lists lists are scanned for each query.

    Parameters
    ----------
    lists
        A trained ``faiss.IndexIVF`` over row numbers: see `index.list_training`.
    exact
        The vectors in single precision, for ranking candidates; without them the 16-bit floats are used.
    n_ranked
        Candidates that the lists propose for each neighbour asked for.
    is_mapped
        Whether the lists come from a file that is mapped. FAISS reads lists of 4-bit codes into memory; those of 16-bit
        floats it cannot write to.

    Notes
    -----
    Changing lists means to copy a mapped file, or to go through all of them. So rows that change are first kept beside
    the lists, as long as they are few, and compared with every query; what the lists still have of them is passed over.
    """

    def __init__(self, lists: Any, exact: Rows | None, *, n_ranked: int = 1, is_mapped: bool = False) -> None:
        self._lists = lists
        self.exact = exact
        self.n_ranked = n_ranked
        self.is_mapped = is_mapped and self.n_bits == 16
        self._beside = np.empty(0, np.int64)  # rows that the lists lack or have outdated, ascending
        self._n_stale = 0  # entries of the lists that are outdated
        self._valid: Any = None  # faiss.IDSelectorBitmap of the others, if there are outdated ones
        self._bits: NDArray[np.uint8] | None = None  # its bits, kept alive
        self._n = int(lists.ntotal)
        self.n_lists = int(lists.nlist)  # kept here, as is n_probe: asking FAISS takes a microsecond
        self._n_probe = int(lists.nprobe)
        lists.make_direct_map()  # position of each row: 8 bytes a vector

    def __len__(self) -> int:
        return self._n

    @property
    def n_probe(self) -> int:
        """Lists scanned per query."""
        return self._n_probe

    @n_probe.setter
    def n_probe(self, n_probe: int) -> None:
        self._n_probe = self._lists.nprobe = n_probe

    @property
    def n_bits(self) -> Bits:
        """Of each number of a vector in the lists."""
        return 4 if isinstance(self._lists, faiss.IndexIVFPQFastScan) else 16

    @property
    def faiss_index(self) -> Any:
        """The FAISS index, for saving: see `settle`."""
        return self._lists

    @property
    def n_beside(self) -> int:
        """Changes that the lists do not have yet."""
        return len(self._beside) + self._n_stale

    @property
    def n_bytes(self) -> int:
        """Memory or mapped file: codes, row numbers, positions of rows, centroids, exact vectors."""
        n_listed = int(self._lists.ntotal)
        lists = n_listed * (int(self._lists.code_size) + 8 + 8) + self.n_lists * int(self._lists.d) * 4
        return lists + (self.exact.n_bytes if self.exact is not None else 0)

    def at(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the vectors of rows, (n_rows, dim)."""
        if self.exact is not None:
            return self.exact.at(rows)
        if not len(rows):
            return np.empty((0, self._lists.d), dtype=np.float32)
        vectors: NDArray[np.float32] = self._lists.reconstruct_batch(rows)
        return vectors

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield all vectors in row order, a block at a time."""
        for start in range(0, len(self), BLOCK):
            yield self.at(np.arange(start, min(start + BLOCK, len(self))))

    def search(
        self, queries: NDArray[np.float32], k: int, subset: RowSubset | None = None
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Find candidate rows for the k nearest of every query: as `ExactScan.search`, but some may be missed."""
        numbers = np.arange(len(queries))
        if subset is not None:
            yield numbers, self._search_among(queries, k, subset)
            return
        n_probe, n_listed = self._n_probe_for(k), int(self._lists.ntotal) - self._n_stale
        n_candidates, n_needed = min(self._n_candidates(k), n_listed), min(k + SPARE, n_listed)
        if not n_needed:
            yield numbers, self._nearest_of(queries, self._beside, k + SPARE)
            return
        while len(numbers):
            rows = self._search_lists(queries, n_candidates, n_probe, self._valid)
            is_full = rows[:, n_needed - 1] >= 0  # otherwise the lists held too few
            rows = nearest_candidates(queries, rows, k + SPARE, vectors_at=self.at)
            if np.count_nonzero(is_full) == len(rows):
                yield numbers, self._with_beside(queries, rows, self._beside)
                return
            if n_probe == self.n_lists:  # fast scan drops what its sums of 8-bit numbers put at nought
                yield numbers, self._nearest_of(queries, np.arange(len(self)), k + SPARE)
                return
            yield numbers[is_full], self._with_beside(queries[is_full], rows[is_full], self._beside)
            numbers, queries, n_probe = numbers[~is_full], queries[~is_full], min(2 * n_probe, self.n_lists)

    def search_one(self, query: NDArray[np.float32], k: int, subset: RowSubset | None = None) -> NDArray[np.int64]:
        """As `search`, for one query, (1, dim); returns its rows, (n_candidates,)."""
        if subset is None and k <= RECALL_K and self._valid is None and not len(self._beside):
            rows: NDArray[np.int64] = self._search_lists(query, self._n_candidates(k), self._n_probe, None)[0]
            if rows[-1] >= 0:
                return self._nearer(query[0], rows, k + SPARE)
        return candidates_of_one(self.search(query, k, subset))

    def _nearer(self, query: NDArray[np.float32], rows: NDArray[np.int64], n: int) -> NDArray[np.int64]:
        """As `nearest_candidates`, for one query (dim,) and in as few calls as can be."""
        if len(rows) <= FEW:
            return rows
        nearest: NDArray[np.int64] = rows.take(np.vecdot(self.at(rows), query).argpartition(-n)[-n:])
        return nearest

    def subset(self, rows: NDArray[np.int64]) -> RowSubset:
        """Prepare a filter for a scan of its rows or a search through the lists, whichever is cheaper."""
        n_seen = self.n_probe * len(self) / self.n_lists
        if len(rows) ** 2 <= SCAN_RATIO * n_seen * len(self):
            return RowSubset(rows=rows)
        beside = np.intersect1d(rows, self._beside, assume_unique=True)
        listed = np.setdiff1d(rows, beside, assume_unique=True) if len(beside) else rows
        is_wanted = np.zeros(int(self._lists.ntotal), dtype=np.bool_)
        is_wanted[listed] = True
        bitmap = np.packbits(is_wanted, bitorder="little")
        n_in_list = np.bincount(self._list_of(listed), minlength=self.n_lists)
        selector = faiss.IDSelectorBitmap(bitmap)
        return RowSubset(rows=rows, selector=selector, bitmap=bitmap, n_in_list=n_in_list, beside=beside)

    def append(self, vectors: NDArray[np.float32]) -> None:
        """Append vectors in the next rows."""
        n = len(self)
        self._n += len(vectors)
        if self.exact is not None:
            self.exact.append(vectors)
        if self.exact is not None and (self.is_mapped or self.n_beside):
            self._note_beside(np.arange(n, self._n))
        else:
            self._own()
            self._lists.add(vectors)

    def fill(self, holes: NDArray[np.int64], movers: NDArray[np.int64], n: int) -> None:
        """Move the vectors in the rows ``movers`` into the rows ``holes``, and keep ``n``."""
        if self.exact is None:
            self._own()
            self._replace(self.at(movers), holes, np.arange(n, len(self)))
            self._n = n
            return
        self.exact.fill(holes, movers, n)
        self._n = n
        self._note_beside(holes)

    def settle(self) -> None:
        """Bring the lists up to date with what is kept beside them: one pass over all of them."""
        if not self.n_beside:
            return
        self._own()
        self._replace(self.at(self._beside), self._beside, np.arange(self._n, int(self._lists.ntotal)))
        self._beside, self._n_stale, self._valid, self._bits = np.empty(0, np.int64), 0, None, None

    def _note_beside(self, rows: NDArray[np.int64]) -> None:
        """Keep rows beside the lists, until they are many."""
        beside = np.union1d(self._beside, rows)
        self._beside = beside[beside < self._n]
        n_listed = int(self._lists.ntotal)
        outdated = np.concatenate([self._beside[self._beside < n_listed], np.arange(self._n, n_listed)])
        self._n_stale = len(outdated)
        if self.n_beside > max(LEAST_BESIDE, len(self) // BESIDE_SHARE):
            self.settle()
        elif self._n_stale:
            is_valid = np.ones(n_listed, np.bool_)
            is_valid[outdated] = False
            self._bits = np.packbits(is_valid, bitorder="little")
            self._valid = faiss.IDSelectorBitmap(self._bits)

    def _replace(self, vectors: NDArray[np.float32], rows: NDArray[np.int64], gone: NDArray[np.int64]) -> None:
        """Put vectors into rows of the lists, whatever these had there, and take other rows out."""
        self._lists.set_direct_map_type(faiss.DirectMap.NoMap)  # FAISS cannot remove while there is a direct map
        self._lists.remove_ids(faiss.IDSelectorBatch(np.concatenate([rows, gone])))
        if len(rows):
            self._lists.add_with_ids(vectors, rows)
        self._lists.make_direct_map()

    def _with_beside(
        self, queries: NDArray[np.float32], rows: NDArray[np.int64], beside: NDArray[np.int64] | None
    ) -> NDArray[np.int64]:
        """Add to the candidates of queries (n_queries, n_candidates) as many of those beside the lists."""
        if beside is None or not len(beside) or not len(queries):
            return rows
        return np.hstack([rows, self._nearest_of(queries, beside, rows.shape[1])])

    def _nearest_of(self, queries: NDArray[np.float32], rows: NDArray[np.int64], n: int) -> NDArray[np.int64]:
        """Find the n nearest of some rows by a scan: (n_queries, n), fewer where there are fewer rows."""
        parts = (self.at(rows[start : start + BLOCK]) for start in range(0, len(rows), BLOCK))
        return rows[scan_blocks(queries, parts, n)[1]]

    def _search_lists(
        self, queries: NDArray[np.float32], n_candidates: int, n_probe: int, selector: Any
    ) -> NDArray[np.int64]:
        """Ask FAISS for rows, (n_queries, n_candidates): its own function, since its wrapper takes 3 µs a call."""
        similarities = np.empty((len(queries), n_candidates), np.float32)
        rows = np.empty((len(queries), n_candidates), np.int64)
        how = None
        if n_probe != self._n_probe or selector is not None:
            how = faiss.SearchParametersIVF(nprobe=n_probe, sel=selector)
        asked = np.ascontiguousarray(queries)  # by name: FAISS gets a pointer, which keeps nothing alive
        pointers = faiss.swig_ptr(similarities), faiss.swig_ptr(rows)
        self._lists.search_c(len(asked), faiss.swig_ptr(asked), n_candidates, *pointers, how)
        return rows

    def _search_among(self, queries: NDArray[np.float32], k: int, subset: RowSubset) -> NDArray[np.int64]:
        """Find candidates among the rows of a subset only."""
        if subset.n_in_list is None or 2 * (k + SPARE) > len(subset.rows):
            return self._nearest_of(queries, subset.rows, k + SPARE)
        n_candidates = min(self._n_candidates(k), len(subset.rows))
        rows = [self._walk(query[np.newaxis], k, n_candidates, subset) for query in queries]
        found = np.array(rows, dtype=np.int64).reshape(len(queries), n_candidates)
        found = nearest_candidates(queries, found, k + SPARE, vectors_at=self.at)
        return self._with_beside(queries, found, subset.beside)

    def _walk(self, query: NDArray[np.float32], k: int, n_candidates: int, subset: RowSubset) -> NDArray[np.int64]:
        """Scan lists from the query outwards until enough of the subset has been seen: (n_candidates,)."""
        n_seen_unfiltered = self._n_probe_for(k) * len(self) / self.n_lists
        n_wanted = FILTER_MARGIN * max(n_seen_unfiltered, n_candidates)
        _, lists = scan(query, self._centroids(), self.n_lists)
        n_seen = np.cumsum(subset.n_in_list[lists[0]])  # type: ignore[index]  # set wherever this is called
        n_probe = min(int(np.searchsorted(n_seen, n_wanted)) + 1, self.n_lists)
        found: NDArray[np.int64] = self._search_lists(query, n_candidates, n_probe, subset.selector)[0]
        return found

    def _n_candidates(self, k: int) -> int:
        """Rank as many for one neighbour as for the ten that `n_ranked` was tuned for."""
        return self.n_ranked * max(k, RECALL_K) + SPARE

    def _n_probe_for(self, k: int) -> int:
        """Scan more lists for more neighbours than `n_probe` was tuned for: they lie further away."""
        return min(self.n_lists, round(self.n_probe * float(max(1.0, k / RECALL_K) ** 0.5)))

    def _centroids(self) -> NDArray[np.float32]:
        centroids: NDArray[np.float32] = faiss.rev_swig_ptr(
            faiss.downcast_index(self._lists.quantizer).get_xb(), self.n_lists * self._lists.d
        ).reshape(self.n_lists, self._lists.d)
        return centroids

    def _list_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the list that each row is assigned to."""
        places: NDArray[np.int64] = faiss.rev_swig_ptr(self._lists.direct_map.array.data(), int(self._lists.ntotal))
        return places[rows] >> 32

    def _own(self) -> None:
        """Copy a mapped file into memory before the first change."""
        if self.is_mapped:
            n_probe = self.n_probe
            self._lists.set_direct_map_type(faiss.DirectMap.NoMap)
            self._lists = faiss.deserialize_index(faiss.serialize_index(self._lists))
            self._lists.make_direct_map()
            self.n_probe, self.is_mapped = n_probe, False
