"""Recursive scan for audio files, in a stable order, robust against anything else on the disk.

A file is recognised by its ending, or, if the ending tells nothing, by its first bytes. Each folder is visited once,
however many links lead to it, so a loop of links ends; real folders are visited before links, so a link never hides the
folder it leads to. Only regular files are ever opened. Wastebaskets are passed by: what somebody has deleted is
not to be recommended to them.
"""
# ruff: noqa: SIM905  (thirty endings as a list would be thirty lines)

import os
import re
import stat
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from features.sniff import SNIFF_BYTES, is_audio

AUDIO_ENDINGS = frozenset(
    ".3ga .aac .ac3 .aif .aifc .aiff .amr .ape .au .caf .dff .dsf .flac .m4a .m4b .m4r .mka .mp2 .mp3 .mp4 .mpc .mpga "
    ".oga .ogg .opus .ra .rf64 .snd .spx .tak .tta .w64 .wav .wave .weba .webm .wma .wv".split()
)
OTHER_ENDINGS = frozenset(  # so common beside music that opening each would waste time; .ogv is video, .part on its way
    ".cue .gif .jpeg .jpg .json .log .lrc .m3u .m3u8 .nfo .ogv .part .pdf .png .txt .webp .xml".split()
)
NOT_MUSIC = re.compile(  # names of wastebaskets (freedesktop, macOS, Windows, Synology, QNAP), and what fsck found
    r"\.trash(es|-\d+)?|\$recycle\.bin|[#@]recycle|lost\+found", re.IGNORECASE
)
APPLE_DOUBLE = "._"  # prefix of the metadata file that macOS puts beside "track.mp3" on foreign disks: no audio

OnError = Callable[[Path, OSError], None]


def find_audio_files(*roots: str | Path, on_error: OnError | None = None) -> Iterator[Path]:
    """Find the audio files below folders.

    Parameters
    ----------
    roots
        Folders, or files, which are returned as they are, in a wastebasket too. A folder reached twice is visited once.
    on_error
        Called with the path and the error when a folder cannot be listed; the scan continues.

    Returns
    -------
    paths
        Absolute, with links unresolved; the files of a folder by name, then its subfolders. A FIFO, socket, device or
        broken link with the ending of an audio file is included, so that its failure is recorded.

    Raises
    ------
    FileNotFoundError
        Immediately, when a root does not exist.
    """
    absolute = [Path(os.path.abspath(root)) for root in roots]  # noqa: PTH100  (Path.absolute leaves ".." in)
    for root in absolute:
        root.stat()
    return _walk_all(absolute, on_error=on_error or (lambda path, error: None))


def _walk_all(roots: list[Path], *, on_error: OnError) -> Iterator[Path]:
    """Visit the roots, then the folders that links led to, then the links found in those, and so on."""
    waiting = deque(roots)
    visited: set[tuple[int, int]] = set()
    seen: set[Path] = set()
    while waiting:
        path = waiting.popleft()
        found = _walk(path, visited=visited, links=waiting, on_error=on_error) if path.is_dir() else iter([path])
        for file in found:
            if file not in seen:
                seen.add(file)
                yield file


def _walk(top: Path, *, visited: set[tuple[int, int]], links: deque[Path], on_error: OnError) -> Iterator[Path]:
    """Visit one folder, deferring links to folders; uses a stack, so that depth is unlimited."""
    stack = [top]
    while stack:
        folder = stack.pop()
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in visited:
                continue
            visited.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            on_error(folder, error)
            continue
        folders = []
        for entry in entries:
            try:
                if not entry.is_dir():
                    if is_wanted(entry):
                        yield folder / entry.name
                elif NOT_MUSIC.fullmatch(entry.name):
                    continue
                elif entry.is_symlink():
                    links.append(folder / entry.name)
                else:
                    folders.append(folder / entry.name)
            except OSError as error:
                on_error(folder / entry.name, error)
        stack.extend(reversed(folders))


def is_discarded(path: Path) -> bool:
    """Return whether a file lies in a wastebasket, or in another folder that the scan passes by."""
    return any(NOT_MUSIC.fullmatch(name) for name in path.parent.parts)


def is_wanted(entry: os.DirEntry[str] | Path) -> bool:
    """Return whether a file is, or claims to be, audio; by its ending even where it cannot be looked at."""
    ending = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122  (a Path for each file of a disk is slow)
    if ending in OTHER_ENDINGS:
        return False
    if ending in AUDIO_ENDINGS and not entry.name.startswith(APPLE_DOUBLE):
        return True
    try:
        return stat.S_ISREG(entry.stat().st_mode) and is_audio(_head(os.fspath(entry)))
    except OSError:
        return False


def _head(path: str) -> bytes:
    """Read the first bytes of a regular file."""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        return file.read(SNIFF_BYTES)
