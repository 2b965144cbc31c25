"""Atomic writes: files and folders are written beside their final name, then renamed.

Anyone who opens the name meanwhile finds the old content, and a killed process leaves no half-written file. The module
is in `metric_learning` because models are written by it, and `audio_engine`, which writes everything else by it, may
import `metric_learning`.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from metric_learning.full_disk import naming_full_disk


@contextmanager
def whole_file(out: Path) -> Iterator[Path]:
    """Give a temporary path to write to; it is renamed to `out` if the block succeeds.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        When there can be no such file.
    PermissionError
        When it may not be written; names `out`, not the temporary file.
    """
    if not out.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(out.parent))
    if out.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(out))
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

    Between the two renames at the end, for an instant, there is no `out`; missing parent folders are created.
    """
    temporary, older = _beside(out, "part"), _beside(out, "old")
    try:
        with naming_full_disk(out):
            temporary.mkdir(parents=True)
            yield temporary
        if out.exists():
            out.replace(older)
        temporary.replace(out)
    finally:
        for leftover in (temporary, older):
            shutil.rmtree(leftover, ignore_errors=True)


def write_whole(out: Path, content: bytes) -> None:
    """Write bytes to a file; raises as `whole_file`."""
    with whole_file(out) as temporary:
        temporary.write_bytes(content)


def _beside(out: Path, ending: str) -> Path:
    """Return a path in the same folder that no other writer uses."""
    return out.with_name(f".{out.name}.{uuid4().hex}.{ending}")
