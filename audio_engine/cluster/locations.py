"""Locations of audio files: URIs resolved to files that a decoder can open, local ones in place, remote ones as a copy.

A local file is identified by its absolute path, or, if that is not UTF-8, by its ``file://`` URI, which can express any
byte.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from audio_engine.catalogue.paths import local_path
from audio_engine.catalogue.track import stored_time_ns
from features.decode_errors import DecodeError

MAX_SUFFIX = 16  # characters; anything longer is not a file ending


@dataclass(frozen=True, kw_only=True)
class LocalFile:
    """A file that can be opened on this machine."""

    path: Path
    file_size: int  # bytes
    mtime_ns: int  # nanoseconds since 1970, of the original; 0 if its store does not report it


@contextmanager
def local_copy(uri: str) -> Iterator[LocalFile]:
    """Make a file available locally for the duration of the block.

    Raises
    ------
    DecodeError
        When it is local and not a regular file.
    OSError
        When it does not exist. Errors of a remote store pass through.
    """
    path = local_path(uri)
    if path:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DecodeError("it is not a regular file")
        yield LocalFile(path=path, file_size=status.st_size, mtime_ns=stored_time_ns(status.st_mtime_ns))
        return
    filesystem, remote = open_home(uri)
    with TemporaryDirectory(prefix="audio-engine-") as folder:
        path = Path(folder) / f"sound{PurePosixPath(remote).suffix[:MAX_SUFFIX]}"
        filesystem.get_file(remote, str(path))
        yield LocalFile(path=path, file_size=path.stat().st_size, mtime_ns=_mtime_ns(filesystem, remote))


def open_home(uri: str) -> tuple[Any, str]:
    """Find the fsspec file system of a URI or a local path, and the path in it.

    Raises
    ------
    ValueError
        When no installed package supports the scheme; the message says what to install.
    """
    import fsspec  # noqa: PLC0415  (comes with the extra "ray", and with torch)

    if (local := local_path(uri)) is not None:  # without fsspec, which reads "::" as a chain of file systems
        return fsspec.filesystem("file"), os.path.abspath(local)  # noqa: PTH100  (links are kept as they are)
    try:
        filesystem, path = fsspec.core.url_to_fs(uri)
    except (ImportError, ValueError) as error:
        raise ValueError(f"uri must be of a supported scheme, got {uri!r}: {error}") from error
    return filesystem, path


@contextmanager
def reaching(uri: str) -> Iterator[None]:
    """Wrap errors of a store, which may be of any class ("no credentials"), and name the URI.

    Raises
    ------
    OSError
        Instead of any error that is neither an ``OSError`` nor a ``ValueError``.
    """
    try:
        yield
    except (OSError, ValueError):
        raise
    except Exception as error:  # of classes private to the store
        raise OSError(errno.EIO, f"cannot be reached: {error}", uri) from error


def _mtime_ns(filesystem: Any, path: str) -> int:
    """Return when a remote file was written; 0 if its store does not report it."""
    try:
        return stored_time_ns(int(filesystem.modified(path).timestamp() * 1e9))
    except (NotImplementedError, AttributeError, KeyError):
        return 0
