"""Connections to a catalogue's file: one for writing, and one for each thread that reads at the same time.

A reader never waits for a writer, nor for another reader: the journal is a write-ahead log, and each has its own
connection. In a transaction a thread reads what it has written.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audio_engine.catalogue.filters import add_functions
from audio_engine.catalogue.schema import catalogue_errors, open_database, open_reader, transaction


class Connections:
    """The open connections of one catalogue; threads may share them.

    Parameters
    ----------
    path, create
        The file, as for `open_database`, which says what is raised.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = path
        self._writing = threading.RLock()
        self._watching = threading.Lock()
        self._idle: list[sqlite3.Connection] = []  # for readers
        self._mine = threading.local()  # the connection that the thread is using
        self.main = _with_functions(open_database(path, create=create))
        self._watch: sqlite3.Connection | None = None  # tells of changes by any other connection
        self._is_open = True

    def close(self) -> None:
        """Close the file; closing twice is allowed."""
        with self._writing:
            self._is_open = False
            for connection in (*self._idle, self._watch, self.main):  # only who can write clears the log away, as last
                if connection is not None:
                    connection.close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Use a connection that no other thread uses meanwhile, the same in a nested block; errors name the file."""
        with catalogue_errors(self.path):
            mine = getattr(self._mine, "connection", None)
            if mine is not None or not self._is_open:
                yield mine or self.main
                return
            with self._keeping(self._taken()) as connection:
                try:
                    yield connection
                finally:
                    self._idle.append(connection)
                    if not self._is_open:
                        connection.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Run the block in one transaction, alone; a nested block joins the outer one."""
        with self._writing, catalogue_errors(self.path), self._keeping(self.main), transaction(self.main):
            yield self.main

    @property
    def is_writing(self) -> bool:
        """Whether the thread is in a transaction, in which it reads what it has written."""
        return getattr(self._mine, "connection", None) is self.main

    @property
    def moment(self) -> int:
        """A value that changes whenever any process, this one included, has committed a change."""
        held: int | None = getattr(self._mine, "moment", None)
        if held is not None:
            return held
        with self._watching, catalogue_errors(self.path):
            self._watch = self._watch or open_reader(self.path)
            return int(self._watch.execute("PRAGMA data_version").fetchone()[0])

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """Ask for the `moment` once: it is held for the thread until the end of the block, in which it only reads."""
        before = getattr(self._mine, "moment", None)
        self._mine.moment = self.moment
        try:
            yield
        finally:
            self._mine.moment = before

    @contextmanager
    def _keeping(self, connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
        """Let nested blocks of the thread use the same connection."""
        before = getattr(self._mine, "connection", None)
        self._mine.connection = connection
        try:
            yield connection
        finally:
            self._mine.connection = before

    def _taken(self) -> sqlite3.Connection:
        """Take an idle connection, or open another."""
        try:
            return self._idle.pop()
        except IndexError:
            return _with_functions(open_reader(self.path))


def _with_functions(connection: sqlite3.Connection) -> sqlite3.Connection:
    add_functions(connection)
    return connection
