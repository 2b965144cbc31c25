import numpy as np
import pytest
import torch
from sklearn.gaussian_process.kernels import RBF
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge

from metric_learning.listening_head import fit_listening_head, orthogonal_directions
from metric_learning.ridge_regression import RIDGES, ridge_weights

RNG = np.random.default_rng(0)
N_TRACKS = 120
POOLED = RNG.normal(size=(N_TRACKS, 9)).astype(np.float32)
TARGET = np.sin(POOLED[:, :2]).astype(np.float32)
TARGET -= TARGET.mean(0)
ARTISTS = [str(i // 3) for i in range(N_TRACKS)]


def test_random_features_approach_the_gaussian_kernel() -> None:
    head = fit_listening_head(POOLED, TARGET, artists=ARTISTS, n_reduced=9, n_random=2_000, seed=0)
    with torch.no_grad():
        features = head.random_features(torch.from_numpy(POOLED[:20])).numpy()
        reduced = head.reduce(torch.from_numpy(POOLED[:20])).numpy()
    np.testing.assert_allclose(features @ features.T, RBF(1.0)(reduced), atol=0.1)
    median = np.median([((a - b) ** 2).sum() for i, a in enumerate(POOLED) for b in POOLED[:i]])
    expected = RBF(np.sqrt(median / 1.4))(POOLED[:20])
    np.testing.assert_allclose(features @ features.T, expected, atol=0.1)


def test_a_fitted_head_is_nearly_kernel_ridge_regression() -> None:
    head = fit_listening_head(POOLED, TARGET, artists=ARTISTS, n_reduced=9, n_random=2_000, seed=0)
    asked = RNG.normal(size=(30, 9)).astype(np.float32)
    with torch.no_grad():
        found = head(torch.from_numpy(asked)).numpy()
        known, new = (head.reduce(torch.from_numpy(each)).numpy() for each in (POOLED, asked))
    candidates = [KernelRidge(kernel="rbf", gamma=0.5, alpha=ridge).fit(known, TARGET) for ridge in RIDGES]
    assert min(np.abs(found - each.predict(new)).max() for each in candidates) < 0.12


def test_the_size_of_a_head_does_not_depend_on_the_tracks() -> None:
    sizes = set()
    for n in (8, 40, N_TRACKS):
        head = fit_listening_head(POOLED[:n], TARGET[:n], artists=ARTISTS[:n], n_reduced=9, n_random=64, seed=0)
        with torch.no_grad():
            assert torch.isfinite(head(torch.from_numpy(POOLED))).all()
        sizes.add(tuple(tuple(tensor.shape) for tensor in head.parameters()))
    assert len(sizes) == 1


@pytest.mark.parametrize("block_rows", [7, 10_000])
def test_ridge_weights_are_those_of_scikit_learn(monkeypatch: pytest.MonkeyPatch, block_rows: int) -> None:
    monkeypatch.setattr("metric_learning.ridge_regression.BLOCK_ROWS", block_rows)
    found = ridge_weights(lambda rows: POOLED[rows].astype(np.float64), TARGET, ARTISTS)
    candidates = [Ridge(alpha=ridge, fit_intercept=False).fit(POOLED, TARGET) for ridge in RIDGES]
    assert min(np.abs(found - each.coef_.T).max() for each in candidates) < 1e-4


def test_directions_of_a_block_are_orthogonal() -> None:
    found = orthogonal_directions(10, 4, np.random.default_rng(0))
    assert found.shape == (10, 4)
    gram = found[:4] @ found[:4].T
    np.testing.assert_allclose(gram - np.diag(np.diag(gram)), 0, atol=1e-9)
