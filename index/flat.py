"""Unit vectors in, the nearest tracks out: exact inner-product search over vectors known by track id.

FAISS finds the candidates; the similarities that are handed out are summed again in double precision, so that an
answer depends neither on the number of threads nor on whether the query came alone or in a batch. Equal similarities
stand in the order of their track ids.
"""

from collections.abc import Sequence
from threading import RLock
from typing import Self

import faiss
import numpy as np
from numpy.typing import NDArray

UNIT_TOLERANCE = 1e-3  # a vector's length may miss 1 by this much
TIE_TOLERANCE = 1e-5  # FAISS sums in float32: a rival this close below the k-th may in truth be level with it
SPARE = 8  # candidates fetched past k, so that one FAISS search mostly suffices


class VectorIndex:
    """Exact search for the nearest unit vectors; several threads may use it at once.

    Parameters
    ----------
    dim
        Numbers in a vector.

    Examples
    --------
    >>> index = VectorIndex.build(["north", "east"], np.array([[0, 1], [1, 0]], dtype=np.float32))
    >>> index.search(np.array([[0, 1]], dtype=np.float32), k=1)
    [[('north', 1.0)]]
    """

    def __init__(self, dim: int) -> None:
        if dim < 1:
            raise ValueError(f"dim must be at least 1, got {dim}")
        self.dim = dim
        self._faiss = faiss.IndexFlatIP(dim)
        self._track_ids: list[str] = []
        self._rows: dict[str, int] = {}
        self._lock = RLock()

    @classmethod
    def build(cls, track_ids: Sequence[str], vectors: NDArray[np.float32]) -> Self:
        """Make an index of these vectors.

        Parameters
        ----------
        track_ids : (n_tracks,)
            Each once.
        vectors : (n_tracks, dim)
            Of unit length.

        Raises
        ------
        ValueError
            As :meth:`add` does.
        """
        if vectors.ndim != 2:
            raise ValueError(f"vectors must have shape (n_tracks, dim), got {vectors.shape}")
        index = cls(vectors.shape[1])
        index.add(track_ids, vectors)
        return index

    def __len__(self) -> int:
        return len(self._track_ids)

    def __contains__(self, track_id: object) -> bool:
        return track_id in self._rows

    def add(self, track_ids: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Add tracks that the index does not hold yet.

        Parameters
        ----------
        track_ids : (n_tracks,)
            Each new, each once.
        vectors : (n_tracks, dim)
            Of unit length.

        Raises
        ------
        ValueError
            When an id is known already or stands twice, or a vector is not one of ours. Nothing is added then.
        """
        vectors = self._checked(vectors, name="vectors")
        if len(track_ids) != len(vectors):
            raise ValueError(f"track_ids must be as many as vectors ({len(vectors)}), got {len(track_ids)}")
        with self._lock:
            rows = dict(zip(track_ids, range(len(self), len(self) + len(track_ids)), strict=True))
            if len(rows) < len(track_ids):
                raise ValueError(f"track_ids must each stand once, got {len(track_ids) - len(rows)} repeated")
            if known := rows.keys() & self._rows.keys():
                raise ValueError(f"track_ids must be new to the index, got {min(known)!r} (remove it first?)")
            self._faiss.add(vectors)
            self._track_ids.extend(track_ids)
            self._rows.update(rows)

    def remove(self, track_ids: Sequence[str]) -> None:
        """Forget tracks.

        Raises
        ------
        LookupError
            When the index does not hold one of them. Nothing is removed then.
        """
        with self._lock:
            gone = self._rows_of(track_ids)
            self._faiss.remove_ids(faiss.IDSelectorBatch(np.unique(gone)))  # the rows behind close up, in their order
            dropped = set(track_ids)
            self._track_ids = [track_id for track_id in self._track_ids if track_id not in dropped]
            self._rows = {track_id: row for row, track_id in enumerate(self._track_ids)}

    def vectors(self, track_ids: Sequence[str]) -> NDArray[np.float32]:
        """Give back the vectors of tracks.

        Returns
        -------
        vectors : (n_tracks, dim)
            As they were added, in the order asked for.

        Raises
        ------
        LookupError
            When the index does not hold one of them.
        """
        with self._lock:
            return self._vectors_at(self._rows_of(track_ids))

    def search(self, queries: NDArray[np.float32], k: int) -> list[list[tuple[str, float]]]:
        """Find the tracks nearest to each query.

        Parameters
        ----------
        queries : (n_queries, dim)
            Of unit length.
        k
            Neighbours asked for; fewer come where the index holds fewer.

        Returns
        -------
        neighbours
            For each query, (track id, cosine similarity), the most similar first, equals in the order of their ids.

        Raises
        ------
        ValueError
            When ``k`` is below 1 or a query is not one of our vectors.
        """
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        queries = self._checked(queries, name="queries")
        with self._lock:
            return [
                self._ranked(query, k, rows) for query, rows in zip(queries, self._candidates(queries, k), strict=True)
            ]

    def _candidates(self, queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        """Fetch rows that hold the k nearest of every query, with all that may tie with the k-th."""
        n_wanted = min(k + SPARE, len(self))
        while n_wanted:
            similarities, rows = self._faiss.search(queries, n_wanted)
            if n_wanted == len(self) or np.all(similarities[:, -1] < similarities[:, k - 1] - TIE_TOLERANCE):
                return np.asarray(rows)
            n_wanted = min(2 * n_wanted, len(self))
        return np.empty((len(queries), 0), dtype=np.int64)

    def _ranked(self, query: NDArray[np.float32], k: int, rows: NDArray[np.int64]) -> list[tuple[str, float]]:
        """Keep the k best of the candidate rows, with similarities that only the two vectors decide."""
        products = self._vectors_at(rows).astype(np.float64) * query
        similarities = np.clip(products.sum(axis=1), -1.0, 1.0)
        hits = [(self._track_ids[row], float(value)) for row, value in zip(rows, similarities, strict=True)]
        return sorted(hits, key=lambda hit: (-hit[1], hit[0]))[:k]

    def _vectors_at(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._faiss.reconstruct_batch(rows) if len(rows) else np.empty((0, self.dim), dtype=np.float32)

    def _rows_of(self, track_ids: Sequence[str]) -> NDArray[np.int64]:
        for track_id in track_ids:
            if track_id not in self._rows:
                raise LookupError(f"track_id must be in the index, got {track_id!r}")
        return np.array([self._rows[track_id] for track_id in track_ids], dtype=np.int64)

    def _checked(self, vectors: NDArray[np.float32], *, name: str) -> NDArray[np.float32]:
        """Refuse vectors that are not finite, of our dim and of unit length; lay the others out for FAISS."""
        if vectors.ndim != 2 or vectors.shape[1] != self.dim:
            raise ValueError(f"{name} must have shape (n, {self.dim}), got {vectors.shape}")
        lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
        bad = ~(np.abs(lengths - 1) <= UNIT_TOLERANCE)  # so written, NaN is bad
        if bad.any():
            raise ValueError(f"{name} must be of unit length, got {lengths[bad][0]:g} (not normalised?)")
        return np.ascontiguousarray(vectors, dtype=np.float32)
