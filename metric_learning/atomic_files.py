"""Atomic writes: files and folders are written beside their final name, then renamed.

Whoever opens the name meanwhile finds what was there before; after a kill nothing is half there. It stands in this room
because models are written by it, and `audio_engine`, which writes all else by it, may import this room.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


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


def write_whole(out: Path, content: bytes) -> None:
    """Write bytes to a file; raises as `whole_file`."""
    with whole_file(out) as aside:
        aside.write_bytes(content)


def _beside(out: Path, ending: str) -> Path:
    """Name a place in the same folder that no other writer has."""
    return out.with_name(f".{out.name}.{uuid4().hex}.{ending}")
