"""The batch scan against a plain sort of all inner products."""

import numpy as np
import pytest
from numpy.typing import NDArray

from index import batch_scan as room
from index.batch_scan import pruned_scan
from index.vector_store import MIN_QUERIES, MIN_ROWS, scan


def unit(n: int, dim: int, *, seed: int) -> NDArray[np.float32]:
    vectors = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize(("n_queries", "n_candidates"), [(1, 1), (64, 18), (70, 200)])
def test_it_finds_what_sorting_everything_finds(monkeypatch: pytest.MonkeyPatch, n_queries: int, n_candidates: int):
    monkeypatch.setattr(room, "FIRST_ROWS", 256)  # so that many blocks are pruned
    monkeypatch.setattr(room, "ROWS", 300)
    monkeypatch.setattr(room, "QUERIES", 16)
    queries, matrix = unit(n_queries, 8, seed=0), unit(5_000, 8, seed=1)
    similarities, rows = pruned_scan(queries, matrix, n_candidates)
    products = queries @ matrix.T
    expected = -np.sort(-products, axis=1)[:, :n_candidates]
    np.testing.assert_allclose(similarities, expected, atol=1e-6)
    np.testing.assert_allclose(np.take_along_axis(products, rows, axis=1), expected, atol=1e-6)
    assert all(len(set(row)) == n_candidates for row in rows.tolist())


def test_vectors_that_grow_ever_nearer_are_all_seen(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(room, "FIRST_ROWS", 16)
    monkeypatch.setattr(room, "ROWS", 50)
    angles = np.linspace(np.pi, 0.01, 1_000)  # the worst order: every block holds nearer ones than all before
    matrix = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    _, rows = pruned_scan(np.array([[1, 0]] * 3, np.float32), matrix, 5)
    assert rows.tolist() == [[999, 998, 997, 996, 995]] * 3


def test_many_queries_are_answered_as_each_alone():
    queries, matrix = unit(MIN_QUERIES, 8, seed=2), unit(MIN_ROWS + 5, 8, seed=3)
    together = scan(queries, matrix, 10)
    for number in range(0, MIN_QUERIES, 16):
        alone = scan(queries[number : number + 1], matrix, 10)
        np.testing.assert_array_equal(together[1][number], alone[1][0])
        np.testing.assert_allclose(together[0][number], alone[0][0], atol=1e-6)
