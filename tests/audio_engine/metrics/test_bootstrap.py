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


def test_a_ratio_that_may_be_infinite_is_so_at_its_upper_end():
    estimate = bootstrap_ratio(np.ones(31), np.r_[np.zeros(30), 1.0], seed=0)
    assert estimate.low < estimate.value < estimate.high == np.inf


def test_one_query_has_an_interval_of_no_width():
    estimate = bootstrap_mean(np.array([0.3]), seed=0)
    assert estimate.value == estimate.low == estimate.high == 0.3


def test_accuracy_of_tracks_that_fall_together_is_less_certain_than_of_tracks_alone():
    is_right = np.repeat(np.arange(10) % 2 == 0, 10)
    alone = bootstrap_mean(is_right, groups=np.arange(100), seed=0)
    together = bootstrap_mean(is_right, groups=np.repeat(np.arange(10), 10), seed=0)
    assert alone.value == together.value == 0.5
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_the_interval_of_artists_is_that_of_a_slow_loop():
    rng = np.random.default_rng(1)
    groups, is_right = rng.permutation(np.repeat(np.arange(8), [1, 2, 3, 4, 5, 6, 7, 8])), rng.random(36) < 0.6
    estimate = bootstrap_mean(is_right, groups=groups, seed=0)
    resampled = []
    for _ in range(2_000):
        drawn = [is_right[groups == group] for group in rng.integers(8, size=8)]
        resampled.append(np.concatenate(drawn).mean())
    assert [estimate.low, estimate.high] == pytest.approx(np.quantile(resampled, [0.025, 0.975]), abs=0.03)


def test_the_difference_of_an_encoder_and_itself_is_nothing():
    estimate = bootstrap_mean(np.zeros(3), groups=np.arange(3), seed=0)
    assert (estimate.value, estimate.low, estimate.high) == (0, 0, 0)
