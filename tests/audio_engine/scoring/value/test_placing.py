import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_engine.scoring.value.dimension import Dimension
from audio_engine.scoring.value.placing import OVER_QUOTA, give_places, parts_of, standardised
from audio_engine.scoring.value.policy import DIMENSIONS, Policy, Rule


def rule(name: str, *, floor: float = 0.0, quota: float = 1.0, weight: float = 0.0) -> Rule:
    return Rule(name=name, column="c", values=("x",), floor=floor, quota=quota, weight=weight)


def dimension(values: list[float]) -> Dimension:
    value = np.array(values)
    return Dimension(value=value, low=value, high=value, numerator=value, denominator=value, prior="")


def test_a_floor_and_a_quota_worked_by_hand() -> None:
    score = np.array([9.0, 8, 7, 6, 5, 4])
    under = {"few": np.array([0, 0, 0, 0, 1, 1], np.bool_), "many": np.array([1, 1, 1, 0, 0, 0], np.bool_)}
    order, why = give_places(score, under, [rule("few", floor=0.5), rule("many", quota=0.5)], n_places=4)
    # place 1: the best; 2: half of two must be `few`; 3: `many` may have ⌈1.5⌉ = 2; 4: `few` again; then by score
    assert order.tolist() == [0, 4, 1, 5, 2, 3]
    assert why == ["score", "floor of few", "score", "floor of few", "score", "score"]


def test_a_quota_that_nothing_satisfies_gives_way_and_says_so() -> None:
    order, why = give_places(np.array([1.0, 3, 2]), {"all": np.ones(3, np.bool_)}, [rule("all", quota=0.0)], n_places=3)
    assert order.tolist() == [1, 2, 0]
    assert why == [OVER_QUOTA] * 3


@settings(max_examples=60)
@given(st.integers(1, 40), st.floats(0, 0.4), st.floats(0.4, 1), st.integers(0, 10_000))
def test_floors_and_quotas_hold_in_each_beginning(n_places: int, floor: float, quota: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    score, kind = rng.normal(size=200), rng.integers(3, size=200)
    under = {"house": kind == 0, "label": kind == 1}
    rules = [rule("house", floor=floor), rule("label", quota=quota)]
    order, why = give_places(score, under, rules, n_places=n_places)
    assert sorted(order.tolist()) == list(range(200))
    assert len(why) == 200
    for place in range(1, n_places + 1):
        first = order[:place]
        assert under["house"][first].sum() >= math.floor(floor * place)
        assert under["label"][first].sum() <= math.ceil(quota * place)
    assert np.all(np.diff(score[order[n_places:]]) <= 0)


def test_without_floors_and_quotas_the_order_is_that_of_the_scores() -> None:
    score = np.random.default_rng(0).normal(size=50)
    order, _ = give_places(score, {"w": np.ones(50, np.bool_)}, [rule("w", weight=3.0)], n_places=10)
    assert order.tolist() == np.argsort(-score).tolist()


def test_the_parts_of_a_score_sum_to_it_and_a_rule_is_one_of_them() -> None:
    rng = np.random.default_rng(0)
    dimensions = {name: dimension(rng.uniform(0.1, 0.9, 30).tolist()) for name in DIMENSIONS}
    policy = Policy(weights={"heat": 1.0, "pay": -0.5}, rules=(rule("house", weight=0.7),))
    under = {"house": np.arange(30) < 5}
    parts = parts_of(dimensions, np.ones(30, np.bool_), under, policy)
    names = [name for name in parts.columns if name != "score"]
    assert parts.select(names).sum_horizontal().to_list() == pytest.approx(parts["score"].to_list())
    assert parts["rule_house"].to_list() == [0.7] * 5 + [0.0] * 25
    assert set(parts["part_quality"]) == {0.0}


def test_standardised_dimensions_have_mean_0_over_the_tracks_with_plays_and_none_runs_away() -> None:
    has_plays = np.array([True] * 50 + [False] * 5)
    values = np.append(np.random.default_rng(0).lognormal(size=50), np.ones(5))
    found = standardised("pay", dimension(values.tolist()), has_plays)
    assert found[:50].mean() == pytest.approx(0, abs=0.05)
    assert np.abs(standardised("freshness", dimension([0.0] * 54 + [1.0]), np.ones(55, np.bool_))).max() == 3.0
    assert set(standardised("heat", dimension([2.0] * 55), has_plays)) == {0.0}
