"""Personas: the measures are those of their sources, and tell planted habits apart."""

from itertools import combinations
from math import log2
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from audio_engine.users.persona import MEASURES, Listening, angles, entropy_bits, expected_values, measure, user_vectors
from audio_engine.users.persona_stars import Calibration, calibrate, percentiles, persona_of, persona_table, stars_of
from audio_engine.users.taste_state import state_of_plays

N_ARTISTS, N_TRACKS = 60, 240
RNG = np.random.default_rng(0)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_expected_artists_are_the_mean_over_all_draws(counts: list[int], m: int) -> None:
    plays = [artist for artist, n in enumerate(counts) for _ in range(n)]
    m = min(m, len(plays))
    drawn = [len({plays[at] for at in places}) for places in combinations(range(len(plays)), m)]
    owner = np.zeros(len(counts), np.int64)
    assert expected_values(np.array(counts), owner, m=m)[0] == pytest.approx(np.mean(drawn))


def test_entropy_is_shannons_with_millers_correction() -> None:
    counts, owner = np.array([5, 3, 2, 7]), np.array([0, 0, 0, 1])
    plain = -sum(n / 10 * log2(n / 10) for n in (5, 3, 2))
    np.testing.assert_allclose(entropy_bits(counts, owner), [plain + 2 / (20 * np.log(2)), 0])


def listening(tastes: pl.DataFrame) -> Listening:
    """240 tracks by 60 artists in 6 sounds; the first tracks are new and everybody plays them."""
    ids = [f"t{number}" for number in range(N_TRACKS)]
    facts = pl.DataFrame(
        {
            "track": ids,
            "artist": [f"a{number % N_ARTISTS}" for number in range(N_TRACKS)],
            "sound": [f"s{number % 6}" for number in range(N_TRACKS)],
            "release_day": [100.0 - number for number in range(N_TRACKS)],
        }
    )
    reach = tastes.group_by("track").agg(reach=pl.len() / tastes["user"].n_unique())
    vectors = np.eye(6, dtype=np.float32)[np.arange(N_TRACKS) % 6]
    rows = {track: row for row, track in enumerate(ids)}
    return Listening(facts=facts, reach=reach, rows=rows, vectors=vectors, half_life_days=30.0)


def tastes_of(plays: dict[str, list[int]], action: str = "like") -> pl.DataFrame:
    rows = [(user, f"t{track}", 200.0, 1.0, action) for user, tracks in plays.items() for track in tracks]
    return state_of_plays(pl.DataFrame(rows, schema=["user", "track", "day", "completion", "action"], orient="row"))


def measured(plays: dict[str, list[int]]) -> dict[str, dict[str, float]]:
    tastes = tastes_of(plays)
    known = listening(tastes)
    crowd = user_vectors(tastes, known)[1].mean(0)
    table = measure(tastes, known, crowd=crowd / np.linalg.norm(crowd))
    return {row["user"]: row for row in table.iter_rows(named=True)}


def test_each_measure_is_higher_for_whom_it_is_about() -> None:
    plays = {f"crowd {n}": list(range(n, 60 + n, 2)) for n in range(6)}
    plays |= {"faithful": [0, 60, 120] * 10, "old": list(range(200, 240)), "one sound": list(range(0, 240, 6))}
    found = measured(plays)
    assert found["faithful"]["explorer"] == pytest.approx(1 / 20)
    assert found["crowd 0"]["explorer"] == pytest.approx(1)
    assert found["one sound"]["diverse"] == 0
    assert found["crowd 0"]["diverse"] == pytest.approx(log2(3), abs=0.1)  # every other track: three of the sounds
    assert found["old"]["new_tracks"] < found["crowd 0"]["new_tracks"]
    assert found["old"]["off_mainstream"] > found["crowd 0"]["off_mainstream"]
    assert found["faithful"]["unique"] > found["old"]["unique"]


@pytest.mark.parametrize("n_plays", [(40, 41), (25, 200)])
def test_planted_curiosity_is_found_whatever_the_number_of_plays(n_plays: tuple[int, int]) -> None:
    curious = RNG.uniform(0, 1, 150)
    plays = {}
    for user, chance in enumerate(curious):
        heard = [int(RNG.integers(N_ARTISTS))]
        for _ in range(RNG.integers(*n_plays)):
            is_new = RNG.random() < chance
            heard.append(int(RNG.integers(N_ARTISTS)) if is_new else heard[RNG.integers(len(heard))])
        plays[f"u{user:03}"] = heard
    found = measured(plays)
    explorer = [found[user]["explorer"] for user in plays]
    assert spearmanr(explorer, curious).statistic > 0.8


def test_a_skip_is_no_listening_and_few_plays_make_no_persona() -> None:
    tastes = pl.concat([tastes_of({"u": list(range(20))}), tastes_of({"u": [100, 101], "v": [1] * 30}, "skip")])
    table = measure(tastes, listening(tastes), crowd=None)
    both = {row["user"]: row for row in table.iter_rows(named=True)}
    assert (both["u"]["n_plays"], both["u"]["explorer"]) == (20, pytest.approx(1))
    assert (both["v"]["n_plays"], [both["v"][name] for name in MEASURES]) == (0, [None] * 5)
    assert both["u"]["unique"] is None


def test_angles_are_degrees() -> None:
    vectors = np.array([[1, 0], [0, 1], [-1, 0], [0, 0]], np.float32)
    np.testing.assert_allclose(angles(vectors, np.array([1, 0], np.float32)), [0, 90, 180, np.nan])


def table_of(values: list[float | None]) -> pl.DataFrame:
    named = {name: pl.Series(values, dtype=pl.Float64) for name in MEASURES}
    return pl.DataFrame({"user": [f"u{n}" for n in range(len(values))], "n_plays": 30, **named})


def test_stars_are_fifths_of_the_users() -> None:
    table = table_of([float(each) for each in RNG.normal(size=500)])
    told = persona_table(table, calibrate(table, crowd=np.zeros(2, np.float32), model_id="m"))
    n_users = told["explorer_stars"].value_counts().sort("explorer_stars")
    assert n_users["explorer_stars"].to_list() == [1, 2, 3, 4, 5]
    assert all(90 <= n <= 110 for n in n_users["count"])
    assert spearmanr(told["explorer_percentile"], told["explorer"]).statistic == pytest.approx(1, abs=1e-3)


def test_where_all_are_equal_everyone_is_in_the_middle() -> None:
    table = table_of([0.7] * 50)
    told = persona_table(table, calibrate(table, crowd=np.zeros(2, np.float32), model_id="m"))
    assert set(told["diverse_stars"]) == {3}
    persona = persona_of(told.row(0, named=True))
    assert persona.headline == "The balanced listener"
    assert [trait.name for trait in persona.traits] == list(MEASURES)


def test_a_measure_that_cannot_be_told_is_left_out_and_so_is_nobody() -> None:
    table = table_of([float(n) for n in range(30)]).with_columns(new_tracks=pl.lit(None, pl.Float64))
    calibration = calibrate(table, crowd=np.zeros(2, np.float32), model_id="m")
    assert calibration.quantiles["new_tracks"] == ()
    persona = persona_of(persona_table(table, calibration).row(29, named=True))
    assert [trait.name for trait in persona.traits] == [name for name in MEASURES if name != "new_tracks"]
    assert {trait.stars for trait in persona.traits} == {5}
    with pytest.raises(ValueError, match="20 plays or more for a persona, got 30"):
        persona_of(persona_table(table_of([None]), calibration).row(0, named=True))


def test_a_calibration_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "persona.json"
    table = table_of([float(n) for n in range(30)])
    calibration = calibrate(table, crowd=np.array([0.6, 0.8], np.float32), model_id="m")
    calibration.save(file)
    assert Calibration.load(file) == calibration


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=30))
@settings(max_examples=30, deadline=None)
def test_percentiles_rise_with_the_value_and_stay_between(values: list[float]) -> None:
    found = percentiles(sorted(values), np.quantile(values, np.linspace(0, 1, 101)))
    assert (np.diff(found) >= 0).all()
    assert ((found >= 0) & (found <= 1)).all()
    assert set(stars_of(found)) <= {1, 2, 3, 4, 5}
