"""The model that ships, and a song that is long enough to be seeked."""

import numpy as np
import pytest

from metric_learning.embedder import Embedder
from tests.features.odd_sounds import RATE, SONG_S
from tests.sounds import melody


@pytest.fixture(scope="package")
def embedder() -> Embedder:
    return Embedder.load(device="cpu")


@pytest.fixture(scope="package")
def song() -> np.ndarray:
    return melody(SONG_S, RATE)
