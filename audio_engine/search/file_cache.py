"""What was made of a file, remembered while the file stays as it is; the least asked for goes first."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from audio_engine.errors import DecodeError

T = TypeVar("T")


class FileCache(Generic[T]):
    """Remembers a few things made of files; threads may share it.

    Parameters
    ----------
    n_kept
        How many.
    """

    def __init__(self, n_kept: int) -> None:
        self._n_kept = n_kept
        self._kept: OrderedDict[tuple[str, Path, int, int], T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, path: Path, make: Callable[[Path], T], *, recipe: str = "") -> T:
        """Give what `make` makes of a file by a recipe, calling it only for what is not remembered.

        Raises
        ------
        DecodeError
            When the file is not there, cannot be opened, or `make` says so; the message names it.
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
