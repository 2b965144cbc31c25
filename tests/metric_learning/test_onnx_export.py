"""The graph of a small encoder; that of the model that ships: `tests.audio_engine.embedding.test_model_export`."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from metric_learning.checkpoint import save_checkpoint
from metric_learning.embedder import Embedder
from metric_learning.encoder import CACHE_SEGMENTS, AudioEncoder
from metric_learning.onnx_export import export_onnx
from tests.listening_world import CONFIG, RECIPE

onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
pytest.importorskip("onnxscript", reason="the extra onnx is not installed")


def test_a_graph_embeds_more_and_fewer_tracks_and_segments_than_it_was_traced_with(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = replace(CONFIG, teachers=(4,), taught_width=8, n_random=8)
    save_checkpoint(tmp_path, AudioEncoder(config), RECIPE)
    embedder = Embedder.load(tmp_path, device="cpu")
    session = onnxruntime.InferenceSession(export_onnx(tmp_path))
    rng = np.random.default_rng(0)
    for n_tracks, n_segments in ((1, 1), (2, 3), (3, 2 * CACHE_SEGMENTS)):
        segments = rng.uniform(-1, 1, (n_tracks, n_segments, RECIPE.segment_samples)).astype(np.float32)
        [vectors] = session.run(None, {"segments": segments})
        expected = embedder.encode(embedder.log_mel_of(segments))
        np.testing.assert_allclose(vectors, expected, rtol=0, atol=1e-4)
