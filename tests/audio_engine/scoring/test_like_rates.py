from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, betabinom

from audio_engine.scoring.like_rates import (
    BetaPrior,
    count_likes,
    prior_by_likelihood,
    prior_by_moments,
    smoothed_rate,
    smoothed_rates,
)
from audio_engine.scoring.time_decay import decayed_plays
from audio_engine.scoring.trends import rising_tracks

counts = st.integers(0, 1_000).flatmap(lambda plays: st.tuples(st.integers(0, plays), st.just(plays)))
priors = st.builds(BetaPrior, alpha=st.floats(0.01, 100), beta=st.floats(0.01, 100))


def draw(prior: BetaPrior, plays: np.ndarray, *, seed: int = 0) -> np.ndarray:
    return np.asarray(betabinom.rvs(plays, prior.alpha, prior.beta, random_state=np.random.default_rng(seed)))


def test_a_rate_worked_by_hand() -> None:
    # (3 + 2) / (10 + 2 + 8) = 5 / 20
    assert smoothed_rate([3], [10], BetaPrior(alpha=2, beta=8))[0] == 0.25


@given(counts, priors)
def test_a_smoothed_rate_is_the_mean_of_the_posterior(count: tuple[int, int], prior: BetaPrior) -> None:
    likes, plays = count
    expected = beta(prior.alpha + likes, prior.beta + plays - likes).mean()
    assert smoothed_rate([likes], [plays], prior)[0] == pytest.approx(expected, rel=1e-9)


@given(counts, priors)
def test_a_smoothed_rate_lies_between_the_raw_one_and_the_prior(count: tuple[int, int], prior: BetaPrior) -> None:
    likes, plays = count
    ends = (prior.mean, likes / plays if plays else prior.mean)
    assert min(ends) - 1e-12 <= smoothed_rate([likes], [plays], prior)[0] <= max(ends) + 1e-12


@given(counts, priors)
def test_one_more_like_raises_a_rate_and_one_more_play_alone_lowers_it(
    count: tuple[int, int], prior: BetaPrior
) -> None:
    likes, plays = count
    now, liked, unliked = smoothed_rate([likes, likes + 1, likes], [plays, plays + 1, plays + 1], prior)
    assert unliked < now < liked


@given(priors, st.floats(0.05, 0.95))
def test_with_many_plays_a_smoothed_rate_is_the_raw_one(prior: BetaPrior, rate: float) -> None:
    assert smoothed_rate([rate * 1e9], [1e9], prior)[0] == pytest.approx(rate, abs=1e-6)


def test_moments_worked_by_hand() -> None:
    # rates 0.2, 0.4, 0.6: mean 0.4, sample variance 0.04; 0.24 / 0.04 - 1 = 5, of which 0.4 is 2
    prior = prior_by_moments([2, 20, 3], [10, 50, 5])
    assert (prior.alpha, prior.beta) == pytest.approx((2, 3))


def test_moments_give_back_the_mean_and_variance_of_the_rates() -> None:
    likes, plays = np.array([3, 9, 40, 2, 7]), np.array([10, 20, 90, 30, 10])
    found = beta(*vars(prior_by_moments(likes, plays)).values())
    assert (found.mean(), found.var()) == pytest.approx(((likes / plays).mean(), (likes / plays).var(ddof=1)))


def test_tracks_without_plays_are_left_out_of_the_moments() -> None:
    assert prior_by_moments([1, 0, 2, 3], [10, 0, 10, 10]) == prior_by_moments([1, 2, 3], [10, 10, 10])


@pytest.mark.parametrize("find", [prior_by_moments, prior_by_likelihood])
@pytest.mark.parametrize("likes", [[2, 2], [0, 0]])
def test_counts_of_likes_alone_or_of_none_are_an_error_that_says_so(
    likes: list[int], find: Callable[[list[int], list[int]], BetaPrior]
) -> None:
    with pytest.raises(ValueError, match=f"likes must be some and not all of the plays, got {sum(likes)} of 4"):
        find(likes, [2, 2])


def test_plays_of_no_known_track_do_not_count() -> None:
    log = pl.LazyFrame({"track": ["a", None], "day": [0.0, 0.0], "action": ["like", "like"]})
    assert count_likes(log)["track"].to_list() == ["a"]
    assert decayed_plays(log, at_day=0)["track"].to_list() == ["a"]
    assert rising_tracks(log, at_day=0)["track"].to_list() == ["a"]


@pytest.mark.parametrize("likes", [[0, 1, 1, 0], [0, 0, 1, 1]])
def test_moments_that_no_beta_has_are_an_error_that_says_so(likes: list[int]) -> None:
    with pytest.raises(ValueError, match=r"variance .* must be between 0 and mean \* \(1 - mean\) = .*, got .*no Beta"):
        prior_by_moments(likes, [1, 1, 1, 1])


def test_the_likelihood_finds_the_prior_that_drew_the_counts() -> None:
    truth, plays = BetaPrior(alpha=3, beta=12), np.random.default_rng(1).integers(1, 60, 20_000)
    found = prior_by_likelihood(draw(truth, plays), plays)
    assert (found.alpha, found.beta) == pytest.approx((3, 12), rel=0.05)


def test_moments_of_few_plays_make_the_prior_too_weak_and_the_likelihood_does_not() -> None:
    truth, plays = BetaPrior(alpha=6, beta=24), np.full(100_000, 10)
    likes = draw(truth, plays)
    by_moments, by_likelihood = prior_by_moments(likes, plays), prior_by_likelihood(likes, plays)
    # the variance of the raw rates is the prior's with 0.16 / 31, and chance on top: 0.16 / 31 * (1 + 30 / 10)
    assert by_moments.alpha + by_moments.beta == pytest.approx(31 / 4 - 1, rel=0.03)
    assert by_likelihood.alpha + by_likelihood.beta == pytest.approx(30, rel=0.1)


def test_no_prior_beside_the_likeliest_is_likelier_to_scipy() -> None:
    plays = np.random.default_rng(2).integers(1, 200, 300)
    likes = draw(BetaPrior(alpha=2, beta=9), plays)
    found = prior_by_likelihood(likes, plays)
    best = betabinom.logpmf(likes, plays, found.alpha, found.beta).sum()
    for alpha in (0.98, 1, 1.02):
        for beta_ in (0.98, 1, 1.02):
            assert betabinom.logpmf(likes, plays, alpha * found.alpha, beta_ * found.beta).sum() <= best + 1e-9


def test_rates_that_differ_by_chance_alone_are_smoothed_to_the_common_one() -> None:
    plays = np.full(50, 100)
    rates = smoothed_rate([19, 21], [100, 100], prior_by_likelihood(np.resize([19, 21], 50), plays))
    assert rates == pytest.approx(0.2, abs=1e-4)


@pytest.mark.parametrize(("likes", "plays"), [([0, 0], [3, 4]), ([3, 4], [3, 4]), ([0, 1], [1, 1])])
def test_counts_without_a_likeliest_prior_are_refused(likes: list[int], plays: list[int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        prior_by_likelihood(likes, plays)


@pytest.mark.parametrize(("likes", "plays"), [([4], [3]), ([-1], [3]), ([1, 2], [3]), ([1.0], [float("nan")])])
def test_impossible_counts_are_refused(likes: list[int], plays: list[int]) -> None:
    with pytest.raises(ValueError, match="likes"):
        smoothed_rate(likes, plays, BetaPrior(alpha=1, beta=1))


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("inf"), float("nan")])
def test_a_prior_is_positive_and_finite(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha must be positive and finite"):
        BetaPrior(alpha=alpha, beta=1)


def test_each_group_has_its_own_prior_and_the_rows_keep_their_order() -> None:
    table = pl.DataFrame(
        {
            "track": ["a", "b", "c", "d", "e", "f"],
            "genre": ["pop", "folk", "pop", "folk", "pop", "folk"],
            "likes": [1, 5, 2, 6, 3, 0],
            "plays": [10, 10, 10, 10, 10, 0],
        }
    )
    found = smoothed_rates(table, group=["genre"])
    assert found["track"].to_list() == ["a", "b", "c", "d", "e", "f"]
    pop, folk = prior_by_moments([1, 2, 3], [10] * 3), prior_by_moments([5, 6], [10] * 2)
    assert found["smoothed_rate"][2] == smoothed_rate([2], [10], pop)[0]
    assert found["smoothed_rate"][5] == pytest.approx(folk.mean)
    assert found["rate"].to_list() == [0.1, 0.5, 0.2, 0.6, 0.3, None]


def test_a_group_without_a_prior_is_named() -> None:
    table = pl.DataFrame({"genre": ["pop", "pop"], "likes": [0, 1], "plays": [1, 1]})
    with pytest.raises(ValueError, match="genre 'pop': variance"):
        smoothed_rates(table, group=["genre"])


def test_an_empty_table_stays_empty() -> None:
    table = pl.DataFrame(schema={"genre": pl.String, "likes": pl.Int64, "plays": pl.Int64})
    assert smoothed_rates(table, group=["genre"]).is_empty()


def test_a_log_is_counted_by_track() -> None:
    plays = pl.LazyFrame({"track": ["b", "a", "b"], "action": ["like", "skip", "none"]})
    assert count_likes(plays).rows() == [("a", 0, 1), ("b", 1, 2)]
    assert count_likes(plays, action="skip").rows() == [("a", 1, 1), ("b", 0, 2)]
