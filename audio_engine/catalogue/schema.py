"""Schema of the catalogue: opens and migrates its SQLite file; any fault of the file is one ``CatalogueError``.

The journal is a write-ahead log and every commit waits for the disk (``synchronous=FULL``): a committed track survives
``kill -9`` and a power cut. Tracks are committed in batches, so the wait (some milliseconds) does not matter.
"""

import errno
import os
import shlex
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from audio_engine.catalogue.paths import default_directory
from audio_engine.catalogue.triggers import LISTING_CHANGES, LISTING_NAMES, STAMPING
from audio_engine.errors import CatalogueError
from metric_learning.full_disk import full_disk

SCHEMA_VERSION = 6  # PRAGMA user_version
APPLICATION_ID = 0x4145_4E47  # "AENG", PRAGMA application_id: tells a catalogue from any other SQLite file
CACHE_KIB = (
    65_536  # page cache at most: 100,000 tracks with their vectors fit, and are looked up without reading the disk
)
READER_CACHE_KIB = 8_192  # of each connection that only reads
NO_WRITING = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
LOG_BYTES = (
    65_536  # free on the disk: with less SQLite cannot even begin its log, and takes the catalogue for read-only
)
BUSY_TIMEOUT_S = 60.0  # how long one process waits for another's transaction

SCHEMA = """
CREATE TABLE meta (
    name TEXT PRIMARY KEY,              -- model_id: answers queries; wanted_model_id: being moved to; vectors_stamp
    value TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE tracks (
    track_id TEXT PRIMARY KEY,
    path BLOB NOT NULL UNIQUE,          -- os.fsencode(path): need not be UTF-8
    content_hash TEXT,
    file_size INTEGER NOT NULL,         -- bytes
    mtime_ns INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('embedded', 'failed')),
    error TEXT NOT NULL DEFAULT '',
    embedded_at TEXT NOT NULL DEFAULT '',
    title TEXT NOT NULL DEFAULT '',
    artist TEXT NOT NULL DEFAULT '',
    album TEXT NOT NULL DEFAULT '',
    genre TEXT NOT NULL DEFAULT '',     -- as the file's tag says
    year INTEGER,
    duration_s REAL,
    genre_predicted TEXT NOT NULL DEFAULT '',  -- as the catalogue's classifier says; empty: not asked yet
    genre_probability REAL,
    warnings TEXT NOT NULL DEFAULT '',  -- what decoding lost or mended, a line each
    bpm REAL,                           -- what was measured of the sound: tempo, beats a minute
    key TEXT NOT NULL DEFAULT '',       -- as in "Am"; empty: none was found
    loudness_lufs REAL,                 -- integrated, EBU R 128
    described_at TEXT NOT NULL DEFAULT '',
    description_error TEXT NOT NULL DEFAULT ''  -- one line; why that could not be measured when it was last tried
);
CREATE INDEX tracks_by_content ON tracks (content_hash);
CREATE TABLE vectors (
    track_id TEXT NOT NULL REFERENCES tracks ON DELETE CASCADE,
    model_id TEXT NOT NULL,
    vector BLOB NOT NULL,               -- dim little-endian float32, unit length
    PRIMARY KEY (track_id, model_id)
) WITHOUT ROWID;
"""

# Migrations from each version to the next; a new catalogue starts at the last version.
MIGRATIONS: dict[int, tuple[str, ...]] = {
    1: (
        "ALTER TABLE tracks ADD COLUMN genre_predicted TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE tracks ADD COLUMN genre_probability REAL",
    ),
    2: STAMPING,
    3: ("ALTER TABLE tracks ADD COLUMN warnings TEXT NOT NULL DEFAULT ''",),
    4: (
        "ALTER TABLE tracks ADD COLUMN bpm REAL",
        "ALTER TABLE tracks ADD COLUMN key TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE tracks ADD COLUMN loudness_lufs REAL",
        "ALTER TABLE tracks ADD COLUMN described_at TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE tracks ADD COLUMN description_error TEXT NOT NULL DEFAULT ''",
    ),
    5: (*LISTING_CHANGES, *LISTING_NAMES),
}


def open_database(path: Path, *, create: bool = True) -> sqlite3.Connection:
    """Open a catalogue file; one that cannot be written is opened for reading.

    Parameters
    ----------
    path
        The file.
    create
        Create it and its folder if missing.

    Returns
    -------
    connection
        Transactions are begun and ended by the caller. Threads may share it behind a lock.

    Raises
    ------
    CatalogueError
        When the file cannot be opened, is damaged, is not a catalogue, or was written by a newer version.
    FileNotFoundError, NotADirectoryError
        When the file is missing and not to be created; when its folder is none.
    """
    try:
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
        else:
            path.stat()
    except (FileExistsError, NotADirectoryError) as error:
        raise NotADirectoryError(errno.ENOTDIR, "a catalogue must be in a folder", str(path.parent)) from error
    except FileNotFoundError as error:
        option = "" if path.parent == default_directory() else f" -c {shlex.quote(str(path.parent))}"
        words = f"no catalogue is there yet: audio-engine embed FOLDER{option}"
        raise FileNotFoundError(errno.ENOENT, words, str(path.parent)) from error
    except OSError as error:
        raise CatalogueError(f"catalogue must be in a folder, got {str(path.parent)!r}: {error.strerror}") from error
    with catalogue_errors(path):
        try:
            return _opened(str(path), path, _prepare)
        except sqlite3.OperationalError as error:
            if _code(error) not in NO_WRITING or not os.path.isfile(path):  # noqa: PTH113  (is_file may raise)
                raise
        return open_reader(path)


@contextmanager
def catalogue_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into a ``CatalogueError`` that names the file and the remedy."""
    try:
        yield
    except sqlite3.OperationalError as error:
        is_read_only = _code(error) == sqlite3.SQLITE_READONLY
        if _code(error) == sqlite3.SQLITE_FULL or (is_read_only and shutil.disk_usage(path.parent).free < LOG_BYTES):
            raise full_disk(path) from error
        if is_read_only:
            raise CatalogueError(
                f"catalogue {str(path)!r} can only be read: no permission, or a read-only disk"
            ) from error
        hint = " (is another audio-engine writing to it?)" if "locked" in str(error) else ""
        raise CatalogueError(f"catalogue {str(path)!r} cannot be used: {error}{hint}") from error
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:  # a misuse by our own code is not the file's fault
            raise
        raise CatalogueError(
            f"catalogue {str(path)!r} is damaged or is not a catalogue: {error} (move it away and embed again)"
        ) from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Run the block in one transaction; a nested block joins the outer one."""
    if connection.in_transaction:
        yield
        return
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.rollback()


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """Read everything in the block from one snapshot, whatever other processes write meanwhile."""
    try:
        connection.execute("BEGIN")
        yield
    finally:
        if connection.in_transaction:
            connection.rollback()


def open_reader(path: Path) -> sqlite3.Connection:
    """Open a catalogue file for reading alone.

    SQLite shares a log with those who write, and needs a file beside the database for it. Where that can be neither
    opened nor made, nobody writes: the file is taken to be immutable, unless changes wait in a log that is left over.

    References
    ----------
    SQLite, Write-ahead logging, section 5, read-only databases: https://sqlite.org/wal.html#readonly
    """
    uri = f"{Path(os.path.abspath(path)).as_uri()}?mode=ro"  # noqa: PTH100
    try:
        return _opened(uri, path, _prepare_reading)
    except sqlite3.OperationalError as error:
        log = Path(f"{path}-wal")
        if _code(error) not in NO_WRITING:
            raise
        if log.exists() and log.stat().st_size:
            raise CatalogueError(
                f"catalogue {str(path)!r} must be writable: its last changes are in {log.name} yet, for whoever can "
                "write to open it once"
            ) from error
    return _opened(f"{uri}&immutable=1", path, _prepare_reading)


def _opened(database: str, path: Path, prepare: Callable[[sqlite3.Connection, Path], None]) -> sqlite3.Connection:
    """Open a file, by its path or URI, and set it up."""
    connection = sqlite3.connect(
        database,
        uri=database.startswith("file:"),
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare_reading(connection: sqlite3.Connection, path: Path) -> None:
    """Check whose file it is, and that it need not be brought up to date first."""
    _check(connection, path)
    if (version := _number(connection, "user_version")) < SCHEMA_VERSION:
        raise CatalogueError(
            f"catalogue {str(path)!r} must have schema {SCHEMA_VERSION} to be read without being written, got {version}"
        )
    connection.execute("PRAGMA query_only = ON")
    connection.execute(f"PRAGMA cache_size = -{READER_CACHE_KIB}")


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Validate the file, then set it up; a new file gets the schema."""
    _check(connection, path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    with transaction(connection):
        version = _number(connection, "user_version")  # in the transaction: another process may have created it
        if version == 0:
            for statement in (*SCHEMA.split(";\n"), *STAMPING, *LISTING_CHANGES, *LISTING_NAMES):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        for older in range(version, SCHEMA_VERSION) if version else ():
            for statement in MIGRATIONS[older]:
                connection.execute(statement)
        if version < SCHEMA_VERSION:
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file of another program or of a newer version."""
    is_empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if not is_empty and _number(connection, "application_id") != APPLICATION_ID:
        raise CatalogueError(f"catalogue {str(path)!r} must be made by audio-engine, got another program's SQLite file")
    if (version := _number(connection, "user_version")) > SCHEMA_VERSION:
        raise CatalogueError(
            f"catalogue {str(path)!r} must have schema {SCHEMA_VERSION} at most, got {version}: a newer audio-engine "
            "wrote it (pip install --upgrade audio-content-engine)"
        )


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    """Read a number from SQLite's file header."""
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])


def _code(error: sqlite3.Error) -> int:
    """Give the primary code of an error of SQLite, whose low byte it is."""
    return error.sqlite_errorcode & 0xFF
