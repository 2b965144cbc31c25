import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import log_loss

from audio_engine.metrics.bootstrap import percentile_interval, user_weights
from tests.benchmarks.experiments.ranking.__main__ import main
from tests.benchmarks.experiments.ranking.probabilities import (
    N_BINS,
    calibration_error,
    measure,
    reliability,
)
from tests.listening_world import N_USERS

RNG = np.random.default_rng(0)
N = 900
USER = RNG.integers(20, size=N)
SAID = RNG.integers(0, 30, N) / 30  # with ties
LIKED = RNG.random(N) < SAID


def test_log_loss_agrees_with_scikit_learn_and_intervals_hold_the_value() -> None:
    predicted = np.clip(SAID, 0.01, 0.99)
    found = measure(USER, LIKED, predicted, weights=user_weights(20, seed=0))
    assert found["log_loss"][0] == pytest.approx(log_loss(LIKED, predicted))
    for draws in found.values():
        interval = percentile_interval(float(draws[0]), draws[1:])
        assert interval.low < interval.value < interval.high or draws is found["ece"]


def test_the_calibration_error_by_hand() -> None:
    user, liked = np.zeros(4, np.int64), np.array([True, False, True, True])
    predicted = np.array(
        [0.5, 0.5, 1.0, 0.9]
    )  # bin 7: said 0.5, liked 0.5; bin 14: said 1.0; bin 13: said 0.9, liked 1
    assert calibration_error(user, liked, predicted, np.ones((1, 1)))[0] == pytest.approx(0.1 / 4)
    lines = reliability(liked, predicted)
    assert [line["n"] for line in lines] == [2, 1, 1]
    assert lines[0]["low"] == pytest.approx(7 / N_BINS)


def test_a_frequency_that_is_kept_has_a_small_error_and_one_that_is_not_a_large_one() -> None:
    user, predicted = np.zeros(20_000, np.int64), RNG.random(20_000)
    liked = RNG.random(20_000) < predicted
    assert calibration_error(user, liked, predicted, np.ones((1, 1)))[0] < 0.02
    assert calibration_error(user, ~liked, predicted, np.ones((1, 1)))[0] > 0.4


def test_the_command_finds_that_sound_tells_cold_tracks_and_ids_do_not(run_main, world: Path, tmp_path: Path) -> None:
    options = ["--world", world, "--audio", world, "--store", tmp_path / "mels", "--seed", "0", "--json"]
    ran = run_main(main, *options)
    assert ran.status == 0, ran.err
    (found,) = ran.objects
    rows = {(r["method"], r["plays"], r["metric"]): r for r in json.loads(json.dumps(found["rows"]))}
    methods = {method for method, _, _ in rows}
    assert {"popularity", "DCN-V2, audio", "DeepFM, no audio", "DCN-V2, audio less no audio"} <= methods
    gained = rows["DCN-V2, audio less no audio", "cold, unseen artists", "user_auc"]
    own, without = (rows[f"DCN-V2, {x}", "cold, unseen artists", "user_auc"] for x in ("audio", "no audio"))
    assert gained["value"] == pytest.approx(own["value"] - without["value"])
    assert own["value"] > 0.7
    assert gained["low"] > 0
    assert {line["plays"] for line in found["reliability"]} == {"warm", "cold", "cold, unseen artists"}
    assert N_USERS == 30
