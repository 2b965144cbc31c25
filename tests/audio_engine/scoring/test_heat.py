"""Heat is a commutative monoid, and equal to the decayed plays of the batch."""

import math
from random import Random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_engine.scoring.heat import cooled_to, heat_of_plays, merge_heats
from audio_engine.scoring.time_decay import decayed_plays

SCHEMA = {"track": pl.String, "day": pl.Float64}
plays = st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 20_000)), min_size=1, max_size=40)
halves = st.floats(0.05, 1_000)
few = settings(max_examples=30, deadline=None)


def heats(log: list[tuple[str, float]], half_life: float) -> pl.LazyFrame:
    return heat_of_plays(pl.LazyFrame(log, schema=SCHEMA, orient="row"), half_life_days=half_life)


def assert_same(one: pl.LazyFrame, other: pl.LazyFrame) -> None:
    left, right = one.sort("track").collect(), other.sort("track").collect()
    assert left.drop("heat").equals(right.drop("heat"))
    assert left["heat"].to_list() == pytest.approx(right["heat"].to_list(), rel=1e-12)


@few
@given(plays, halves)
def test_the_heat_is_what_the_batch_sums(log: list[tuple[str, float]], half_life: float) -> None:
    at_day = max(day for _, day in log) + 1
    found = cooled_to(heats(log, half_life), at_day, half_life_days=half_life).sort("track").collect()
    batch = decayed_plays(pl.LazyFrame(log, schema=SCHEMA, orient="row"), at_day=at_day, half_life_days=half_life)
    batch = batch.sort("track")
    assert found["plays"].equals(batch["plays"])
    assert found["decayed_plays"].to_list() == pytest.approx(batch["decayed_plays"].to_list(), rel=1e-9, abs=1e-300)


@few
@given(plays, halves, st.randoms(use_true_random=False), st.integers(1, 6))
def test_order_and_partition_of_the_plays_do_not_matter(
    log: list[tuple[str, float]], half_life: float, random: Random, n_parts: int
) -> None:
    shuffled = random.sample(log, len(log))
    cuts = sorted(random.randrange(len(log) + 1) for _ in range(n_parts - 1))
    parts = [shuffled[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(log)], strict=True)]
    merged = merge_heats([heats(part, half_life) for part in parts], half_life_days=half_life)
    assert_same(merged, heats(log, half_life))


@few
@given(plays, plays, plays, halves)
def test_merging_is_associative_and_commutative_and_no_rows_change_nothing(
    a: list[tuple[str, float]], b: list[tuple[str, float]], c: list[tuple[str, float]], half_life: float
) -> None:
    one, two, three, none = (heats(log, half_life) for log in (a, b, c, []))

    def merge(*parts: pl.LazyFrame) -> pl.LazyFrame:
        return merge_heats(parts, half_life_days=half_life)

    assert_same(merge(merge(one, two), three), merge(one, merge(two, three)))
    assert_same(merge(one, two), merge(two, one))
    assert_same(merge(one, none), one)


def test_heats_worked_by_hand() -> None:
    # a: plays of days 0 and 7 as of day 7: 1/2 + 1, merged with one of day 21 that came first: 1.5/4 + 1
    early, late = heats([("a", 0.0), ("a", 7.0)], 7), heats([("a", 21.0)], 7)
    merged = merge_heats([late, early], half_life_days=7)
    assert merged.collect().rows() == [("a", 21.0, pytest.approx(1.375), 3)]
    assert cooled_to(merged, 28, half_life_days=7).collect()["decayed_plays"].to_list() == pytest.approx([0.6875])


def test_a_play_of_long_ago_cools_to_nothing_and_never_overflows() -> None:
    merged = merge_heats([heats([("a", 0.0)], 0.01), heats([("a", 20_000.0)], 0.01)], half_life_days=0.01)
    assert merged.collect()["heat"].to_list() == [1.0]
    assert math.isfinite(merged.collect()["heat"][0])
