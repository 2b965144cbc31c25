"""Mapping between track ids and row numbers, the only place where an index knows which row is which track.

Ten million ids would cost 1.5 GB as Python strings in a dictionary. Here they are stored contiguously as bytes, with
the order that sorts them (4 bytes a track) for a binary search; changes since the last sort are in a small dictionary.
"""

from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

GONE = -1  # the row of an unknown id
RESORT_FROM = 1 << 16  # changed ids kept in the dictionary before it is worth sorting again…
RESORT_SHARE = 8  # … or one in so many of all, whichever is more


class TrackIds:
    """Ids by row and rows by id; rows are numbered from 0 without gaps. Not thread-safe: the index holds the lock."""

    def __init__(self, names: NDArray[np.bytes_], order: NDArray[np.uint32]) -> None:
        self._names = names  # by row; may have spare capacity at the end
        self._n = len(names)
        self._sorted_names = names  # as they were when last sorted: never written to
        self._order = order  # the rows of _sorted_names, in the order of the ids
        self._changed: dict[str, int] = {}  # rows of ids added, moved or removed since

    @classmethod
    def of(cls, track_ids: Sequence[str]) -> Self:
        """Create from ids that are known to be unique; the first gets row 0."""
        names = _as_bytes(track_ids)
        return cls(names, _sorting(names))

    def __len__(self) -> int:
        return self._n

    @property
    def n_bytes(self) -> int:
        """Memory held by the ids, without the dictionary of changes."""
        frozen = 0 if self._sorted_names is self._names else self._sorted_names.nbytes
        return self._names.nbytes + frozen + self._order.nbytes

    def at(self, rows: NDArray[np.int64]) -> list[str]:
        """Return the ids of rows."""
        names = self._names.take(rows).tolist()
        return b"\0".join(names).decode(errors="surrogatepass").split("\0") if names else []

    def rows_of(self, track_ids: Sequence[str]) -> NDArray[np.int64]:
        """Return the rows of ids, `GONE` for unknown ones."""
        if not len(track_ids):
            return np.empty(0, dtype=np.int64)
        rows = self._sorted_rows_of(track_ids)
        if self._changed:
            for number, track_id in enumerate(track_ids):
                rows[number] = self._changed.get(track_id, rows[number])
        return rows

    def append(self, track_ids: Sequence[str]) -> None:
        """Append ids in the next rows."""
        if not len(track_ids):
            return
        names = _as_bytes(track_ids)
        n = self._n + len(names)
        width = max(names.itemsize, self._names.itemsize)
        if n > len(self._names) or width > self._names.itemsize or self._names is self._sorted_names:
            grown = np.zeros(n + n // RESORT_SHARE, dtype=f"S{width}")
            grown[: self._n] = self._names[: self._n]
            self._names = grown
        self._names[self._n : n] = names
        self._changed.update(zip(track_ids, range(self._n, n), strict=True))
        self._n = n
        self._resort_when_due()

    def fill(self, holes: NDArray[np.int64], movers: NDArray[np.int64], gone: Iterable[str], n: int) -> None:
        """Remove ids: the tracks in the rows ``movers`` move to the rows ``holes``, and ``n`` rows remain."""
        if self._names is self._sorted_names:
            self._names = self._names.copy()
        moved = self.at(movers)
        self._names[holes] = self._names[movers]
        self._n = n
        self._changed.update(dict.fromkeys(gone, GONE))
        self._changed.update(zip(moved, holes.tolist(), strict=True))
        self._resort_when_due()

    def arrays(self) -> tuple[NDArray[np.bytes_], NDArray[np.uint32]]:
        """Return the ids and their order, for saving."""
        names = self._names[: self._n]
        return names, self._order if names is self._sorted_names or not self._changed else _sorting(names)

    def _sorted_rows_of(self, track_ids: Sequence[str]) -> NDArray[np.int64]:
        """Look ids up in the sorted part."""
        encoded = np.array([b"" if "\0" in track_id else _encoded(track_id) for track_id in track_ids])
        if not len(self._order):
            return np.full(len(encoded), GONE, dtype=np.int64)
        places = np.searchsorted(self._sorted_names, encoded, sorter=self._order)
        rows = self._order[np.minimum(places, len(self._order) - 1)].astype(np.int64)
        rows[self._sorted_names[rows] != encoded] = GONE
        return rows

    def _resort_when_due(self) -> None:
        """Sort again once the dictionary has grown large."""
        if len(self._changed) > max(RESORT_FROM, self._n // RESORT_SHARE):
            self._names = self._sorted_names = self._names[: self._n].copy()
            self._order = _sorting(self._names)
            self._changed = {}


def _as_bytes(track_ids: Sequence[str]) -> NDArray[np.bytes_]:
    """Encode ids as one byte array."""
    for track_id in track_ids:
        if not track_id or "\0" in track_id:  # NumPy takes NULs at the end for padding
            raise ValueError(f"track_id must be a text without NUL characters, got {track_id!r}")
    return np.array([_encoded(track_id) for track_id in track_ids], dtype=np.bytes_).reshape(-1)


def _encoded(track_id: str) -> bytes:
    return track_id.encode(errors="surrogatepass")


def _sorting(names: NDArray[np.bytes_]) -> NDArray[np.uint32]:
    """Return the order that sorts ids; UTF-8 bytes sort in code point order."""
    return np.argsort(names, kind="stable").astype(np.uint32)
