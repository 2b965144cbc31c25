"""The experiment on users finds what was planted, and nothing in what was shuffled."""

import numpy as np
import polars as pl
import pytest

from audio_engine.users.persona import Listening
from tests.benchmarks.experiments.users import judge_circles, judge_personas, judge_profiles

N_USERS, N_TRACKS, N_PLAYS = 90, 60, 14_400
LOVED = np.array([0, 0, 0, 1, 2])[np.arange(N_USERS) % 5]  # sound of each user


@pytest.fixture(scope="module")
def plays() -> pl.DataFrame:
    """Users of whom each likes one of three sounds and rejects the others, at any time."""
    rng = np.random.default_rng(0)
    user, track = rng.integers(N_USERS, size=N_PLAYS), rng.integers(N_TRACKS, size=N_PLAYS)
    liked = rng.random(N_PLAYS) < np.where(LOVED[user] == track % 3, 0.8, 0.2)
    columns = {"user": [f"u{each}" for each in user], "track": [f"t{each}" for each in track]}
    action = np.where(liked, "like", "skip")
    return pl.DataFrame(columns).with_columns(
        day=pl.Series(rng.uniform(0, 100, N_PLAYS)), completion=pl.lit(0.5), action=pl.Series(action)
    )


@pytest.fixture(scope="module")
def listening(plays: pl.DataFrame) -> Listening:
    ids = [f"t{track}" for track in range(N_TRACKS)]
    texts = {"artist": [f"a{track % 20}" for track in range(N_TRACKS)], "sound": [f"s{n % 3}" for n in range(N_TRACKS)]}
    facts = pl.DataFrame({"track": ids, **texts, "release_day": -1.0}).with_columns(
        pl.lit(None, pl.String).alias(name) for name in ("genre", "language", "region")
    )
    reach = plays.group_by("track").agg(reach=pl.col("user").n_unique() / N_USERS)
    vectors = np.eye(3, dtype=np.float32)[np.arange(N_TRACKS) % 3]
    rows = {track: row for row, track in enumerate(ids)}
    return Listening(facts=facts, reach=reach, rows=rows, vectors=vectors, half_life_days=120.0)


def test_profiles_foretell_planted_likes_above_everyones_mean(plays: pl.DataFrame, listening: Listening) -> None:
    found = {(row.method, row.metric): row for row in judge_profiles(plays, listening.facts, cut=60, end=100, seed=0)}
    assert found["sound, prior 10", "difference"].low > 0.1
    assert found["sound, prior 10", "auc"].value > 0.7
    assert found["sound, prior 10", "everyone's"].value == pytest.approx(0.5, abs=0.15)


def test_a_planted_truth_is_found_and_its_halves_agree(plays: pl.DataFrame, listening: Listening) -> None:
    share = plays.filter(action="like").group_by("user").agg(rarity=pl.col("track").n_unique().cast(pl.Float64))
    rows = {(row.method, row.metric): row for row in judge_personas(plays, listening, share, seed=0)}
    assert {method for method, _ in rows} == {"explorer", "diverse", "new_tracks", "off_mainstream", "unique"}
    assert all(row.low <= row.value <= row.high for row in rows.values())
    assert rows["unique", "even and odd days"].value > 0.3


def test_planted_circles_differ_and_shuffled_ones_do_not(plays: pl.DataFrame, listening: Listening) -> None:
    names = [f"u{user}" for user in range(N_USERS)]
    users = pl.DataFrame({"user": names, "band": LOVED, "joined": range(N_USERS)})
    rows = list(judge_circles(plays, listening.facts, users, seed=0))
    beside = {row.about["circles"]: row.value for row in rows if row.metric == "beside 1"}
    assert beside["true"] > 0.1 > beside["shuffled"]
    deviance = {row.about["circles"]: row.value for row in rows if row.metric == "deviance"}
    assert deviance["shrunk lift"] < deviance["none"]
    assert {row.method for row in rows} == {"band"}
