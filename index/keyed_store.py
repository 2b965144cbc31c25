"""A store of vectors and the track ids of its rows, which change together."""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from index.building import Store
from index.exact import ExactScan
from index.filters import Filter, Subset, let_through, look_up
from index.ranking import Hits, hits_of_one, ranked_hits
from index.track_ids import GONE, TrackIds


class KeyedStore:
    """Vectors by track id. Not thread-safe: the index holds the lock.

    Parameters
    ----------
    store, ids
        As many rows as ids.
    n_changed
        Tracks that came or went since the store was built.
    """

    def __init__(self, store: Store, ids: TrackIds, n_changed: int) -> None:
        self.store = store
        self.ids = ids
        self._n_changed = n_changed
        self._version = 0  # goes up with each change

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def n_bytes(self) -> int:
        """Memory or mapped file."""
        return self.store.n_bytes + self.ids.n_bytes

    @property
    def n_changed(self) -> int:
        """Tracks that came or went since the store was built; what is exact never has to be built again."""
        return 0 if isinstance(self.store, ExactScan) else self._n_changed

    def is_known(self, track_ids: Sequence[str]) -> NDArray[np.bool_]:
        """Tell which tracks are held."""
        is_known: NDArray[np.bool_] = self.ids.rows_of(track_ids) != GONE
        return is_known

    def vectors(self, track_ids: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of tracks, (n_tracks, dim); LookupError where one is not held."""
        return self.store.at(self._rows_of(track_ids))

    def subset(self, track_ids: Collection[str]) -> Subset:
        """Resolve a filter once, for use in many searches."""
        return look_up(track_ids, ids=self.ids, store=self.store, version=self._version)

    def search(self, queries: NDArray[np.float32], k: int, allowed_ids: Filter | None) -> list[Hits]:
        """Find the tracks nearest to each query, contiguous and of unit length."""
        subset = None
        if allowed_ids is not None:
            subset = let_through(allowed_ids, ids=self.ids, store=self.store, version=self._version)
        if len(queries) == 1:
            rows = self.store.search_one(queries, k, subset)
            return [hits_of_one(queries[0], rows, k, vectors_at=self.store.at, track_ids_at=self.ids.at)]
        found = self.store.search(queries, k, subset)
        return ranked_hits(queries, found, k, vectors_at=self.store.at, track_ids_at=self.ids.at)

    def append(self, track_ids: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Add tracks that are not held."""
        self.ids.append(track_ids)
        self.store.append(vectors)
        self._note_change(len(track_ids))

    def remove(self, track_ids: Sequence[str]) -> None:
        """Remove tracks; LookupError, and no change, where one is not held."""
        self._fill(track_ids, self._rows_of(track_ids))

    def discard(self, track_ids: Sequence[str]) -> None:
        """Remove those of some tracks that are held."""
        rows = self.ids.rows_of(track_ids)
        known = np.flatnonzero(rows != GONE)
        if len(known):
            self._fill([track_ids[number] for number in known.tolist()], rows[known])

    def _fill(self, track_ids: Sequence[str], rows: NDArray[np.int64]) -> None:
        """Remove tracks, given with their rows; the last rows move into their places."""
        gone = np.unique(rows)
        n = len(self) - len(gone)
        holes = gone[gone < n]
        movers = np.setdiff1d(np.arange(n, len(self)), gone)
        self.ids.fill(holes, movers, track_ids, n)
        self.store.fill(holes, movers, n)
        self._note_change(len(gone))

    def _note_change(self, n_tracks: int) -> None:
        self._version += 1
        self._n_changed += n_tracks

    def _rows_of(self, track_ids: Sequence[str]) -> NDArray[np.int64]:
        """Look up the rows of ids that must be held."""
        rows = self.ids.rows_of(track_ids)
        if (rows == GONE).any():
            first = track_ids[int(np.argmax(rows == GONE))]
            raise LookupError(f"track_id must be in the index, got {first!r}")
        return rows
