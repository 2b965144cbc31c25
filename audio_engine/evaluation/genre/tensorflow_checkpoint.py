"""Reader of TensorFlow checkpoints, without TensorFlow.

A checkpoint is a sorted string table (``.index``: name to a `BundleEntryProto`) beside the raw numbers
(``.data-00000-of-00001``). This reads only what the checkpoints of MusiCNN need: one shard, float32, no compression.

References
----------
LevelDB, doc/table_format.md: blocks, restarts, footer. TensorFlow, tensor_bundle.proto: the entries.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAGIC = 0xDB4775248B80FB57  # the last eight bytes of a table
FOOTER_BYTES = 48
FLOAT32 = 1  # DT_FLOAT of types.proto
VARINT, EIGHT_BYTES, BYTES, FOUR_BYTES = 0, 1, 2, 5  # wire types of protocol buffers
FIXED_BYTES = {EIGHT_BYTES: 8, FOUR_BYTES: 4}


def read_checkpoint(directory: Path) -> dict[str, NDArray[np.float32]]:
    """Read the float32 tensors of a checkpoint that was saved under the empty name.

    Parameters
    ----------
    directory
        Holds ``.index`` and ``.data-00000-of-00001``.

    Returns
    -------
    tensors
        By name, including the moments of the optimiser.

    Raises
    ------
    ValueError
        When it is not such a checkpoint.
    """
    numbers = (directory / ".data-00000-of-00001").read_bytes()
    tensors = {}
    for name, entry in _table(directory / ".index"):
        fields = dict(_fields(entry))
        if name == b"" or fields.get(1) != FLOAT32:  # the header, or a counter
            continue
        shape = [dict(_fields(size)).get(1, 0) for field, size in _fields(fields.get(2, b"")) if field == 2]
        start, n_bytes = fields.get(4, 0), fields[5]
        tensors[name.decode()] = np.frombuffer(numbers[start : start + n_bytes], "<f4").reshape(shape)
    return tensors


def _table(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Iterate over the entries of a sorted string table."""
    table = path.read_bytes()
    if len(table) < FOOTER_BYTES or struct.unpack("<Q", table[-8:])[0] != MAGIC:
        raise ValueError(f"the index must be a TensorFlow checkpoint's, got {path}")
    footer = table[-FOOTER_BYTES:]
    _, after_offset = _varint(footer, 0)
    _, after_meta_index = _varint(footer, after_offset)
    for _, handle in _block(table, footer[after_meta_index:]):
        yield from _block(table, handle)


def _block(table: bytes, handle: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Iterate over one block: each key is stored as the prefix length it shares with the previous one, and the rest."""
    start, position = _varint(handle, 0)
    size, _ = _varint(handle, position)
    if table[start + size] != 0:
        raise ValueError(f"a block of the index must not be compressed, got type {table[start + size]}")
    block = table[start : start + size]
    n_restarts = struct.unpack("<I", block[-4:])[0]
    end, position, key = size - 4 * (n_restarts + 1), 0, b""
    while position < end:
        n_shared, position = _varint(block, position)
        n_own, position = _varint(block, position)
        n_value, position = _varint(block, position)
        key = key[:n_shared] + block[position : position + n_own]
        position += n_own + n_value
        yield key, block[position - n_value : position]


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Iterate over the fields of a protocol buffer: number and value."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        if wire_type == BYTES:
            n_bytes, position = _varint(message, position)
        else:
            n_bytes = FIXED_BYTES[wire_type]
        position += n_bytes
        yield number, message[position - n_bytes : position]


def _varint(content: bytes, position: int) -> tuple[int, int]:
    """Read a number of seven bits per byte; returns its end too."""
    value, shift = 0, 0
    while True:
        byte = content[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
