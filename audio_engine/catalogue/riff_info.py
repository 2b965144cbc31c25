"""RIFF INFO: the tags of WAV files that sound editors write, which mutagen does not read (it reads the ID3 in them).

References
----------
IBM, Microsoft, Multimedia programming interface and data specifications 1.0, 1991, chapter 2: chunks, and the list
INFO. EBU Tech 3306, RF64, 2018: sizes past 4 GiB.
"""

import struct
from collections import defaultdict
from pathlib import Path
from typing import BinaryIO

HEADS = (b"RIFF", b"RF64", b"BW64")
IN_DS64 = 0xFFFF_FFFF  # a size of 32 bits that stands in the chunk "ds64"
MAX_BYTES = 1 << 20  # of a list; what is longer holds no titles
MAX_CHUNKS = 4_096  # looked at


def read_riff_info(path: Path) -> dict[str, list[str]]:
    """Read the list INFO of a WAV file.

    Parameters
    ----------
    path
        Any file.

    Returns
    -------
    texts
        By the four letters of their chunk, as they stand: ``INAM`` (title), ``IART`` (artist), ``IPRD`` (album),
        ``IGNR`` (genre), ``ICRD`` (date) and so on. Empty where the file is no WAV, or has no such list.

    Raises
    ------
    OSError
        When the file cannot be opened.
    """
    texts: dict[str, list[str]] = defaultdict(list)
    with path.open("rb") as file:
        if (head := file.read(12))[:4] in HEADS and head[8:] == b"WAVE":
            for content in _info_lists(file):
                for name, text in _texts(content):
                    texts[name].append(text)
    return texts


def _info_lists(file: BinaryIO) -> list[bytes]:
    """Find the lists INFO among the chunks after the head, before the sound or after it."""
    found, data_bytes = [], 0
    for _ in range(MAX_CHUNKS):
        chunk = file.read(8)
        if len(chunk) < 8:
            break
        kind, n_bytes = struct.unpack("<4sI", chunk)
        if kind == b"data" and n_bytes == IN_DS64:
            n_bytes = data_bytes or IN_DS64  # of a stream: up to the end
        start = file.tell()
        if kind == b"ds64":
            data_bytes = int.from_bytes(file.read(16)[8:], "little")
        elif kind == b"LIST" and n_bytes <= MAX_BYTES and file.read(4) == b"INFO":
            found.append(file.read(n_bytes - 4))
        file.seek(start + n_bytes + n_bytes % 2)
    return found


def _texts(content: bytes) -> list[tuple[str, str]]:
    """Read the chunks of a list: a name of four letters, a size, text that ends with NUL, padded to an even size."""
    found, at = [], 0
    while at + 8 <= len(content):
        name, n_bytes = struct.unpack_from("<4sI", content, at)
        text = content[at + 8 : at + 8 + n_bytes].split(b"\0")[0]
        found.append((name.decode("latin-1"), _decoded(text)))
        at += 8 + n_bytes + n_bytes % 2
    return found


def _decoded(text: bytes) -> str:
    """Decode what says nothing of its encoding: UTF-8 where it is valid, else that of Windows in the west."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("cp1252", "replace")
