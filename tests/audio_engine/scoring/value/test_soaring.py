import logging
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from audio_engine.metrics.auc import auc_by_group
from audio_engine.scoring.value.log import open_value_log
from audio_engine.scoring.value.policy import Soaring, Times
from audio_engine.scoring.value.soaring import learning_rows, soaring_forecast

pytest.importorskip("duckdb", reason="duckdb is not installed: pip install '.[metrics]'")

N_TRACKS, N_DAYS, PERIOD = 120, 91, 28


@pytest.fixture(scope="module")
def waves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tracks rise and fall in waves of their own, so that who rises now is high next week; `never` has no play."""
    folder, rng = tmp_path_factory.mktemp("waves"), np.random.default_rng(0)
    phase, days = rng.random(N_TRACKS), np.arange(N_DAYS)
    rate = 3 * np.exp(1.2 * np.sin(2 * np.pi * (days[None] / PERIOD + phase[:, None])))
    track, day = np.nonzero(np.ones_like(rate))
    n = rng.poisson(rate[track, day])
    pl.DataFrame(
        {
            "user": [f"u{i}" for i in rng.integers(200, size=n.sum())],
            "track": [f"t{i}" for i in np.repeat(track, n)],
            "day": np.repeat(day, n) + rng.random(n.sum()),
        }
    ).write_parquet(folder / "plays.parquet")
    ids = [*(f"t{i}" for i in range(N_TRACKS)), "never"]
    pl.DataFrame({"track": ids, "artist_key": [f"a{i // 3}" for i in range(len(ids))]}).write_parquet(
        folder / "tracks.parquet"
    )
    return folder


def test_what_rises_is_foreseen_and_calibrated(waves: Path) -> None:
    tracks = pl.read_parquet(waves / "tracks.parquet")
    with open_value_log(waves / "plays.parquet", events=None, times=Times(), at_day=84.0) as log:
        found = soaring_forecast(log, tracks, Soaring())
    with open_value_log(waves / "plays.parquet", events=None, times=Times()) as log:
        came = learning_rows(log, tracks, Soaring(), ends=[84])
    value = found.value[came["row"].to_numpy()]
    outside = ~came["is_top"].to_numpy()
    soars = came["soars"].to_numpy()
    assert auc_by_group(np.zeros(outside.sum(), np.int64), soars[outside], value[outside], n_groups=1)[0, 0] > 0.85
    assert value.mean() == pytest.approx(soars.mean(), abs=0.07)
    assert ((found.low <= found.value) & (found.value <= found.high) & (found.low >= 0) & (found.high <= 1)).all()


def test_a_track_without_plays_is_given_the_rate_of_all(waves: Path) -> None:
    tracks = pl.read_parquet(waves / "tracks.parquet")
    with open_value_log(waves / "plays.parquet", events=None, times=Times(), at_day=70.0) as log:
        found = soaring_forecast(log, tracks, Soaring())
    assert found.value[-1] == found.numerator[-1] / found.denominator[-1]
    assert (found.low[-1], found.high[-1]) == (0.0, 1.0)


def test_a_vector_that_tells_nothing_changes_little_and_one_that_is_missing_is_borne(waves: Path) -> None:
    tracks = pl.read_parquet(waves / "tracks.parquet")
    vectors = np.random.default_rng(0).normal(size=(len(tracks), 20)).astype(np.float32)
    vectors[::7] = np.nan
    with open_value_log(waves / "plays.parquet", events=None, times=Times(), at_day=84.0) as log:
        without = soaring_forecast(log, tracks, Soaring())
        found = soaring_forecast(log, tracks, Soaring(), vectors=vectors)
        nothing = soaring_forecast(log, tracks, Soaring(), vectors=np.full_like(vectors, np.nan))
    assert np.corrcoef(found.value, without.value)[0, 1] > 0.85
    assert nothing.value.tolist() == without.value.tolist()


def test_a_log_too_short_to_learn_from_gives_every_track_one_probability(
    waves: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracks = pl.read_parquet(waves / "tracks.parquet")
    with (
        caplog.at_level(logging.WARNING),
        open_value_log(waves / "plays.parquet", events=None, times=Times(), at_day=5.0) as log,
    ):
        found = soaring_forecast(log, tracks, Soaring())
    assert set(found.value) == {0.2}
    assert "soaring cannot be learned" in caplog.text


def test_the_answer_is_the_top_share_of_the_days_after_counted_by_hand(waves: Path) -> None:
    tracks = pl.read_parquet(waves / "tracks.parquet")
    with open_value_log(waves / "plays.parquet", events=None, times=Times()) as log:
        rows = learning_rows(log, tracks, Soaring(top_share=0.1), ends=[50])
    plays = pl.read_parquet(waves / "plays.parquet").filter(pl.col("day").is_between(50, 57, closed="left"))
    most = plays["track"].value_counts(sort=True).filter(pl.col("count").rank("min", descending=True) <= 12)
    assert set(rows.filter("soars")["track"]) == set(most["track"])
    assert 10 <= len(most) <= 14  # 12 of 120, and ties
