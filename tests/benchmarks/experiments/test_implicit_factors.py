"""Slow twins of the factorisation of a sparse log, and the user tower that starts from it."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from metric_learning.play_log import NONE, PlayLog
from metric_learning.play_table import PlayTable
from metric_learning.user import UserTower, embed_users
from metric_learning.user_recipe import UserRecipe
from tests.benchmarks.experiments.implicit_factors import ImplicitSettings, implicit_track_vectors, solve_sparse_rows

N_USERS, N_TRACKS, DIM = 60, 40, 6


def log_of_two_tastes(seed: int = 0) -> PlayLog:
    """Make a log without actions: even users play even tracks, odd users odd ones, each some of them."""
    rng = np.random.default_rng(seed)
    plays = [(u, t) for u in range(N_USERS) for t in range(u % 2, N_TRACKS, 2) if rng.random() < 0.5]
    user, track = np.array(plays).T
    return PlayLog(
        user=user,
        track=track,
        day=np.zeros(len(user), np.float32),
        completion=rng.uniform(0.6, 1.0, len(user)).astype(np.float32),
        action=np.full(len(user), NONE, np.int8),
    )


def test_a_row_is_the_ridge_regression_over_its_filled_and_its_empty_cells() -> None:
    rng = np.random.default_rng(0)
    columns, ridge, unobserved_weight = rng.normal(size=(N_TRACKS, DIM)), rng.uniform(0.5, 2.0, 5), 0.1
    table = rng.normal(size=(5, N_TRACKS)) * (rng.random((5, N_TRACKS)) < 0.2)
    table[3] = 0  # someone who has played nothing
    rows = solve_sparse_rows(columns, csr_matrix(table), unobserved_weight=unobserved_weight, ridge=ridge)
    for row, target, weight in zip(rows, table, ridge, strict=True):
        gram, told = weight * np.eye(DIM), np.zeros(DIM)
        for value, column in zip(target, columns, strict=True):
            gram += (1.0 + unobserved_weight if value else unobserved_weight) * np.outer(column, column)
            told += value * column
        np.testing.assert_allclose(row, np.linalg.solve(gram, told), atol=1e-10)


def test_more_rows_than_a_block_give_what_they_give_alone() -> None:
    rng = np.random.default_rng(1)
    columns = rng.normal(size=(N_TRACKS, DIM))
    table = csr_matrix(rng.normal(size=(2100, N_TRACKS)) * (rng.random((2100, N_TRACKS)) < 0.1))
    rows = solve_sparse_rows(columns, table, unobserved_weight=0.0, ridge=np.ones(2100))
    alone = solve_sparse_rows(columns, table[2050:2051], unobserved_weight=0.0, ridge=np.ones(1))
    np.testing.assert_allclose(rows[2050:2051], alone, atol=1e-10)


def test_a_tower_that_starts_from_a_factorisation_gives_every_user_its_half_step() -> None:
    plays, settings = log_of_two_tastes(), ImplicitSettings(n_rounds=4)
    tracks = implicit_track_vectors(plays, (N_USERS, N_TRACKS), dim=DIM, settings=settings)
    recipe = UserRecipe(n_tracks=N_TRACKS, dim=DIM, unobserved_weight=settings.unobserved_weight)
    tower = UserTower(recipe)
    tower.start_from(tracks, ridge=settings.user_ridge)
    users = embed_users(tower, PlayTable(plays, N_USERS, recipe=recipe))
    signals = csr_matrix((plays.signal().astype(np.float64), (plays.user, plays.track)), shape=(N_USERS, N_TRACKS))
    ridge = np.full(N_USERS, settings.user_ridge)
    expected = solve_sparse_rows(tracks, signals, unobserved_weight=settings.unobserved_weight, ridge=ridge)
    np.testing.assert_allclose(users, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-4)


def test_someone_who_was_not_there_is_led_to_tracks_of_their_taste() -> None:
    plays = log_of_two_tastes()
    known = plays.where(plays.user < N_USERS - 10)
    settings = ImplicitSettings(user_ridge=0.1)
    tracks = implicit_track_vectors(known, (N_USERS, N_TRACKS), dim=DIM, settings=settings)
    recipe = UserRecipe(n_tracks=N_TRACKS, dim=DIM, unobserved_weight=settings.unobserved_weight)
    tower = UserTower(recipe)
    tower.start_from(tracks, ridge=settings.user_ridge)
    users = embed_users(tower, PlayTable(plays, N_USERS, recipe=recipe))[-10:]
    logits = tower.logits(torch.from_numpy(users)).detach().numpy()
    even = logits[:, ::2].mean(1) - logits[:, 1::2].mean(1)
    assert np.all((even > 0) == (np.arange(N_USERS - 10, N_USERS) % 2 == 0))


def test_a_negative_weight_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="unobserved_weight must be at least 0"):
        ImplicitSettings(unobserved_weight=-1.0)
