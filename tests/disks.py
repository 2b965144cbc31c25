"""Disks and permissions for tests: a small disk, one that can only be read, and root bound to permissions."""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(place: Path, *, n_kib: int) -> Iterator[Path]:
    """Mount a disk of so many KiB; the test is left out where that is not allowed."""
    place.mkdir()
    _mount("-t", "tmpfs", "-o", f"size={n_kib}k", "none", place)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@contextmanager
def read_only_disk(folder: Path, place: Path) -> Iterator[Path]:
    """Mount a folder so that it can only be read; the test is left out where that is not allowed."""
    place.mkdir()
    _mount("--bind", folder, place)
    try:
        _mount("-o", "remount,ro,bind", place)
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def fill(disk: Path) -> None:
    """Leave no space on a small disk."""
    with (disk / "fill").open("ab", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(4_096))


@contextmanager
def without_permissions(folder: Path) -> Iterator[None]:
    """Take away every permission to write to a folder and what is in it."""
    paths = (folder, *folder.rglob("*"))
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    with as_nobody_special():
        yield
    for path in paths:
        if path.exists():
            path.chmod(0o755 if path.is_dir() else 0o644)


@contextmanager
def as_nobody_special() -> Iterator[None]:
    """Let permissions hold for this thread, and those that it starts, even if it is root's, who may do anything else.

    References
    ----------
    capabilities(7), capset(2): two words of 32 bits for each of the effective, permitted and inheritable ones.
    """
    if os.geteuid() != 0:
        yield
        return
    libc, header, kept = (
        ctypes.CDLL(None, use_errno=True),
        (ctypes.c_uint32 * 2)(0x2008_0522, 0),
        (ctypes.c_uint32 * 6)(),
    )
    libc.capget(header, kept)
    fewer = (ctypes.c_uint32 * 6)(*kept)
    fewer[0] &= ~0b1110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER
    if libc.capset(header, fewer):
        pytest.skip("no capability can be put down here")
    try:
        yield
    finally:
        libc.capset(header, kept)


def _mount(*arguments: str | Path) -> None:
    if subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
