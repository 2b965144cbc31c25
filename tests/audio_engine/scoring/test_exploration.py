import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_engine.scoring.exploration import explored_value
from audio_engine.scoring.like_rates import BetaPrior
from tests.benchmarks.experiments.exploration import (
    ExplorationSettings,
    PlayedOut,
    exploration_metrics,
    play_out,
    policies,
)

plays = st.integers(0, 10_000)
weights = st.floats(0, 10)


def test_a_bonus_worked_by_hand() -> None:
    # 0.3 + 0.5 * sqrt(2 * ln(99 + 1) / (3 + 1)) = 0.3 + 0.5 * sqrt(2.302585)
    assert explored_value(0.3, 3, all_plays=99, weight=0.5, enough=4) == pytest.approx(1.058713, abs=1e-6)
    assert explored_value(0.3, 4, all_plays=99, weight=0.5, enough=4) == 0.3


@given(st.floats(0, 1), plays, plays, weights, st.integers(1, 5_000))
def test_a_track_stands_on_its_value_once_it_has_enough_plays(
    value: float, played: int, others: int, weight: float, enough: int
) -> None:
    found = float(explored_value(value, played, all_plays=played + others, weight=weight, enough=enough))
    assert found == value if played >= enough else found >= value


@given(plays, plays, plays, weights)
def test_the_bonus_never_grows_with_the_tracks_own_plays_nor_shrinks_with_all_plays(
    first: int, second: int, others: int, weight: float
) -> None:
    few, many = sorted([first, second])
    total = many + others
    few_value, many_value = explored_value([0.0, 0.0], [few, many], all_plays=total, weight=weight, enough=math.inf)
    assert many_value <= few_value
    assert few_value <= explored_value(0.0, few, all_plays=total + 1, weight=weight, enough=math.inf)


def test_without_a_play_anywhere_there_is_no_bonus() -> None:
    assert explored_value([0.1, 0.2], [0, 0], all_plays=0).tolist() == [0.1, 0.2]


def test_impossible_plays_and_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="plays must be between 0 and all_plays, got 5 to 5"):
        explored_value([0.1], [5], all_plays=4)
    with pytest.raises(ValueError, match="weight must be at least 0, got -1"):
        explored_value([0.1], [5], all_plays=9, weight=-1)


def rewards(*, n_rounds: int = 400, n_tracks: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """What was played and liked: every track once, then any."""
    rng = np.random.default_rng(0)
    chosen = np.concatenate([np.arange(n_tracks), rng.integers(n_tracks, size=n_rounds)])
    return chosen, (rng.random(len(chosen)) < np.linspace(0.1, 0.6, n_tracks)[chosen]).astype(int)


def test_for_ever_the_bonus_is_the_ucb1_of_mabwiser_on_the_same_rewards() -> None:
    mab = pytest.importorskip("mabwiser.mab", reason="needs mabwiser")
    chosen, liked = rewards()
    twin = mab.MAB(arms=list(range(6)), learning_policy=mab.LearningPolicy.UCB1(alpha=0.7))
    twin.fit(chosen[:6], liked[:6])
    for n in range(6, len(chosen)):
        counts = np.bincount(chosen[:n], minlength=6)
        means = np.bincount(chosen[:n], liked[:n], minlength=6) / counts
        # the issue adds a play to either count, UCB1 does not
        ours = explored_value(means, counts - 1, all_plays=n - 1, weight=0.7, enough=math.inf)
        expected = twin.predict_expectations()
        # mabwiser refreshes the bonus of an arm in a fit that sees it, of the others too: all have had a play
        assert ours == pytest.approx([expected[arm] for arm in range(6)])
        assert int(ours.argmax()) == twin.predict()
        twin.partial_fit(chosen[n : n + 1], liked[n : n + 1])


def test_greedy_and_thompson_know_what_mabwiser_knows_after_the_same_rewards() -> None:
    mab = pytest.importorskip("mabwiser.mab", reason="needs mabwiser")
    chosen, liked = rewards(n_rounds=40)
    n_liked, n_played = np.bincount(chosen, liked)[None], np.bincount(chosen)[None].astype(float)
    ours = policies(BetaPrior(alpha=1, beta=1), settings=ExplorationSettings(epsilon=0.3))
    n_draws = 20_000
    many = np.repeat(n_liked, n_draws, axis=0), np.repeat(n_played, n_draws, axis=0)
    for name, twin in (
        ("Thompson sampling", mab.LearningPolicy.ThompsonSampling()),
        ("epsilon-greedy, 0.3", mab.LearningPolicy.EpsilonGreedy(epsilon=0.3)),
    ):
        model = mab.MAB(arms=list(range(6)), learning_policy=twin, seed=1)
        model.fit(chosen, liked)
        theirs = np.bincount([model.predict() for _ in range(n_draws)], minlength=6) / n_draws
        found = np.bincount(ours[name](*many, np.random.default_rng(0)), minlength=6) / n_draws
        assert found == pytest.approx(theirs, abs=0.015)  # three standard errors of a share of 20,000 draws


def test_metrics_worked_by_hand() -> None:
    ended = PlayedOut(
        chances=np.array([[0.5, 0.1, 0.3, 0.1, 0.1]]),
        likes=np.zeros((1, 5)),
        plays=np.array([[6.0, 2.0, 1.0, 1.0, 0.0]]),
    )
    found = {name: values[0] for name, values in exploration_metrics(ended, enough=2, good_share=0.4).items()}
    assert found == pytest.approx(
        {
            "reached_enough": 0.4,
            "good_reached_enough": 0.5,  # the two best are the first and the third
            "plays_on_good": 0.7,
            "like_rate": (6 * 0.5 + 2 * 0.1 + 0.3 + 0.1) / 10,
            "regret": 1_000 * (0.5 - 0.36),
        }
    )


def test_the_bonus_brings_every_new_track_to_its_plays_and_greed_does_not() -> None:
    truth, settings = np.linspace(0.05, 0.4, 30), ExplorationSettings(enough=10)
    found = {}
    for name, policy in policies(BetaPrior(alpha=2, beta=8), settings=settings).items():
        ended = play_out(truth, policy, n_rounds=3_000, n_runs=10, seed=0)
        assert (ended.plays.sum(1) == 3_000).all()
        assert (ended.likes <= ended.plays).all()
        found[name] = {m: v.mean() for m, v in exploration_metrics(ended, enough=10).items()}
    assert found["bonus to 10 plays, weight 1"]["reached_enough"] == 1
    assert found["greedy"]["reached_enough"] < 0.5
    assert found["bonus to 10 plays, weight 1"]["regret"] < found["at random"]["regret"]
    assert found["Thompson sampling"]["regret"] < found["bonus for ever, weight 1"]["regret"]


def test_the_same_seed_plays_out_the_same() -> None:
    policy = policies(BetaPrior(alpha=2, beta=8), settings=ExplorationSettings())["Thompson sampling"]
    first, second = (play_out(np.array([0.1, 0.4]), policy, n_rounds=50, n_runs=3, seed=5) for _ in range(2))
    assert (first.plays == second.plays).all()
    assert (first.likes == second.likes).all()
