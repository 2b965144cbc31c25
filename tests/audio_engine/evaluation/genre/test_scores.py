import numpy as np
import pytest

from audio_engine.evaluation.genre import scores


def test_precision_recall_and_f1_are_those_counted_by_hand():
    truth, answers = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 0, 0])
    first, second, third = scores.per_genre(truth, answers, ["a", "b", "c"])
    assert (first.precision, first.recall, first.n) == (pytest.approx(2 / 4), pytest.approx(2 / 3), 3)
    assert second.f1 == pytest.approx(2 * (1 / 2) * (1 / 2) / (1 / 2 + 1 / 2))
    assert (third.precision, third.recall, third.f1, third.n) == (0, 0, 0, 1)


def test_mcnemar_counts_only_tracks_that_one_of_the_two_tells():
    first = np.array([True] * 9 + [False] * 1 + [True] * 50)
    second = np.array([False] * 9 + [True] * 1 + [True] * 50)
    by_hand = 2 * (1 + 10) / 2**10  # of 10 coins at most 1, or at least 9, fall on one side
    assert scores.mcnemar(first, second) == pytest.approx(by_hand)
    assert scores.mcnemar(first, first) == 1


def test_friedman_tells_three_unlike_encoders_and_not_three_alike():
    rng = np.random.default_rng(0)
    easy, middle, hard = ((rng.random(200) < share).astype(float) for share in (0.9, 0.6, 0.3))
    assert scores.friedman([easy, middle, hard]) < 1e-6
    assert scores.friedman([easy, easy, easy]) == 1
    assert scores.friedman([easy, hard]) is None


def test_areas_are_one_for_a_perfect_ranking_and_nothing_for_a_genre_of_no_track():
    truth = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0]])
    roc, precision = scores.areas(truth, np.array([[0.9, 0.8, 0.1], [0.8, 0.9, 0.2], [0.1, 0.1, 0.3], [0.2, 0.2, 0.4]]))
    assert roc[0] == precision[0] == 1
    assert roc[1] == pytest.approx(2 / 4)  # of four pairs, only those of the second track are in order
    assert np.isnan(roc[2])
    assert np.isnan(precision[2])
