"""Files and folders that are whole or not there: written beside their final name, then renamed.

Whoever opens the name meanwhile finds what was there before; after a kill nothing is half there.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(out: Path) -> Iterator[Path]:
    """Give a path to write to; what lies there takes its place as `out` when the block has ended well.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        When the file cannot lie there.
    """
    if not out.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(out.parent))
    if out.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(out))
    aside = _beside(out, "part")
    try:
        yield aside
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(out)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """Give a new folder to write into; it takes the place of `out` when the block has ended well.

    Between the two renames at the end, for an instant, there is no `out`; folders above it are made.
    """
    aside, older = _beside(out, "part"), _beside(out, "old")
    aside.mkdir(parents=True)
    try:
        yield aside
        if out.exists():
            out.replace(older)
        aside.replace(out)
    finally:
        for leftover in (aside, older):
            shutil.rmtree(leftover, ignore_errors=True)


def _beside(out: Path, ending: str) -> Path:
    """Name a place of this process's own in the same folder."""
    return out.with_name(f".{out.name}.{os.getpid()}.{ending}")
