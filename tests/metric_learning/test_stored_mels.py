import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from metric_learning.stored_mels import StoredMels

SHAPE = (30, 4, 8, 500)
ROWS = np.array([29, 3, 11, 7, 20])


@pytest.fixture
def stored(tmp_path: Path) -> np.ndarray:
    np.save(tmp_path / "mels.npy", np.random.default_rng(0).normal(size=SHAPE).astype(np.float16))
    return np.load(tmp_path / "mels.npy", mmap_mode="r")


def test_stored_mels_are_indexed_like_an_array(stored: np.ndarray) -> None:
    mels, whole = StoredMels(stored, ROWS), np.array(stored)[ROWS]
    batch, segments = np.array([4, 0, 4]), np.array([[0, 1], [2, 3], [3, 0]])
    assert (len(mels), mels.shape) == (5, whole.shape)
    for key in (1, batch, slice(1, 3), slice(None), (batch[:, None], segments)):
        np.testing.assert_array_equal(mels[key], whole[key])
        assert mels[key].flags.writeable
        assert mels[key].dtype == np.float16
    np.testing.assert_array_equal(np.stack(list(mels)), whole)
    np.testing.assert_array_equal(mels.where(ROWS > 10)[:], whole[ROWS > 10])


def test_a_batch_is_all_that_is_read(stored: np.ndarray) -> None:
    tracemalloc.start()
    mels = StoredMels(stored, np.arange(30)).where(np.arange(30) < 25)
    for track in mels:
        assert track.shape == SHAPE[1:]
    batch = mels[np.array([1, 2])]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * batch.nbytes + 20_000
