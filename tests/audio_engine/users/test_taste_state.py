"""Tastes add up: whatever the order of the plays and however the log is split."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from audio_engine.users.taste_state import DECAYED, PAIR, SUMS, added, decayed_to, state_of_plays

HALF_LIFE = 7.0
SCHEMA = {"user": pl.Int64, "track": pl.Int64, "day": pl.Float64, "completion": pl.Float64, "action": pl.String}
plays_of = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(0, 3),
        st.floats(0, 400, allow_subnormal=False),
        st.none() | st.floats(0, 1),
        st.sampled_from(["none", "like", "dislike", "skip"]),
        st.integers(0, 4),  # the part of the log that it comes in
    ),
    min_size=1,
    max_size=40,
)


def frame(rows: list[Any]) -> pl.DataFrame:
    return pl.DataFrame([row[:5] for row in rows], schema=SCHEMA, orient="row")


def state(rows: list[Any]) -> pl.DataFrame:
    return state_of_plays(frame(rows), half_life_days=HALF_LIFE)


@given(plays_of, st.permutations(range(5)))
@settings(max_examples=12, deadline=None)
def test_any_split_in_any_order_adds_up_to_the_whole(rows: list[Any], order: list[int]) -> None:
    whole = state(rows)
    parts = [state([row for row in rows if row[5] == part]) for part in order]
    one_by_one = parts[0]
    for part in parts[1:]:
        one_by_one = added([one_by_one, part], half_life_days=HALF_LIFE)
    assert_frame_equal(one_by_one, whole, abs_tol=1e-9, rel_tol=1e-9)
    assert_frame_equal(added(parts, half_life_days=HALF_LIFE), whole, abs_tol=1e-9, rel_tol=1e-9)
    reversed_ = state(rows[::-1])
    assert_frame_equal(reversed_, whole, abs_tol=1e-9, rel_tol=1e-9)


@given(plays_of)
@settings(max_examples=15, deadline=None)
def test_the_sums_are_those_of_plain_loops(rows: list[Any]) -> None:
    found = state(rows)
    for row in found.iter_rows(named=True):
        own = [play for play in rows if play[:2] == (row["user"], row["track"])]
        last = max(play[2] for play in own)
        sums = dict.fromkeys(DECAYED, 0.0)
        for _, _, day, completion, action, _ in own:
            left = 2 ** (-(last - day) / HALF_LIFE)
            signal = {"like": 1.0, "dislike": -1.0, "skip": -1.0}.get(action)
            weight = 0.3 if signal is None else 1.0
            if signal is None:
                signal = 0.5 if completion is None else 2 * completion - 1
            sums["heard"] += left
            sums["evidence"] += weight * left
            sums["liked"] += max(weight * signal, 0) * left
            sums["disliked"] += max(-weight * signal, 0) * left
        assert row["last_day"] == last
        assert row["first_day"] == min(play[2] for play in own)
        assert row["n_plays"] == len(own)
        assert row["n_likes"] == sum(play[4] == "like" for play in own)
        assert row["n_rejected"] == sum(play[4] in {"skip", "dislike"} for play in own)
        assert {name: row[name] for name in DECAYED} == pytest.approx(sums, rel=1e-5, abs=1e-6)


def test_a_row_without_new_plays_stays_to_the_bit() -> None:
    before = state([(0, 0, 3.3, 0.7, "none", 0), (0, 1, 5.1, 0.1, "skip", 0)])
    after = added([before, state([(0, 0, 90.0, 1.0, "like", 0)])], half_life_days=HALF_LIFE)
    untouched = pl.col("track") == 1
    assert after.filter(untouched).rows() == before.filter(untouched).rows()


def test_a_sum_halves_with_each_half_life() -> None:
    later = decayed_to(state([(0, 0, 0.0, None, "like", 0)]), 3 * HALF_LIFE, half_life_days=HALF_LIFE)
    assert later["liked"][0] == pytest.approx(1 / 8)
    assert later["last_day"][0] == 0.0


def test_nothing_is_the_zero() -> None:
    some = state([(1, 2, 8.0, 0.4, "none", 0)])
    nothing = pl.DataFrame(schema=dict.fromkeys(PAIR, pl.Int64) | dict(SUMS))
    assert_frame_equal(added([nothing, some], half_life_days=HALF_LIFE), some)
    assert len(added([nothing], half_life_days=HALF_LIFE)) == 0
    assert np.isfinite(added([some, nothing], half_life_days=HALF_LIFE)["liked"][0])
