"""The index file: written atomically, checksummed, versioned, and memory-mapped on reading.

Layout of format version 4: first what FAISS writes (nothing for the exact kind), so that FAISS can map it by the file's
name; then arrays, each at a multiple of 64 bytes; a JSON text with the position of each part; and a tail of 28 bytes,
little-endian: CRC-32 of all before the JSON text (uint32), length of the JSON text (uint32), its CRC-32 (uint32),
length of the whole file (uint64), format version (uint32), and ``AIDX``.
"""

import json
import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import faiss
import numpy as np
from numpy.typing import NDArray

from index.kinds import IndexDescription

FORMAT_VERSION = 4  # no checksum covers it: any two versions differ in two bits (1, 2, 4, 7, 8, …)
READABLE = (1, 2, 4)  # 1 has no spare rows, 2 no lists of 4-bit codes
MAGIC = b"AIDX"
TAIL = struct.Struct("<IIIQI4s")
ALIGNMENT = 64  # bytes
IO_BLOCK = 1 << 22  # bytes


class IndexFileError(ValueError):
    """A saved index that cannot be used: damaged, or not an index file. Build it again."""


@dataclass(frozen=True, kw_only=True)
class IndexFile:
    """The contents of an index file."""

    description: dict[str, Any]
    arrays: dict[str, NDArray[Any]]  # private maps of the file: what is written to them stays in this process
    lists: Any  # the FAISS index, mapped too; None for the exact kind


def write_index(
    path: Path,
    *,
    description: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    n_spare: Mapping[str, int],
    lists: Any = None,
) -> None:
    """Write an index atomically: readers of the path, even after a crash, find the complete old file or new one.

    Parameters
    ----------
    path
        Destination; an existing file is replaced, and processes that mapped it keep the old one.
    description
        JSON-serialisable values.
    arrays
        By name.
    n_spare
        Rows of zeros to write after an array, so that a reader can append in place; none by default.
    lists
        A FAISS index without a direct map; None for the exact kind.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with temporary.open("xb") as file:
            _write(_Summing(file), description, arrays, n_spare, lists)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_index(path: Path) -> IndexFile:
    """Validate a file and map it.

    Raises
    ------
    IndexFileError
        When it is truncated, altered, of another format version, or not an index file.
    FileNotFoundError
    """
    head = _checked_head(path)
    lists = faiss.read_index(os.fspath(path), faiss.IO_FLAG_MMAP_IFC) if head["n_lists_bytes"] else None
    arrays = {
        name: _mapped(path, offset=each["offset"], dtype=np.dtype(each["dtype"]), shape=tuple(each["shape"]))
        for name, each in head["arrays"].items()
    }
    return IndexFile(description=head["description"], arrays=arrays, lists=lists)


class _Summing:
    """A file that keeps a checksum of what is written to it."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.n_bytes = 0
        self.crc = 0

    def write(self, data: Any) -> int:
        self._file.write(data)
        n_bytes = memoryview(data).nbytes
        self.crc = zlib.crc32(data, self.crc)
        self.n_bytes += n_bytes
        return n_bytes


def _write(
    file: _Summing,
    description: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    n_spare: Mapping[str, int],
    lists: Any,
) -> None:
    """Write all of an index."""
    if lists is not None:
        faiss.write_index(lists, faiss.PyCallbackIOWriter(file.write))
    head: dict[str, Any] = {"description": dict(description), "n_lists_bytes": file.n_bytes, "arrays": {}}
    for name, array in arrays.items():
        file.write(bytes(-file.n_bytes % ALIGNMENT))
        shape = [len(array) + n_spare.get(name, 0), *array.shape[1:]]
        head["arrays"][name] = {"offset": file.n_bytes, "dtype": array.dtype.str, "shape": shape}
        step = IO_BLOCK // max(1, array[:1].nbytes) + 1
        for start in range(0, len(array), step):
            file.write(array[start : start + step].tobytes())
        file.write(bytes(n_spare.get(name, 0) * array[:1].nbytes))
    crc = file.crc
    text = json.dumps(head).encode()
    file.write(text)
    n_bytes = file.n_bytes + TAIL.size
    file.write(TAIL.pack(crc, len(text), zlib.crc32(text), n_bytes, FORMAT_VERSION, MAGIC))


def _mapped(path: Path, *, offset: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Map one array as a plain ndarray: `numpy.memmap` itself is slow to index."""
    if not np.prod(shape) * dtype.itemsize:
        return np.empty(shape, dtype=dtype)
    return np.asarray(np.memmap(path, dtype=dtype, mode="c", offset=offset, shape=shape))


def describe_file(path: Path) -> IndexDescription:
    """Read how a saved index describes itself, without reading the vectors; raises as `read_index`."""
    return IndexDescription(**_checked_head(path, is_whole=False)["description"])


def _checked_head(path: Path, *, is_whole: bool = True) -> dict[str, Any]:
    """Read the JSON text of a file, after validating it, and the whole file if that is asked for."""
    with path.open("rb") as file:
        n_bytes = file.seek(0, os.SEEK_END)
        if n_bytes < TAIL.size:
            raise IndexFileError(f"{path.name} must be an index file, got {n_bytes} bytes (truncated?)")
        file.seek(n_bytes - TAIL.size)
        crc, n_text, text_crc, n_written, version, magic = TAIL.unpack(file.read(TAIL.size))
        if magic != MAGIC:
            raise IndexFileError(f"{path.name} must end with {MAGIC!r}, got {magic!r} (truncated, or not an index?)")
        if version not in READABLE:
            raise IndexFileError(
                f"format version of {path.name} must be {FORMAT_VERSION} at most, got {version} (by another "
                "audio-engine?)"
            )
        if n_written != n_bytes or n_text > n_bytes - TAIL.size:
            raise IndexFileError(f"{path.name} must have {n_written} bytes, got {n_bytes} (damaged)")
        n_body = n_bytes - TAIL.size - n_text
        is_damaged = is_whole and _crc_of(file, n_body) != crc
        file.seek(n_body)
        text = file.read(n_text)
        if is_damaged or zlib.crc32(text) != text_crc:
            raise IndexFileError(f"{path.name} must have the checksum it was saved with, got another (damaged)")
        head: dict[str, Any] = json.loads(text)
        return head


def _crc_of(file: BinaryIO, n_bytes: int) -> int:
    """Compute the checksum of the first bytes of a file."""
    file.seek(0)
    crc = 0
    while n_bytes:
        data = file.read(min(IO_BLOCK, n_bytes))
        if not data:
            break
        crc = zlib.crc32(data, crc)
        n_bytes -= len(data)
    return crc
