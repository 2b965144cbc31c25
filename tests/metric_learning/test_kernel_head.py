import numpy as np
import pytest
import torch
from sklearn.gaussian_process.kernels import RBF
from sklearn.kernel_ridge import KernelRidge

from metric_learning.kernel_head import (
    KernelHead,
    Listening,
    fit_kernel_head,
    listening_components,
    outside_of,
    subspace_of,
)

RNG = np.random.default_rng(0)
USERS = RNG.normal(size=(200, 10)).astype(np.float32)
TRACKS = (RNG.normal(size=(60, 3)) @ RNG.normal(size=(3, 10))).astype(np.float32)


def test_bumps_agree_with_scikit_learn() -> None:
    head = KernelHead(7, n_reduced=4, n_centres=5, dim=3)
    pooled = torch.randn(6, 7)
    with torch.no_grad():
        found = head.rbf_features(pooled).numpy()
        reduced, centres = head.reduce(pooled).numpy(), head.centres.numpy()
    np.testing.assert_allclose(found, RBF(np.sqrt(0.5))(reduced, centres), atol=1e-5)


def test_components_of_full_rank_keep_every_similarity_but_the_mean() -> None:
    found = listening_components(USERS, TRACKS, n_components=3)
    expected = USERS @ (TRACKS - TRACKS.mean(0)).T
    np.testing.assert_allclose(USERS @ (found.target @ found.basis).T, expected, atol=1e-2)


def test_components_of_lower_rank_are_the_best_of_that_rank() -> None:
    found = listening_components(USERS, TRACKS, n_components=2)
    table = USERS @ (TRACKS - TRACKS.mean(0)).T
    left, strength, right = np.linalg.svd(table, full_matrices=False)
    expected = (left[:, :2] * strength[:2]) @ right[:2]
    np.testing.assert_allclose(USERS @ (found.target @ found.basis).T, expected, atol=2e-2)


def test_users_projected_to_the_subspace_keep_their_similarities() -> None:
    found = listening_components(USERS, TRACKS, n_components=3)
    subspace, vectors = subspace_of(found), found.target @ found.basis
    np.testing.assert_allclose((USERS @ subspace) @ vectors.T, USERS @ vectors.T, atol=1e-3)
    np.testing.assert_allclose(subspace @ subspace, subspace, atol=1e-5)


def test_a_projection_turned_outside_has_no_effect_on_users_and_keeps_its_similarities() -> None:
    subspace = subspace_of(listening_components(USERS, TRACKS, n_components=3))
    pooled = RNG.normal(size=(60, 12)).astype(np.float32)
    low_rank = (RNG.normal(size=(10, 4)) @ RNG.normal(size=(4, 12))).astype(np.float32)
    turned = pooled @ outside_of(subspace, low_rank, pooled).T
    np.testing.assert_allclose(turned @ subspace, 0, atol=1e-4)
    plain = pooled @ low_rank.T
    np.testing.assert_allclose(turned @ turned.T, plain @ plain.T, rtol=1e-3, atol=1e-3)


def test_a_fitted_head_is_kernel_ridge_regression() -> None:
    pooled = RNG.normal(size=(40, 9)).astype(np.float32)
    target = np.sin(pooled[:, :2]).astype(np.float32)
    listening = Listening(target=target - target.mean(0), basis=np.eye(2, 5, dtype=np.float32))
    head = fit_kernel_head(pooled, listening, group_sizes=[4, 5], artists=[str(i // 3) for i in range(40)], n_reduced=9)
    asked = RNG.normal(size=(6, 9)).astype(np.float32)
    with torch.no_grad():
        found = head(torch.from_numpy(asked)).numpy()
        known, new = (head.reduce(torch.from_numpy(x)).numpy() for x in (pooled, asked))
    candidates = [
        KernelRidge(kernel="rbf", gamma=1.0, alpha=alpha).fit(known, listening.target).predict(new)
        for alpha in (0.1, 0.3, 1.0, 3.0, 10.0, 100.0)
    ]
    for i in range(2):
        assert min(np.abs(found[:, i] - candidate[:, i]).max() for candidate in candidates) < 1e-3
    np.testing.assert_allclose(found[:, 2:], 0, atol=1e-6)


def test_groups_that_do_not_add_up_are_refused() -> None:
    listening = Listening(target=np.zeros((4, 1), np.float32), basis=np.ones((1, 2), np.float32))
    with pytest.raises(ValueError, match="must add up to 3, got 2"):
        fit_kernel_head(np.zeros((4, 3), np.float32), listening, group_sizes=[2], artists=list("abcd"))
