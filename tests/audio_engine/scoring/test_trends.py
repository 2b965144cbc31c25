import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from audio_engine.scoring.trends import TrendSettings, rise_p_values, rising_tracks

N_TRACKS, N_DAYS = 40, 16
BASE = 3.0  # plays a track a day


def poisson_log(rng: np.random.Generator, rates: np.ndarray) -> pl.LazyFrame:
    """Draw a log from plays a day, (n_tracks, n_days)."""
    track, day = np.nonzero(np.ones_like(rates))
    n = rng.poisson(rates)
    days = np.repeat(day, n[track, day]) + rng.random(n.sum())
    return pl.LazyFrame({"track": [f"t{i:02}" for i in np.repeat(track, n[track, day])], "day": days})


def test_a_rise_worked_by_hand() -> None:
    # 3 of a track's 4 plays among the 3 recent of 8: C(4, 3) * C(4, 0) / C(8, 3) = 4 / 56
    assert rise_p_values([3, 0], [1, 4])[0] == pytest.approx(4 / 56)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=6))
def test_p_values_are_those_of_scipys_exact_test(counts: list[tuple[int, int]]) -> None:
    recent, earlier = np.array(counts).T
    for found, r, e in zip(rise_p_values(recent, earlier), recent, earlier, strict=True):
        table = [[r, e], [recent.sum() - r, earlier.sum() - e]]
        assert found == pytest.approx(fisher_exact(table, alternative="greater").pvalue, abs=1e-9)


def test_a_flat_log_raises_no_more_alarms_than_stated() -> None:
    rng, n_logs = np.random.default_rng(0), 300
    flat = np.full((N_TRACKS, N_DAYS), BASE)
    tables = [rising_tracks(poisson_log(rng, flat), at_day=N_DAYS) for _ in range(n_logs)]
    p_values = np.concatenate([table["p_value"] for table in tables])
    # nothing rises, so that a log with any alarm at all is a false one: 5 % of them, and three standard errors
    assert np.mean([table["rising"].any() for table in tables]) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / n_logs)
    for level in (0.01, 0.05, 0.2):
        assert level / 3 < np.mean(p_values <= level) <= level + 3 * np.sqrt(level / len(p_values))


def test_a_busy_weekend_for_all_is_no_trend() -> None:
    rng = np.random.default_rng(1)
    busy = np.full((N_TRACKS, N_DAYS), BASE)
    busy[:, -2:] *= 4
    assert np.mean([rising_tracks(poisson_log(rng, busy), at_day=N_DAYS)["rising"].any() for _ in range(100)]) <= 0.12


def test_a_planted_trend_is_found_and_comes_first() -> None:
    rng, n_logs = np.random.default_rng(2), 50
    rates = np.full((N_TRACKS, N_DAYS), BASE)
    rates[7, -2:] *= 5
    tables = [rising_tracks(poisson_log(rng, rates), at_day=N_DAYS) for _ in range(n_logs)]
    assert np.mean([table["track"][0] == "t07" and table["rising"][0] for table in tables]) >= 0.95
    assert np.mean([table["rising"].sum() - 1 for table in tables]) < 0.2
    assert np.mean([table["lift"][0] for table in tables]) == pytest.approx(5, rel=0.2)


def test_a_falling_track_is_not_rising() -> None:
    rates = np.full((N_TRACKS, N_DAYS), BASE)
    rates[3, -2:] = 0
    table = rising_tracks(poisson_log(np.random.default_rng(3), rates), at_day=N_DAYS)
    assert table.filter(pl.col("track") == "t03")["p_value"][0] == 1


def test_only_the_two_windows_count() -> None:
    log = pl.LazyFrame({"track": ["a"] * 6, "day": [0.5, 1.0, 1.5, 3.0, 3.5, 9.0]})
    table = rising_tracks(log, at_day=4, settings=TrendSettings(recent_days=1, earlier_days=2))
    assert table.select("recent", "earlier").row(0) == (
        1,
        2,
    )  # 3.5; 1.5 and 3.0: either window is open at its beginning


def test_a_log_without_plays_has_no_trends() -> None:
    log = pl.LazyFrame({"track": ["a"], "day": [50.0]})
    assert rising_tracks(log, at_day=4).is_empty()


@pytest.mark.parametrize("wrong", [{"recent_days": 0}, {"earlier_days": -1}, {"level": 1.0}])
def test_windows_and_levels_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        TrendSettings(**wrong)
