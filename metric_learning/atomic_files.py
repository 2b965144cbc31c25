"""Atomic writes: files and folders are written beside their final name, then renamed.

Anyone who opens the name meanwhile finds the old content. A killed process leaves nothing half-written under the name;
what it leaves of a folder beside it, the next one clears away. The module
is in `metric_learning` because models are written by it, and `audio_engine`, which writes everything else by it, may
import `metric_learning`.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from glob import escape
from pathlib import Path
from uuid import uuid4

from metric_learning.full_disk import naming_full_disk


def check_place(out: Path) -> None:
    """Refuse a file that `whole_file` could not write, before any work is done for it.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError
        When its folder is missing; when it is a folder; when nothing may be written to its folder (`OSError` where the
        whole disk can only be read).
    """
    if not out.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(out.parent))
    if out.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(out))
    if not os.access(out.parent, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        is_read_only = hasattr(os, "statvfs") and os.statvfs(out.parent).f_flag & os.ST_RDONLY
        why = errno.EROFS if is_read_only else errno.EACCES
        raise OSError(why, os.strerror(why), str(out))


@contextmanager
def whole_file(out: Path) -> Iterator[Path]:
    """Give a temporary path to write to; it is renamed to `out` if the block succeeds.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError
        As `check_place`; names `out`, not the temporary file.
    """
    check_place(out)
    temporary = _beside(out, "part")
    try:
        with naming_full_disk(out):
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(out)
    except PermissionError as error:
        if temporary.name in str(error):  # a name that nobody typed
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(out)) from error
        raise
    finally:
        with suppress(OSError):  # what went wrong before is what the caller must hear of
            temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """Give a temporary folder to write into; it replaces `out` if the block succeeds.

    Between the two renames at the end, for an instant, there is no `out`; missing parent folders are created. What
    killed processes left is cleared away first, by `restore_folder`.
    """
    restore_folder(out)
    temporary, older = _beside(out, "part"), _beside(out, "old")
    try:
        with ExitStack() as locks:
            with naming_full_disk(out):
                temporary.mkdir(parents=True)
                locks.enter_context(_locked(temporary))
                yield temporary
            if out.exists():
                locks.enter_context(_locked(out))
                out.replace(older)
            temporary.replace(out)
    finally:
        for leftover in (temporary, older):
            shutil.rmtree(leftover, ignore_errors=True)


def restore_folder(out: Path) -> None:
    """Clear away what killed processes left beside a folder that `whole_folder` writes.

    If one was killed between its two renames, the older folder comes back. What a process writes just now, it holds a
    lock on, and keeps. Whoever reads the folder in order to write it calls this before.
    """
    for ending in ("old", "part"):
        for leftover in out.parent.glob(f".{escape(out.name)}.{'[0-9a-f]' * 32}.{ending}"):
            with _locked(leftover) as is_abandoned:
                if is_abandoned and ending == "old" and not out.exists():
                    leftover.replace(out)
                elif is_abandoned:
                    shutil.rmtree(leftover, ignore_errors=True)


def write_whole(out: Path, content: bytes) -> None:
    """Write bytes to a file; raises as `whole_file`."""
    with whole_file(out) as temporary:
        temporary.write_bytes(content)


def _beside(out: Path, ending: str) -> Path:
    """Return a path in the same folder that no other writer uses."""
    return out.with_name(f".{out.name}.{uuid4().hex}.{ending}")


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Lock a folder until the block or the process ends; False where another has locked it, or no lock can be had."""
    descriptor = None
    with suppress(OSError):  # it has gone, or the system has no such locks
        descriptor = os.open(folder, os.O_RDONLY)
    if descriptor is None:
        yield False
        return
    try:
        yield _lock(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Try to lock an open folder."""
    import fcntl  # noqa: PLC0415  (Unix has it; elsewhere no folder can be opened)

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
