import numpy as np
import pytest

from metric_learning.play_log import DISLIKE, LIKE
from tests.benchmarks.experiments.simulation.__main__ import put_checks
from tests.benchmarks.experiments.simulation.checks import check_response
from tests.benchmarks.experiments.simulation.planted import N_OLD, OWN_KIND, SHAPE, planted_world
from tests.benchmarks.experiments.simulation.response import Response, ResponseSettings, fit_response

SETTINGS = ResponseSettings(ridge=1.0, bias_ridge=1.0)


def test_it_predicts_a_planted_taste_for_tracks_that_the_user_never_played() -> None:
    plays = planted_world().known.plays
    response = fit_response(plays, (SHAPE[0], N_OLD), SETTINGS)
    assert response.probability.sum(-1) == pytest.approx(np.ones((SHAPE[0], N_OLD)), abs=1e-5)
    unheard = np.ones((SHAPE[0], N_OLD), np.bool_)
    unheard[plays.user, plays.track] = False
    likes, own = response.probability[:, :, LIKE], OWN_KIND[:, :N_OLD]
    assert likes[unheard & own].min() > likes[unheard & ~own].max()


def test_the_check_finds_a_planted_taste_in_plays_held_out(capsys: pytest.CaptureFixture[str]) -> None:
    plays = planted_world().known.plays
    checks = list(check_response(plays, (SHAPE[0], N_OLD), n_warm=N_OLD // 2, settings=SETTINGS))
    assert {check.about["plays"] for check in checks} == {"warm", "cold"}
    assert all(check.value == pytest.approx(1.0) for check in checks if check.metric == "auc")
    put_checks(checks, as_json=False)
    assert "like among opinions  auc       1.000" in capsys.readouterr().out


def test_actions_come_as_often_as_their_probability_says() -> None:
    probability = np.array([[[0.5, 0.2, 0.2, 0.1]]], np.float32)
    response = Response(probability=probability, completion=tuple(np.array([i / 4], np.float32) for i in range(4)))
    n, rng = 20_000, np.random.default_rng(0)
    nought = np.zeros(n, np.int64)
    action, heard = response.draw(nought, nought, rng.random(n, np.float32), rng.random(n, np.float32))
    assert np.bincount(action) / n == pytest.approx(probability[0, 0], abs=0.015)
    assert (heard == action / 4).all()


def test_an_action_never_seen_is_never_drawn() -> None:
    response = planted_world().response
    action, _ = response.draw(
        *np.zeros((2, 100), np.int64), *np.linspace(0, 0.999, 200, dtype=np.float32).reshape(2, -1)
    )
    assert set(action) <= {LIKE, DISLIKE}
