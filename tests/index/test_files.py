"""Saving and loading: equal results, no partial files, every damage refused, old format versions still read."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from index.files import FORMAT_VERSION, IndexFileError
from index.kinds import IndexDescription
from index.vector_index import VectorIndex
from tests.index.twin import clustered, names
from tests.index.write_saved_indexes import KINDS, N_TRACKS, made

SAVED = Path(__file__).parent / "saved"


@pytest.fixture(params=KINDS)
def index(request):
    return made(request.param)


def test_what_is_loaded_answers_as_what_was_saved(index, tmp_path):
    index.save(tmp_path / "index")
    loaded = VectorIndex.load(tmp_path / "index")
    queries = clustered(20, seed=5)
    assert loaded.search(queries, 10) == index.search(queries, 10)
    assert loaded.search(queries, 10, allowed_ids=names(40)) == index.search(queries, 10, allowed_ids=names(40))
    assert loaded.describe() == index.describe()
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "index").read_bytes()


def test_a_loaded_index_is_changed_in_memory_not_in_the_file(index, tmp_path):
    index.save(tmp_path / "index")
    before = (tmp_path / "index").read_bytes()
    loaded = VectorIndex.load(tmp_path / "index")
    loaded.remove(names(30))
    loaded.add(["new"], clustered(1, seed=8))
    assert loaded.search(clustered(1, seed=8), 1)[0][0][0] == "new"
    assert (tmp_path / "index").read_bytes() == before
    assert len(VectorIndex.load(tmp_path / "index")) == N_TRACKS


def test_saving_over_a_file_that_is_mapped_leaves_its_reader_whole(index, tmp_path):
    index.save(tmp_path / "index")
    loaded = VectorIndex.load(tmp_path / "index")
    expected = index.search(clustered(5, seed=5), 10)
    VectorIndex.build(["alone"], clustered(1)).save(tmp_path / "index")
    assert loaded.search(clustered(5, seed=5), 10) == expected
    assert len(VectorIndex.load(tmp_path / "index")) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


def test_a_save_that_fails_leaves_the_old_file_and_nothing_beside_it(index, tmp_path, monkeypatch):
    index.save(tmp_path / "index")
    before = (tmp_path / "index").read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("index.files.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        index.save(tmp_path / "index")
    assert (tmp_path / "index").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


def test_a_file_cut_off_anywhere_is_refused(index, tmp_path):
    index.save(tmp_path / "index")
    whole = (tmp_path / "index").read_bytes()
    for n_bytes in [*range(0, len(whole), len(whole) // 40), len(whole) - 1]:
        (tmp_path / "cut").write_bytes(whole[:n_bytes])
        with pytest.raises(IndexFileError, match="cut must"):
            VectorIndex.load(tmp_path / "cut")


def test_a_flipped_bit_anywhere_is_refused(index, tmp_path):
    index.save(tmp_path / "index")
    whole = (tmp_path / "index").read_bytes()
    places = np.random.default_rng(0).integers(0, len(whole) * 8, 200).tolist()
    for bit in [*places, *range(8 * len(whole) - 8 * 28, 8 * len(whole))]:
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        (tmp_path / "flipped").write_bytes(flipped)
        with pytest.raises(IndexFileError):
            VectorIndex.load(tmp_path / "flipped")


def test_a_later_format_version_is_named(index, tmp_path):
    index.save(tmp_path / "index")
    whole = bytearray((tmp_path / "index").read_bytes())
    whole[-8:-4] = struct.pack("<I", 7)
    (tmp_path / "index").write_bytes(whole)
    with pytest.raises(IndexFileError, match="format version of index must be 4 at most, got 7"):
        VectorIndex.load(tmp_path / "index")


@pytest.mark.parametrize("path", sorted(SAVED.iterdir()), ids=lambda path: path.stem)
def test_files_of_every_format_version_load_for_ever(path):
    name, version = path.stem.split("-version-")
    loaded = VectorIndex.load(path)
    vectors = clustered(N_TRACKS)
    assert isinstance(loaded.describe(), IndexDescription)
    assert loaded.describe().kind == KINDS[name]
    assert int(version) <= FORMAT_VERSION
    tolerance = 1e-3 if name == "compressed" else 0
    assert loaded.vectors(names(N_TRACKS)) == pytest.approx(vectors, abs=tolerance)
    answers = loaded.search(vectors, 1)
    assert [answer[0][0] for answer in answers] == names(N_TRACKS)
    loaded.remove(["000000"])
    assert loaded.search(vectors[:1], 1)[0][0][0] != "000000"


def test_the_checksum_is_that_of_zlib():
    whole = (SAVED / "exact-version-1.index").read_bytes()
    crc, n_text = struct.unpack("<II", whole[-28:-20])
    assert zlib.crc32(whole[: len(whole) - 28 - n_text]) == crc
