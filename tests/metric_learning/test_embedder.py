"""The model that ships: the same audio always gets the same vector, alone or in a batch."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from metric_learning.embedder import Embedder
from tests.metric_learning.write_golden_vectors import GOLDEN, golden_segments


@pytest.fixture(scope="module")
def vectors(embedder: Embedder) -> np.ndarray:
    return embedder.embed(golden_segments(embedder))


def test_the_shipped_model_gives_its_golden_vectors(embedder: Embedder, vectors: np.ndarray) -> None:
    golden = json.loads(GOLDEN.read_text())
    assert golden["model_id"] == embedder.model_id
    np.testing.assert_allclose(vectors, golden["vectors"], atol=1e-5)


def test_vectors_have_unit_length(embedder: Embedder, vectors: np.ndarray) -> None:
    assert vectors.shape == (3, embedder.dim) == (3, 40)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_a_track_alone_and_in_a_batch_gives_the_same_vector(embedder: Embedder, vectors: np.ndarray) -> None:
    for segments, vector in zip(golden_segments(embedder), vectors, strict=True):
        np.testing.assert_allclose(embedder.embed(segments[None])[0], vector, atol=1e-5)


@pytest.mark.parametrize("n_threads", [1, 2, 4])
def test_the_number_of_threads_does_not_matter(n_threads: int, embedder: Embedder, vectors: np.ndarray) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        np.testing.assert_allclose(embedder.embed(golden_segments(embedder)), vectors, atol=1e-5)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("gain_db", [-60, -6, 20])
def test_gain_does_not_matter(gain_db: float, embedder: Embedder, vectors: np.ndarray) -> None:
    segments = golden_segments(embedder) * np.float32(10 ** (gain_db / 20))
    np.testing.assert_allclose(embedder.embed(segments), vectors, atol=1e-4)


def test_segments_of_another_recipe_are_refused(embedder: Embedder) -> None:
    with pytest.raises(ValueError, match=r"segments must have shape \(n_tracks, "):
        embedder.embed(np.zeros((1, 2, 3), np.float32))


def test_no_track_gives_no_vector(embedder: Embedder) -> None:
    recipe = embedder.recipe
    nothing = np.zeros((0, recipe.n_segments, recipe.segment_samples), np.float32)
    assert embedder.embed(nothing).shape == (0, embedder.dim)


def test_embedding_in_many_threads_gives_the_same_vectors(embedder: Embedder, vectors: np.ndarray) -> None:
    segments, before = golden_segments(embedder), torch.get_num_threads()
    with embedder.one_thread_a_track(), ThreadPoolExecutor(3) as threads:
        assert list(threads.map(lambda _: torch.get_num_threads(), range(3))) == [1, 1, 1]
        found = list(threads.map(lambda track: embedder.embed(track[None])[0], segments))
    assert torch.get_num_threads() == before
    np.testing.assert_allclose(found, vectors, atol=1e-5)


@pytest.mark.gpu
def test_the_gpu_gives_the_vectors_of_the_cpu(vectors: np.ndarray) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    on_gpu = Embedder.load(device="cuda")
    np.testing.assert_allclose(on_gpu.embed(golden_segments(on_gpu)), vectors, atol=1e-3)
