"""Cache of values computed from files: invalid once a file changes; the least recently used are dropped."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from audio_engine.errors import DecodeError

T = TypeVar("T")


class FileCache(Generic[T]):
    """Least-recently-used cache of values computed from files; threads may share it.

    Parameters
    ----------
    n_kept
        Maximum number of values.
    """

    def __init__(self, n_kept: int) -> None:
        self._n_kept = n_kept
        self._kept: OrderedDict[tuple[str, Path, int, int], T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, path: Path, make: Callable[[Path], T], *, recipe: str = "") -> T:
        """Return `make(path)` for a recipe, calling `make` only if the value is not cached.

        Raises
        ------
        DecodeError
            When the file is missing, cannot be opened, or `make` raises it; the message names the file.
        """
        try:
            status = path.stat()
            key = (recipe, path, status.st_size, status.st_mtime_ns)
            with self._lock:
                if key in self._kept:
                    self._kept.move_to_end(key)
                    return self._kept[key]
            made = make(path)
        except DecodeError as error:
            raise DecodeError(f"{path}: {error}") from error
        except OSError as error:
            raise DecodeError(f"{path}: {error.strerror}") from error
        with self._lock:
            self._kept[key] = made
            if len(self._kept) > self._n_kept:
                self._kept.popitem(last=False)
        return made
