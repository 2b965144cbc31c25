"""The fusion head on planted communities: it keeps what tells them apart, and does without a part that is missing."""

import numpy as np
import pytest

from metric_learning.fusion_head import FusionRecipe, train_fusion_head
from metric_learning.walks import WalkRecipe
from tests.metric_learning.planted_graph import COLD, N_PLAYED, WARM, margin, planted_graph, planted_side


def test_a_head_learns_what_is_played_together_and_does_without_a_part(tmp_path):
    graph, sound = planted_graph(tmp_path), planted_side().audio
    noise = np.random.default_rng(2).normal(size=(len(sound), 12)).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    noise[N_PLAYED:] = 0  # as if only played tracks had it
    walks = WalkRecipe(n_walks=3, n_steps=4, n_epochs=5, batch=256, n_shared=32)
    fused = train_fusion_head(graph, [sound, noise], recipe=FusionRecipe(dim=8, learning_rate=0.01, walks=walks))
    assert fused.shape == (len(sound), 8)
    assert np.linalg.norm(fused, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert margin(fused, WARM) > margin(sound, WARM)
    assert margin(fused, COLD) > margin(sound, COLD)


def test_a_recipe_out_of_range_is_refused():
    with pytest.raises(ValueError, match="part_dropout"):
        FusionRecipe(part_dropout=1.0)
