import numpy as np
import pytest

from audio_engine.metrics.bootstrap import bootstrap_mean, bootstrap_ratio


def test_the_interval_of_a_mean_is_about_two_standard_errors_either_side():
    values = np.random.default_rng(0).standard_normal(400)
    estimate = bootstrap_mean(values, seed=1)
    error = values.std() / np.sqrt(values.size)
    assert estimate.value == pytest.approx(values.mean())
    assert estimate.low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert estimate.high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_nineteen_intervals_in_twenty_hold_the_truth():
    rng = np.random.default_rng(2)
    estimates = [bootstrap_mean(rng.standard_normal(60), seed=seed) for seed in range(40)]
    assert 34 <= sum(estimate.low <= 0 <= estimate.high for estimate in estimates) < 40


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(0).random(30)
    assert bootstrap_mean(values, seed=3) == bootstrap_mean(values, seed=3)
    assert bootstrap_mean(values, seed=3) != bootstrap_mean(values, seed=4)


def test_pairing_makes_a_constant_ratio_certain():
    values = np.random.default_rng(0).random(50)
    estimate = bootstrap_ratio(1.5 * values, values, seed=0)
    assert [estimate.value, estimate.low, estimate.high] == pytest.approx([1.5, 1.5, 1.5])


def test_a_ratio_to_nothing_is_infinite():
    estimate = bootstrap_ratio(np.ones(5), np.zeros(5), seed=0)
    assert estimate.value == estimate.low == estimate.high == np.inf
