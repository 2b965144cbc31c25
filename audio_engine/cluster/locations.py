"""A URI in, a file that a decoder can open out: local paths as they are, anything that fsspec knows by a copy.

A local file goes by its absolute path, or, where that is not UTF-8, by its ``file://`` URI, which can spell any byte.
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
from features.decode import DecodeError

MAX_SUFFIX = 16  # characters; what is longer is no ending of a file's name


@dataclass(frozen=True, kw_only=True)
class LocalFile:
    """A file that can be opened here."""

    path: Path
    file_size: int  # bytes
    mtime_ns: int  # nanoseconds since 1970, of the original; 0 where its home does not say


@contextmanager
def local_copy(uri: str) -> Iterator[LocalFile]:
    """Make a file available here for as long as the block lasts.

    Raises
    ------
    DecodeError
        When it is local and not a regular file.
    OSError
        When it is not there. What the home of a remote file raises passes through.
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
    """Find the fsspec file system that a URI or a local path belongs to, and the path in it.

    Raises
    ------
    ValueError
        When nothing that is installed knows the scheme; the message says what to install.
    """
    import fsspec  # noqa: PLC0415  (comes with the extra "ray", and with torch)

    if (local := local_path(uri)) is not None:  # not asked of fsspec, which reads "::" as a chain of file systems
        return fsspec.filesystem("file"), os.path.abspath(local)  # noqa: PTH100  (links are kept as they are)
    try:
        filesystem, path = fsspec.core.url_to_fs(uri)
    except (ImportError, ValueError) as error:
        raise ValueError(f"uri must be of a scheme that can be read here, got {uri!r}: {error}") from error
    return filesystem, path


@contextmanager
def reaching(uri: str) -> Iterator[None]:
    """Name what could not be reached; stores have errors of their own, of any class ("no credentials").

    Raises
    ------
    OSError
        In place of what is neither that nor a ``ValueError``.
    """
    try:
        yield
    except (OSError, ValueError):
        raise
    except Exception as error:  # of classes that only the store knows
        raise OSError(errno.EIO, f"cannot be reached: {error}", uri) from error


def _mtime_ns(filesystem: Any, path: str) -> int:
    """Ask when a remote file was written; 0 where its home does not say."""
    try:
        return stored_time_ns(int(filesystem.modified(path).timestamp() * 1e9))
    except (NotImplementedError, AttributeError, KeyError):
        return 0
