"""Many readers or one writer: the lock under which an index is searched and changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class ReadersWriterLock:
    """Lets any number of readers in together, or one writer alone.

    A writer that waits holds back readers that come after it, so that a stream of searches cannot starve a change. Not
    reentrant: who reads may not ask again before leaving.

    References
    ----------
    P. J. Courtois, F. Heymans, D. L. Parnas, Concurrent control with "readers" and "writers", CACM 1971, problem 2
    (writers first).
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._n_readers = 0
        self._n_waiting = 0  # writers
        self._is_writing = False

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold off writers."""
        with self._changed:
            while self._is_writing or self._n_waiting:
                self._changed.wait()
            self._n_readers += 1
        try:
            yield
        finally:
            with self._changed:
                self._n_readers -= 1
                if not self._n_readers:
                    self._changed.notify_all()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold off everybody else."""
        with self._changed:
            self._n_waiting += 1
            try:
                while self._is_writing or self._n_readers:
                    self._changed.wait()
                self._is_writing = True
            finally:
                self._n_waiting -= 1
                if not self._is_writing:  # interrupted while it waited
                    self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._is_writing = False
                self._changed.notify_all()
