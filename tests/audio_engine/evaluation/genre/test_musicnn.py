import json
from importlib import metadata

import numpy as np
import pytest
import torch

from audio_engine.evaluation.genre import musicnn
from audio_engine.evaluation.genre.encoders import default_names
from tests.audio_engine.evaluation.genre.golden_musicnn import GOLDEN, sound


@pytest.fixture
def network():
    try:
        return musicnn.load_musicnn()
    except ValueError:
        pytest.skip("the weights are not here: pip install --no-deps musicnn")


def test_the_network_answers_as_the_released_graph_does_in_tensorflow(network):
    golden = json.loads(GOLDEN.read_text())
    with torch.inference_mode():
        mean_pool, tags = network(torch.from_numpy(musicnn.patches(sound())))
    assert np.allclose(mean_pool, golden["mean_pool"], atol=1e-3)
    assert np.allclose(tags, golden["tags"], atol=1e-4)


def test_a_track_is_the_mean_of_its_own_patches_not_the_first_again_and_again(network):
    whole = musicnn.describe_musicnn([sound()], 16_000)
    with torch.inference_mode():
        mean_pool, _ = network(torch.from_numpy(musicnn.patches(sound())))
    assert whole.shape == (1, 753)
    assert not np.allclose(mean_pool[0], mean_pool[1], atol=0.01)
    assert np.allclose(whole[0], mean_pool.mean(0), atol=1e-5)


def test_tags_of_hiss_and_of_plucked_notes_differ_as_they_should(network):
    hiss = 0.1 * np.random.default_rng(0).standard_normal(3 * 16_000).astype(np.float32)
    of_hiss, of_notes = musicnn.tag_probabilities([hiss, sound()], 16_000)
    named = dict(zip(musicnn.TAGS, zip(of_hiss, of_notes, strict=True), strict=True))
    assert named["electronic"][1] > 0.3  # bare sine tones
    assert named["ambient"][1] > 3 * named["rock"][1]
    assert named["experimental"][0] > named["pop"][0]


def test_patches_are_side_by_side_and_a_short_sound_repeats():
    assert musicnn.patches(np.zeros(16_000 * 7, np.float32)).shape == (2, 187, 96)
    short = musicnn.patches(sound()[:16_000])
    assert short.shape == (1, 187, 96)
    assert np.array_equal(short[0, :63], short[0, 63:126])


def test_another_sample_rate_is_refused():
    with pytest.raises(ValueError, match="sample_rate must be 16000 Hz for MusiCNN, got 44100"):
        musicnn.describe_musicnn([sound()], 44_100)


def test_without_the_package_it_is_left_out_and_its_error_says_how_to_get_it(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    with pytest.raises(ValueError, match="pip install --no-deps musicnn"):
        musicnn.weights_dir()
    assert "musicnn" not in default_names()
