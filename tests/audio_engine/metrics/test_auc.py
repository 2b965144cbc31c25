"""The area under the ROC curve, against plain loops and scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from audio_engine.metrics.auc import auc_by_group, auc_by_row

RNG = np.random.default_rng(0)
SIMILARITY = RNG.integers(0, 9, (40, 30)) / 9
FEEDBACK = RNG.choice([-1, 0, 1], (40, 30), p=[0.2, 0.6, 0.2]).astype(np.int8)
N = 900
ALL = np.zeros(N, np.int64)
USER = RNG.integers(20, size=N)
SAID = RNG.integers(0, 30, N) / 30  # with ties
LIKED = RNG.random(N) < SAID


def test_auc_agrees_with_its_slow_twin_ties_and_all() -> None:
    found = auc_by_row(SIMILARITY, FEEDBACK > 0, FEEDBACK < 0)
    for i in range(len(SIMILARITY)):
        good, bad = SIMILARITY[i][FEEDBACK[i] > 0], SIMILARITY[i][FEEDBACK[i] < 0]
        wins = sum(float(g > b) + 0.5 * float(g == b) for g in good for b in bad)
        assert found[i] == pytest.approx(wins / (len(good) * len(bad)))


def test_auc_agrees_with_scikit_learn() -> None:
    told = FEEDBACK[3] != 0
    expected = roc_auc_score(FEEDBACK[3][told] > 0, SIMILARITY[3][told])
    assert auc_by_row(SIMILARITY, FEEDBACK > 0, FEEDBACK < 0)[3] == pytest.approx(expected)


def test_the_auc_of_all_plays_agrees_with_scikit_learn_ties_and_weights_and_all() -> None:
    assert auc_by_group(ALL, LIKED, SAID, n_groups=1)[0, 0] == pytest.approx(roc_auc_score(LIKED, SAID))
    weight = RNG.integers(0, 3, 20).astype(float)[USER]
    expected = roc_auc_score(LIKED, SAID, sample_weight=weight)
    found = auc_by_group(ALL, LIKED, SAID, n_groups=1, weights=[np.ones(N), weight])
    assert found.shape == (2, 1)
    assert found[1, 0] == pytest.approx(expected)


def test_the_auc_of_each_user_agrees_with_that_of_a_table() -> None:
    table = np.zeros((20, N))
    table[USER, np.arange(N)] = SAID
    mine = np.zeros((20, N), bool)
    mine[USER, np.arange(N)] = True
    assert auc_by_group(USER, LIKED, SAID, n_groups=20)[0] == pytest.approx(
        auc_by_row(table, mine & LIKED, mine & ~LIKED)
    )


def test_a_user_who_liked_all_has_no_auc() -> None:
    found = auc_by_group(
        np.array([0, 0, 1, 1]), np.array([True, True, True, False]), np.array([0.1, 0.2, 0.1, 0.2]), n_groups=3
    )[0]
    assert np.isnan(found[[0, 2]]).all()
    assert found[1] == 0.0
