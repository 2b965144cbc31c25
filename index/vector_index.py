"""The vector index: search by inner product over unit vectors keyed by track id.

FAISS finds candidates: all that matter in an exact index, nearly all in an approximate one (the description's
`index_recall` says how nearly). The similarities returned are recomputed in double precision from the stored vectors,
so that they depend neither on the number of threads nor on whether the query came alone or in a batch. Ties are ordered
by track id.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from index.building import Store, build_store, store_recall
from index.exact import ExactScan
from index.filters import Filter, Subset
from index.inverted import InvertedLists
from index.keyed_store import KeyedStore
from index.kinds import IndexDescription, Kind, check_kind, kind_for
from index.locks import ReadersWriterLock
from index.ranking import Hits
from index.recall import N_QUERIES
from index.saved_stores import load_store, save_store
from index.track_ids import TrackIds
from index.validation import check_k, check_new, check_unit
from index.vector_store import Rows


class VectorIndex:
    """The vectors nearest to a query; several threads may search and change it at once.

    A search sees the index before or after a change, never in between: searches share a lock that each change takes
    alone (`ReadersWriterLock`).

    Parameters
    ----------
    dim
        Numbers in a vector. The new index is empty and exact; `build` makes the other kinds.

    Examples
    --------
    >>> index = VectorIndex.build(["north", "east"], np.array([[0, 1], [1, 0]], dtype=np.float32))
    >>> index.search(np.array([[0, 1]], dtype=np.float32), k=1)
    [[('north', 1.0)]]
    >>> index.search(np.array([[0, 1]], dtype=np.float32), k=1, allowed_ids=["east", "west"])
    [[('east', 0.0)]]
    """

    def __init__(self, dim: int) -> None:
        if dim < 1:
            raise ValueError(f"dim must be at least 1, got {dim}")
        made = IndexDescription(kind="exact", n_tracks=0, dim=dim, n_bytes=0)
        self._set_up(ExactScan(Rows(np.empty((0, dim), dtype=np.float32))), TrackIds.of([]), made)

    def _set_up(self, store: Store, ids: TrackIds, made: IndexDescription) -> None:
        """Set the state from a built or loaded index."""
        self.dim = made.dim
        self._tracks = KeyedStore(store, ids, made.n_changed)
        self._made = made  # what `describe` returns, except for what changes
        self._lock = ReadersWriterLock()

    @classmethod
    def build(  # noqa: PLR0913  (what a caller can override)
        cls,
        track_ids: Sequence[str],
        vectors: NDArray[np.float32],
        *,
        kind: Kind | None = None,
        recall: float = 0.99,
        n_lists: int | None = None,
        n_probe: int | None = None,
        seed: int = 0,
    ) -> Self:
        """Build an index of these vectors.

        Parameters
        ----------
        track_ids : (n_tracks,)
            Unique.
        vectors : (n_tracks, dim)
            Of unit length; may be a memory map. The index may keep the array: do not write to it afterwards.
        kind
            By default chosen from the number of tracks by `index.kinds.kind_for`.
        recall
            Target share of the true ten nearest to find, averaged over sampled tracks.
        n_lists, n_probe
            By default chosen from the number of tracks, and from `recall`.
        seed
            For k-means and for sampling.

        Raises
        ------
        ValueError
            As `add` does, and when `kind` is unknown or a number is out of range.
        RecallError
            When the index finds less than `recall`.
        """
        if vectors.ndim != 2:
            raise ValueError(f"vectors must have shape (n_tracks, dim), got {vectors.shape}")
        kind = check_kind(kind or kind_for(len(vectors)))
        index = cls(vectors.shape[1])
        vectors = check_unit(vectors, dim=index.dim, name="vectors")
        check_new(track_ids, len(vectors))
        store, made = build_store(vectors, kind=kind, recall=recall, n_lists=n_lists, n_probe=n_probe, seed=seed)
        index._set_up(store, TrackIds.of(track_ids), made)
        return index

    def __len__(self) -> int:
        return len(self._tracks)

    def __contains__(self, track_id: object) -> bool:
        if not isinstance(track_id, str):
            return False
        with self._lock.reading():
            return bool(self._tracks.is_known([track_id])[0])

    def track_ids(self) -> list[str]:
        """Return all track ids, in the order of a boolean mask; valid until the next change."""
        with self._lock.reading():
            return self._tracks.ids.at(np.arange(len(self)))

    def add(self, track_ids: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Add tracks that the index does not hold yet.

        Parameters
        ----------
        track_ids : (n_tracks,)
            New to the index, unique, without NUL characters.
        vectors : (n_tracks, dim)
            Of unit length.

        Raises
        ------
        ValueError
            When an id is known already or repeats, or a vector is invalid. Nothing is added then.
        """
        vectors = check_unit(vectors, dim=self.dim, name="vectors")
        check_new(track_ids, len(vectors))
        with self._lock.writing():
            known = self._tracks.is_known(track_ids)
            if known.any():
                first = min(track_ids[number] for number in np.flatnonzero(known).tolist())
                raise ValueError(f"track_ids must be new to the index, got {first!r} (remove it first?)")
            self._tracks.append(track_ids, vectors)

    def remove(self, track_ids: Sequence[str]) -> None:
        """Remove tracks; the last rows move into their places.

        Raises
        ------
        LookupError
            When the index does not hold one of them. Nothing is removed then.
        """
        if not len(track_ids):
            return
        with self._lock.writing():
            self._tracks.remove(track_ids)

    def update(self, gone: Sequence[str], track_ids: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Remove tracks, and add others or give them other vectors, in one step: no search sees a part of it.

        Parameters
        ----------
        gone
            The tracks to remove; those that the index does not hold are ignored.
        track_ids : (n_tracks,)
            Unique, without NUL characters, none of them gone.
        vectors : (n_tracks, dim)
            Of unit length.

        Raises
        ------
        ValueError
            When a vector is invalid, or an id repeats. Nothing is changed then.
        """
        vectors = check_unit(vectors, dim=self.dim, name="vectors")
        check_new([*gone, *track_ids], len(gone) + len(vectors))
        with self._lock.writing():
            self._tracks.discard([*gone, *track_ids])
            if len(track_ids):
                self._tracks.append(track_ids, vectors)

    def vectors(self, track_ids: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of tracks.

        Returns
        -------
        vectors : (n_tracks, dim)
            As they were added, in the order of `track_ids`; rounded to 16-bit floats in a compressed index.

        Raises
        ------
        LookupError
            When the index does not hold one of them.
        """
        with self._lock.reading():
            return self._tracks.vectors(track_ids)

    def subset(self, track_ids: Collection[str]) -> Subset:
        """Resolve a filter once, for use in many searches.

        Parameters
        ----------
        track_ids
            The tracks that the filter allows; ids that the index does not hold are ignored.

        Returns
        -------
        subset
            For `search`. It stays correct when the index changes, but is then resolved again at each search.
        """
        with self._lock.reading():
            return self._tracks.subset(track_ids)

    def search(self, queries: NDArray[np.float32], k: int, allowed_ids: Filter | None = None) -> list[Hits]:
        """Find the tracks nearest to each query.

        Parameters
        ----------
        queries : (n_queries, dim)
            Of unit length.
        k
            Number of neighbours; fewer are returned where the index holds fewer.
        allowed_ids
            Rank only these tracks: a `subset`, ids (unknown ones are ignored), or a mask in
            the order of `track_ids`.

        Returns
        -------
        neighbours
            For each query, (track id, cosine similarity), the most similar first, ties in the order of their ids.

        Raises
        ------
        ValueError
            When `k` is below 1, a query is not a valid vector, or a mask is not as long as the index.
        """
        check_k(k)
        queries = check_unit(queries, dim=self.dim, name="queries")
        with self._lock.reading():
            return self._tracks.search(queries, k, allowed_ids)

    def measure_recall(self, n_queries: int = N_QUERIES, seed: int = 1) -> float:
        """Measure the current `index_recall` on sampled tracks; changes wait meanwhile.

        Returns
        -------
        index_recall
            Share of the true ten nearest of a track, itself excluded, that is found among the stored vectors.
        """
        with self._lock.reading():
            return store_recall(self._tracks.store, n_queries=n_queries, seed=seed)

    def describe(self) -> IndexDescription:
        """Describe the index."""
        with self._lock.reading():
            return self._described()

    def save(self, path: str | Path) -> None:
        """Save the index as one file, atomically: readers of the path find the complete old file or new one."""
        store = self._tracks.store
        if isinstance(store, InvertedLists):
            with self._lock.writing():
                store.settle()
        with self._lock.reading():
            save_store(Path(path), store, self._tracks.ids, self._described())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Load a saved index: validated in full, then memory-mapped, so that processes share it and can release it.

        Raises
        ------
        IndexFileError
            When the file is damaged, of another format version, or not an index file: build the index again.
        FileNotFoundError
        """
        store, ids, made = load_store(Path(path))
        index = cls(made.dim)
        index._set_up(store, ids, made)
        return index

    def _described(self) -> IndexDescription:
        """Describe the index; the caller holds the lock."""
        tracks = self._tracks
        return replace(self._made, n_tracks=len(tracks), n_bytes=tracks.n_bytes, n_changed=tracks.n_changed)
