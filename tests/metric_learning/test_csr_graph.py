"""Graphs in memory-mapped arrays: equal to counting pairs in a dictionary; sampled by weight; walks follow edges."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metric_learning import csr_graph
from metric_learning.csr_graph import NOBODY, build_graph, random_walks, sample_hops, sample_neighbours, walk_pairs


def graph_of(blocks, n_nodes, folder):
    return build_graph(lambda: [(np.array(one), np.array(other)) for one, other in blocks], n_nodes, folder)


@given(
    blocks=st.lists(
        st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=30).map(
            lambda pairs: ([one for one, _ in pairs], [other for _, other in pairs])
        ),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=60, deadline=None)
def test_a_graph_counts_its_edges_however_they_come(blocks, tmp_path_factory):
    blocks = [(np.array(one, np.int64), np.array(other, np.int64)) for one, other in blocks]
    counted = Counter(pair for one, other in blocks for pair in zip(one.tolist(), other.tolist(), strict=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csr_graph, "EDGES_TOGETHER", 3)  # so that there are several blocks to merge
        graph = build_graph(lambda: blocks, 7, tmp_path_factory.mktemp("graph"))
        into = graph.weights_in()
    weights = np.diff(graph.totals, prepend=0)
    found = {
        (node, int(graph.targets[edge])): int(weights[edge])
        for node in range(7)
        for edge in range(graph.starts[node], graph.starts[node + 1])
    }
    assert found == dict(counted)
    assert into.tolist() == [sum(n for (_, other), n in counted.items() if other == node) for node in range(7)]


def test_neighbours_are_drawn_by_their_weights(tmp_path):
    graph = graph_of([([0, 0, 0, 0, 2], [1, 1, 1, 2, 0])], 4, tmp_path)
    drawn = sample_neighbours(graph, np.array([0, 1, NOBODY]), 4_000, np.random.default_rng(0))
    assert set(drawn[0].tolist()) == {1, 2}
    assert np.mean(drawn[0] == 1) == pytest.approx(0.75, abs=0.03)
    assert (drawn[1:] == NOBODY).all()


def test_hops_lead_from_hop_to_hop(tmp_path):
    graph = graph_of([([0, 1, 2], [1, 2, 3])], 4, tmp_path)
    hops = sample_hops(graph, np.array([0, 3]), (2, 3), np.random.default_rng(0))
    assert [hop.shape for hop in hops] == [(2,), (2, 2), (2, 2, 3)]
    assert hops[1].tolist() == [[1, 1], [NOBODY, NOBODY]]
    assert (hops[2][0] == 2).all()
    assert (hops[2][1] == NOBODY).all()


def test_walks_follow_edges_and_end_where_none_leaves(tmp_path):
    graph = graph_of([([0, 1], [1, 2])], 4, tmp_path)
    walks = random_walks(graph, np.array([0, 1, 3]), 3, np.random.default_rng(0))
    assert walks.tolist() == [[0, 1, 2, NOBODY], [1, 2, NOBODY, NOBODY], [3, NOBODY, NOBODY, NOBODY]]


def test_pairs_of_a_walk_are_worked_out_by_hand():
    centres, contexts = walk_pairs(np.array([[5, 6, 5, NOBODY]], np.int32), window=2)
    assert sorted(zip(centres.tolist(), contexts.tolist(), strict=True)) == [(5, 6), (5, 6), (6, 5), (6, 5)]


def test_a_graph_without_edges_is_no_error(tmp_path):
    graph = build_graph(list, 3, tmp_path)
    assert not graph.has_neighbours().any()
    assert graph.weights_in().tolist() == [0, 0, 0]
