import threading
from pathlib import Path

import numpy as np
import pytest

from audio_engine.training import pretraining
from features.decode import Segments, decode_segments
from features.recipe import MelRecipe
from tests.listening_world import N_WARM, RECIPE


def test_no_more_than_a_few_files_are_decoded_ahead(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [world / f"t{i}.wav" for i in range(N_WARM)]
    n_decoded, lock = [0], threading.Lock()

    def decode(file: Path, recipe: MelRecipe) -> Segments:
        with lock:
            n_decoded[0] += 1
        return decode_segments(file, recipe)

    monkeypatch.setattr(pretraining, "decode_segments", decode)
    monkeypatch.setattr(pretraining.os, "cpu_count", lambda: 1)
    found = []
    for n_read, decoded in enumerate(pretraining._decoded(files, RECIPE), start=1):
        assert n_decoded[0] <= n_read + pretraining.AHEAD + 1
        found.append(decoded.segments)
    np.testing.assert_array_equal(found[7], decode_segments(files[7], RECIPE).segments)
    assert len(found) == N_WARM
