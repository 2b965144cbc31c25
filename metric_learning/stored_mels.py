"""Log-mels on disk: some rows of a memory-mapped array, of which a batch is read when it is asked for."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


class StoredMels:
    """Log-mels of some tracks, indexed like an array; nothing is read before.

    ``mels[row]`` is one track, ``mels[rows]`` a batch of them, ``mels[rows[:, None], segments]`` some segments of each,
    all as float16 arrays in memory; ``mels[:]`` is all of them, 333 kB a track in the default recipe. Iteration reads
    one track at a time.

    Parameters
    ----------
    log_mel : (n_stored, n_segments, n_mels, n_frames)
        Natural logarithm of power, float16, memory-mapped.
    rows : (n_tracks,)
        Where each track lies in `log_mel`.
    """

    def __init__(self, log_mel: NDArray[np.float16], rows: NDArray[np.int64]) -> None:
        self._log_mel = log_mel
        self._rows = rows

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of tracks, segments, mel bands and frames."""
        return (len(self._rows), *self._log_mel.shape[1:])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, key: int | slice | NDArray[np.int64] | tuple[NDArray[np.int64], ...]) -> NDArray[np.float16]:
        tracks, *others = key if isinstance(key, tuple) else (key,)
        found = np.asarray(self._log_mel[(self._rows[tracks], *others)])
        return found if found.flags.writeable else found.copy()  # one track of a file is no copy yet

    def __iter__(self) -> Iterator[NDArray[np.float16]]:
        return (self[row] for row in range(len(self)))

    def where(self, keep: NDArray[np.bool_]) -> "StoredMels":
        """Keep some tracks, (n_tracks,), without reading them."""
        return StoredMels(self._log_mel, self._rows[keep])
