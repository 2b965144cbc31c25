"""Circles: what they prefer is found, what is chance is not, and small circles are shrunk."""

import numpy as np
import polars as pl
import pytest

from audio_engine.metrics.lift import gamma_prior_by_likelihood
from audio_engine.users.circles import attributes_of, categories_of, count_votes, lifts
from audio_engine.users.taste_state import state_of_plays

GENRES = ("Jazz", "Rock", "Folk", "Pop")
FACTS = pl.DataFrame({"track": list(GENRES), "genre": list(GENRES)})


def world(*, n_users: int = 400, lift: float, seed: int = 0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Tastes and users: circle 0 plays Jazz `lift` times as often as the others; circle 4 has four users."""
    rng = np.random.default_rng(seed)
    circle = np.where(np.arange(n_users) < 4, 4, rng.integers(4, size=n_users))
    rows = []
    for user in range(n_users):
        weight = np.array([lift if circle[user] == 0 else 1.0, 1, 1, 1])
        for genre in rng.choice(4, 12, p=weight / weight.sum()):
            rows.append((f"u{user}", GENRES[genre], 0.0, None, rng.choice(["like", "none", "skip"])))
    schema = {"user": pl.String, "track": pl.String, "day": pl.Float64, "completion": pl.Float64, "action": pl.String}
    users = pl.DataFrame({"user": [f"u{user}" for user in range(n_users)], "band": circle})
    return state_of_plays(pl.DataFrame(rows, schema=schema, orient="row")), users


def compare(tastes: pl.DataFrame, users: pl.DataFrame, *attributes: str) -> pl.DataFrame:
    members = attributes_of(users, attributes or ["band"])
    half = tastes["user"].unique().sort()[: len(users) // 2].implode()
    blocks = [tastes.filter(pl.col("user").is_in(half)), tastes.filter(~pl.col("user").is_in(half))]
    return lifts(count_votes(blocks, FACTS, members, today=0.0, half_life_days=30.0, dimensions=["genre"]))


def test_what_a_circle_prefers_comes_first_with_its_lift_inside_the_interval() -> None:
    found = compare(*world(lift=3.0))
    first = found.row(0, named=True)
    assert (first["circle"], first["value"], first["dimension"]) == ("0", "Jazz", "genre")
    others = found.filter(value="Jazz", circle="1").row(0, named=True)
    assert others["low"] < 1 < first["low"]
    assert first["low"] < first["shrunk_lift"] < first["high"]
    assert first["observed"] / first["expected"] == pytest.approx(first["lift"])


def test_where_circles_do_not_differ_few_intervals_lie_beside_one() -> None:
    beside, total = 0, 0
    for seed in range(8):
        found = compare(*world(lift=1.0, n_users=200, seed=seed))
        beside += found.filter((pl.col("low") > 1) | (pl.col("high") < 1)).height
        total += found.height
    assert total == 8 * 20
    assert beside / total <= 0.05


def test_a_small_circle_is_shrunk_more_than_a_large_one() -> None:
    found = compare(*world(lift=3.0)).with_columns(kept=(pl.col("shrunk_lift") - 1) / (pl.col("lift") - 1))
    small, large = (found.filter(circle=circle)["kept"].mean() for circle in ("4", "0"))
    assert found.filter(circle="4")["n_users"][0] <= 4
    assert 0 <= small < large <= 1.01


def test_votes_add_up_to_voters_and_to_what_is_expected() -> None:
    found = compare(*world(lift=2.0))
    sums = found.group_by("circle").agg(pl.col("observed", "expected").sum(), pl.col("n_users").first())
    np.testing.assert_allclose(sums["observed"], sums["n_users"])
    np.testing.assert_allclose(sums["expected"], sums["n_users"])


def test_the_strength_of_the_prior_is_found_again() -> None:
    rng = np.random.default_rng(0)
    expected = rng.uniform(5, 50, 4_000)
    lift = rng.gamma(8.0, 1 / 8.0, 4_000)
    assert gamma_prior_by_likelihood(rng.poisson(lift * expected), expected).strength == pytest.approx(8.0, rel=0.15)
    assert gamma_prior_by_likelihood(rng.poisson(expected), expected).strength > 1_000


def test_a_number_is_no_category_and_attributes_can_be_crossed() -> None:
    users = pl.DataFrame(
        {"user": [f"u{n}" for n in range(40)], "joined_day": range(40), "age_band": [n % 5 for n in range(40)]}
    ).with_columns(gender=pl.when(pl.col("age_band") > 0).then(pl.lit("f")), height=pl.lit(1.7))
    assert categories_of(users) == ["age_band", "gender"]
    crossed = attributes_of(users, ["age_band+gender"])
    assert set(crossed["circle"]) == {"1+f", "2+f", "3+f", "4+f"}
    with pytest.raises(ValueError, match="attribute must be a column of users, got 'agee'"):
        attributes_of(users, ["agee"])


def test_nobody_is_no_circle() -> None:
    tastes, users = world(lift=1.0, n_users=10)
    assert compare(tastes, users.clear()).is_empty()
    assert compare(tastes.clear(), users).is_empty()
