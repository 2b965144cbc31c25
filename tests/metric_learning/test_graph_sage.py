"""GraphSAGE: its layer is that of torch-geometric; on planted communities new tracks are placed by their sound."""

import warnings

import numpy as np
import pytest
import torch

from metric_learning.csr_graph import sample_hops
from metric_learning.graph_sage import GraphSage, SageLayer, SageRecipe, train_graph_sage
from metric_learning.walks import WalkRecipe
from tests.metric_learning.planted_graph import COLD, WARM, margin, planted_graph, planted_side

RECIPE = SageRecipe(
    dim=8, width=16, fanouts=(4, 3), walks=WalkRecipe(n_walks=3, n_steps=4, n_epochs=3, batch=256, n_shared=32)
)


def test_a_layer_is_the_sageconv_of_torch_geometric(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its imports
        nn = pytest.importorskip("torch_geometric.nn")
    torch.manual_seed(0)
    ours, theirs = SageLayer(5, 7), nn.SAGEConv(5, 7, aggr="mean")
    with torch.no_grad():
        theirs.lin_l.weight.copy_(ours.of_neighbours.weight)
        theirs.lin_l.bias.copy_(ours.of_neighbours.bias)
        theirs.lin_r.weight.copy_(ours.of_own.weight)
    graph = planted_graph(tmp_path)
    nodes, neighbours = sample_hops(graph, np.arange(graph.n_nodes), (6,), np.random.default_rng(0))
    features = torch.randn(graph.n_nodes, 5)
    target, place = np.nonzero(neighbours >= 0)  # tracks without plays have none
    edges = torch.from_numpy(np.stack([neighbours[target, place], nodes[target]]).astype(np.int64))
    sampled = features[torch.from_numpy(np.maximum(neighbours, 0).astype(np.int64))]
    found = ours(features, sampled, torch.from_numpy(neighbours >= 0))
    assert torch.allclose(found, theirs(features, edges), atol=1e-5)


def test_two_layers_are_two_sageconvs(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nn = pytest.importorskip("torch_geometric.nn")
    torch.manual_seed(0)
    network = GraphSage(0, RECIPE)
    # a ring, where every track has one neighbour: what is drawn is all there is
    n = 6
    features = torch.randn(n, RECIPE.width)
    hops = [np.arange(n), np.roll(np.arange(n), 1)[:, None], np.roll(np.arange(n), 2)[:, None, None]]
    edges = torch.from_numpy(np.stack([np.roll(np.arange(n), 1), np.arange(n)]))
    convs = []
    for layer in network.layers:
        conv = nn.SAGEConv(layer.of_own.in_features, layer.of_own.out_features, aggr="mean")
        with torch.no_grad():
            conv.lin_l.weight.copy_(layer.of_neighbours.weight)
            conv.lin_l.bias.copy_(layer.of_neighbours.bias)
            conv.lin_r.weight.copy_(layer.of_own.weight)
        convs.append(conv)
    expected = convs[1](convs[0](features, edges).relu(), edges)
    found = network([features[torch.from_numpy(hop)] for hop in hops], [torch.from_numpy(hop >= 0) for hop in hops])
    assert torch.allclose(found, torch.nn.functional.normalize(expected, dim=1), atol=1e-5)


def test_new_tracks_are_placed_by_their_sound(tmp_path):
    graph = planted_graph(tmp_path)
    vectors = train_graph_sage(graph, planted_side(), recipe=RECIPE)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert margin(vectors, WARM) > 0.5
    assert margin(vectors, COLD) > 0.3


def test_without_sound_new_tracks_of_new_artists_have_no_vector(tmp_path):
    graph = planted_graph(tmp_path)
    vectors = train_graph_sage(graph, planted_side(audio=False), recipe=RECIPE)
    assert margin(vectors, WARM) > 0.5
    assert not vectors[COLD].any()


def test_a_recipe_out_of_range_is_refused():
    for change in ({"dim": 0}, {"fanouts": ()}, {"neighbour_dropout": 1.0}):
        with pytest.raises(ValueError, match=next(iter(change))):
            SageRecipe(**change)
