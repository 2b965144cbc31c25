"""Disks and users of the tests' own: a small disk, one that can only be read, somebody without permissions."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65_534


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
    """Be somebody who may read a folder, and all in it, and write nothing there."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    for parent in folder.parents[:-1]:
        if os.geteuid() == 0 and parent.stat().st_uid == 0 and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
    with nobody():
        yield
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


@contextmanager
def nobody() -> Iterator[None]:
    """Be a user whom nothing belongs to, where the tests run as root, who may do anything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def _mount(*arguments: str | Path) -> None:
    if subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
