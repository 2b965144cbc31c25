"""EGES on planted communities: plays place what is played, side information places what is not."""

import numpy as np
import pytest
import torch

from metric_learning.eges import Eges, EgesRecipe, eges_vectors, train_eges
from metric_learning.walks import WalkRecipe
from tests.metric_learning.planted_graph import COLD, N_PLAYED, WARM, margin, planted_graph, planted_side

RECIPE = EgesRecipe(dim=8, walks=WalkRecipe(n_walks=4, n_steps=4, n_epochs=5, batch=64, n_shared=32))


def learn(folder, **side):
    graph = planted_graph(folder)
    return eges_vectors(graph, train_eges(graph, planted_side(**side), recipe=RECIPE))


def test_played_tracks_lie_in_their_communities(tmp_path):
    vectors = learn(tmp_path, audio=False, categories=False)
    assert margin(vectors, WARM) > 0.5
    assert not vectors[COLD].any()  # nothing is known of them


def test_new_tracks_of_new_artists_are_placed_by_their_sound_alone(tmp_path):
    assert not learn(tmp_path, audio=False)[COLD].any()
    vectors = learn(tmp_path)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert margin(vectors, COLD) > 0.3


def test_the_same_seed_gives_the_same_vectors(tmp_path):
    one, other = ((tmp_path / name) for name in ("one", "other"))
    one.mkdir()
    other.mkdir()
    assert np.array_equal(learn(one), learn(other))


def test_a_vector_is_the_weighted_mean_of_what_is_known():
    side = planted_side()
    model = Eges(side, RECIPE)
    with torch.no_grad():
        model.attention.copy_(torch.tensor([0.1, 0.5, -0.4]))
        model.by_track.tables[1][3] = torch.tensor([1.0, 0.0, 2.0])
        (artist,) = model.categories.read(torch.tensor([[1]]))[0]
        parts = np.stack([model.by_track.tables[0][3], artist, torch.from_numpy(side.audio[3]) @ model.of_audio])
    weights = np.exp([0.1 + 1.0, 0.5, -0.4 + 2.0])
    for has_own, first in ((True, 0), (False, 1)):
        mean = (weights[first:, None] * parts[first:]).sum(0) / weights[first:].sum()
        found = model.vectors(np.array([3]), has_own=np.array([has_own]))[0]
        assert found == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)


def test_values_that_no_played_track_has_are_not_used(tmp_path):
    side = planted_side()
    codes = side.codes.copy()
    codes[N_PLAYED:] = 2  # an artist of new tracks only
    new = type(side)(codes=codes, n_codes=3, audio=side.audio)
    graph = planted_graph(tmp_path)
    found = eges_vectors(graph, train_eges(graph, new, recipe=RECIPE))
    assert margin(found, COLD) > 0.3
    assert (new.as_known_from(graph.has_neighbours()).codes[N_PLAYED:] == -1).all()


@pytest.mark.parametrize("change", [{"dim": 0}, {"id_dropout": 1.0}, {"side_dropout": -0.1}])
def test_a_recipe_out_of_range_is_refused(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        EgesRecipe(**change)
