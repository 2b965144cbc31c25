import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_engine.scoring.time_decay import cooled, decay_rate, decayed_plays

LOG = pl.LazyFrame({"track": ["a", "b", "a", "a", "b"], "day": [0.0, 3.0, 7.0, 14.0, 20.0]})
halves = st.floats(0.1, 1_000)
days = st.floats(0, 1_000)


@given(halves, st.floats(0, 1e6))
def test_after_a_half_life_half_is_left(half_life: float, decayed_plays: float) -> None:
    assert cooled(decayed_plays, half_life, half_life_days=half_life) == pytest.approx(decayed_plays / 2)


@given(halves, days, days)
def test_cooling_twice_is_cooling_once_for_both_times(half_life: float, first: float, second: float) -> None:
    twice = cooled(cooled(1.0, first, half_life_days=half_life), second, half_life_days=half_life)
    assert twice == pytest.approx(float(cooled(1.0, first + second, half_life_days=half_life)))


@given(halves, days, days)
def test_what_cools_never_grows(half_life: float, first: float, second: float) -> None:
    earlier, later = cooled([1.0, 1.0], sorted([first, second]), half_life_days=half_life)
    assert 0 <= later <= earlier <= 1


def test_the_slope_follows_newton() -> None:
    step = 1e-6
    slope = (cooled(5.0, 3 + step) - cooled(5.0, 3 - step)) / (2 * step)
    assert slope == pytest.approx(-decay_rate(7) * float(cooled(5.0, 3)), rel=1e-6)


def test_a_log_worked_by_hand() -> None:
    # on day 14: a = 2^-2 + 2^-1 + 1, b = 2^-(11/7); the play of day 20 is yet to come
    found = decayed_plays(LOG, at_day=14)
    assert found["track"].to_list() == ["a", "b"]
    assert found["decayed_plays"].to_list() == pytest.approx([1.75, 2 ** -(11 / 7)])
    assert found["plays"].to_list() == [3, 1]


@given(st.lists(st.floats(0, 30), max_size=20), st.floats(0, 30), st.floats(0, 30), halves)
def test_going_on_from_an_earlier_day_is_the_same_as_from_the_beginning(
    played: list[float], first: float, second: float, half_life: float
) -> None:
    earlier, later = sorted([first, second])
    log = pl.LazyFrame({"track": ["a"] * len(played), "day": played}, schema={"track": pl.String, "day": pl.Float64})
    before = decayed_plays(log, at_day=earlier, half_life_days=half_life)
    found = decayed_plays(log, at_day=later, half_life_days=half_life, before=before, before_day=earlier)
    expected = decayed_plays(log, at_day=later, half_life_days=half_life)
    assert found["plays"].to_list() == expected["plays"].to_list()
    assert found["decayed_plays"].to_list() == pytest.approx(expected["decayed_plays"].to_list())


def test_a_track_of_old_plays_that_is_played_no_more_stays_in_the_table() -> None:
    before = decayed_plays(LOG, at_day=7)
    found = decayed_plays(LOG.filter(pl.col("track") == "b"), at_day=21, before=before, before_day=7)
    assert dict(found.select("track", "decayed_plays").iter_rows())["a"] == pytest.approx(1.5 / 4)


@pytest.mark.parametrize("half_life", [0.0, -1.0, math.inf, math.nan])
def test_a_half_life_is_positive_and_finite(half_life: float) -> None:
    with pytest.raises(ValueError, match="half_life_days must be positive and finite"):
        decay_rate(half_life)


def test_time_does_not_run_back() -> None:
    with pytest.raises(ValueError, match=r"elapsed_days must be at least 0, got -1"):
        cooled([1.0, 1.0], [2, -1])
    with pytest.raises(ValueError, match="before_day must be a day up to at_day 3, got 7"):
        decayed_plays(LOG, at_day=3, before=decayed_plays(LOG, at_day=7), before_day=7)
