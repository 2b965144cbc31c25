import struct

import numpy as np
import pytest

from audio_engine.evaluation.genre.tensorflow_checkpoint import read_checkpoint


def varint(number):
    written = []
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])


def bytes_field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def number_field(number, value):
    return varint(number << 3) + varint(value)


def entry(shape, offset, n_bytes, dtype=1):
    """Write a BundleEntryProto, its checksum as a fixed field."""
    sizes = b"".join(bytes_field(2, number_field(1, size)) for size in shape)
    return (
        number_field(1, dtype)
        + bytes_field(2, sizes)
        + number_field(4, offset)
        + number_field(5, n_bytes)
        + varint(6 << 3 | 5)
        + b"\0\0\0\0"
    )


def block(entries):
    """Write a block: keys in order, each without what it shares with the one before."""
    content, before = b"", b""
    for key, value in entries:
        shared = next((n for n in range(min(len(key), len(before)), 0, -1) if key[:n] == before[:n]), 0)
        content += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    return content + struct.pack("<II", 0, 1)


def write_checkpoint(folder, tensors, compressed=False):
    """Write the layout of table_format.md: a block, an index block, a footer of 48 bytes."""
    numbers, entries = b"", [(b"", number_field(1, 1))]
    for name in sorted(tensors):
        content = tensors[name].tobytes()
        dtype = {"float32": 1, "int64": 9}[tensors[name].dtype.name]
        entries.append((name.encode(), entry(tensors[name].shape, len(numbers), len(content), dtype)))
        numbers += content
    data = block(entries)
    table = data + bytes([compressed]) + b"\0\0\0\0"
    index = block([(b"zzz", varint(0) + varint(len(data)))])
    footer = varint(0) + varint(0) + varint(len(table)) + varint(len(index))
    table += index + b"\0" + b"\0\0\0\0" + footer.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)
    (folder / ".index").write_bytes(table)
    (folder / ".data-00000-of-00001").write_bytes(numbers)


def test_tensors_come_back_by_name_and_shape_and_counters_are_left_out(tmp_path):
    kernel = np.random.default_rng(0).standard_normal((7, 38, 1, 4)).astype(np.float32)
    tensors = {
        "conv2d/kernel": kernel,
        "conv2d/bias": np.arange(200, dtype=np.float32),
        "step": np.array([3], np.int64),
    }
    write_checkpoint(tmp_path, tensors)
    read = read_checkpoint(tmp_path)
    assert set(read) == {"conv2d/kernel", "conv2d/bias"}
    assert np.array_equal(read["conv2d/kernel"], kernel)
    assert np.array_equal(read["conv2d/bias"], tensors["conv2d/bias"])


def test_a_compressed_table_and_another_file_are_refused(tmp_path):
    write_checkpoint(tmp_path, {"a": np.zeros(3, np.float32)}, compressed=True)
    with pytest.raises(ValueError, match="must not be compressed"):
        read_checkpoint(tmp_path)
    (tmp_path / ".index").write_bytes(b"no table at all" * 9)
    with pytest.raises(ValueError, match="the index must be a TensorFlow checkpoint's"):
        read_checkpoint(tmp_path)
