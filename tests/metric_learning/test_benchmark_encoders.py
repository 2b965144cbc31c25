"""The example in docs/examples keeps to the interfaces of HEAR and X-ARES, as their own checkers see them."""

import importlib
from types import ModuleType

import numpy as np
import pytest
import torch

from features.segments import cut_segments
from metric_learning.embedder import Embedder
from tests.paths import ROOT
from tests.sounds import melody


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "docs" / "examples")
    return importlib.import_module("benchmark_encoders")


@pytest.fixture(scope="module")
def audio() -> torch.Tensor:
    """Two sounds of 0.7 s."""
    return torch.from_numpy(np.stack([melody(0.7, seed=seed)[:, 0] for seed in range(2)]))


def test_a_scene_is_embedded_as_a_track(example: ModuleType, audio: torch.Tensor, embedder: Embedder) -> None:
    model = example.load_model()
    assert isinstance(model, torch.nn.Module)
    assert (model.sample_rate, model.scene_embedding_size, model.timestamp_embedding_size) == (44_100, 40, 40)
    vectors = example.get_scene_embeddings(audio, model)
    assert vectors.dtype == torch.float32
    expected = embedder.embed(np.stack([cut_segments(sound, embedder.recipe) for sound in audio.numpy()]))
    np.testing.assert_allclose(vectors.numpy(), expected, atol=1e-5)


def test_timestamps_are_regular_and_in_milliseconds(example: ModuleType, audio: torch.Tensor) -> None:
    vectors, timestamps = example.get_timestamp_embeddings(audio, example.load_model())
    assert vectors.shape == (2, 15, 40)
    assert vectors.dtype == torch.float32
    assert timestamps.tolist() == [[50.0 * n for n in range(15)]] * 2
    assert not torch.allclose(vectors[0], vectors[1], atol=0.01)


def test_another_model_is_loaded_by_its_folder(example: ModuleType) -> None:
    with pytest.raises(FileNotFoundError, match="a model must be a folder"):
        example.load_model("/no/such/model")


def test_x_ares_gets_frames_at_the_hop_that_it_is_told(example: ModuleType, audio: torch.Tensor) -> None:
    encoder = example.ContentEncoder()
    assert isinstance(encoder, torch.nn.Module)
    frames = encoder(audio)
    assert frames.shape == (2, 1 + int(700 / encoder.hop_size_in_ms), encoder.output_dim)
    torch.testing.assert_close(encoder(audio[0]), frames[:1])


def test_hear_validator_finds_nothing_wrong(example: ModuleType) -> None:
    validate = pytest.importorskip("hearvalidator.validate", reason="hearvalidator is not installed")
    validate.ValidateModel(example.__name__, "", device="cpu")()


def test_the_checker_of_x_ares_finds_nothing_wrong(example: ModuleType) -> None:
    checker = pytest.importorskip("xares.audio_encoder_checker", reason="xares is not installed")
    assert checker.check_audio_encoder(example.ContentEncoder())
