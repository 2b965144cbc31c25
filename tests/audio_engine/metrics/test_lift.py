import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_engine.metrics.lift import (
    MOST_STRENGTH,
    GammaPrior,
    gamma_prior_by_moments,
    gamma_prior_of_sums,
    shrunk_lift,
)


@given(st.integers(0, 200), st.floats(0.01, 100), st.floats(0.1, 100))
def test_a_lift_lies_between_the_raw_one_and_that_of_the_average(
    observed: int, expected: float, strength: float
) -> None:
    lift = shrunk_lift([observed], [expected], GammaPrior(strength=strength))
    raw = observed / expected
    assert min(raw, 1) - 1e-9 <= lift.value[0] <= max(raw, 1) + 1e-9
    assert lift.low[0] < lift.high[0]


def test_without_evidence_the_lift_is_one_and_wide_and_evidence_narrows_it() -> None:
    lift = shrunk_lift([0, 5, 500], [0, 5, 500], GammaPrior(strength=2.0))
    assert lift.value == pytest.approx([1, 1, 1])
    assert np.all(np.diff(lift.high - lift.low) < 0)


def test_the_strength_and_the_interval_are_those_that_made_the_counts() -> None:
    rng = np.random.default_rng(0)
    expected = rng.uniform(1, 30, 20_000)
    true = rng.gamma(4, 1 / 4, 20_000)
    observed = rng.poisson(true * expected)
    prior = gamma_prior_by_moments(observed, expected)
    assert prior.strength == pytest.approx(4, rel=0.05)
    lift = shrunk_lift(observed, expected, prior)
    assert np.mean((lift.low <= true) & (true <= lift.high)) == pytest.approx(0.95, abs=0.01)


def test_counts_that_vary_by_chance_alone_are_all_given_one_lift() -> None:
    rng = np.random.default_rng(1)
    expected = np.full(5_000, 10.0)
    assert gamma_prior_by_moments(rng.poisson(expected), expected).strength > 100
    assert gamma_prior_by_moments([0, 0], [0, 0]).strength == MOST_STRENGTH


def test_sums_that_leave_out_the_empty_cells_give_the_same_prior() -> None:
    rng = np.random.default_rng(2)
    expected = rng.uniform(0.1, 3, 1_000)
    observed = rng.poisson(rng.gamma(2, 0.5, 1_000) * expected)
    some = observed > 0
    pearson = ((observed - expected)[some] ** 2 / expected[some]).sum() + expected[~some].sum()
    found = gamma_prior_of_sums(pearson, total=expected.sum(), n_cells=1_000)
    assert found.strength == pytest.approx(gamma_prior_by_moments(observed, expected).strength)


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="observed must be at least 0, got -1"):
        shrunk_lift([-1], [1], GammaPrior(strength=1.0))
    with pytest.raises(ValueError, match="strength must be positive and finite, got nan"):
        GammaPrior(strength=float("nan"))
