from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from tests.audio_engine.scoring.value.logs import write_random_world
from tests.benchmarks.experiments import value, value_soaring
from tests.benchmarks.experiments.value import rank_correlation, top_lift

pytest.importorskip("duckdb", reason="duckdb is not installed: pip install '.[metrics]'")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    write_random_world(folder := tmp_path_factory.mktemp("world"))
    return folder


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=30))
def test_rank_correlation_is_scipys(pairs: list[tuple[int, int]]) -> None:
    first, second = np.array(pairs, np.float64).T
    if np.ptp(first) and np.ptp(second):
        assert rank_correlation(first, second) == pytest.approx(spearmanr(first, second)[0])
        tables = (np.stack([values, values[::-1]]) for values in (first, second))
        assert rank_correlation(*tables).tolist() == pytest.approx([spearmanr(first, second)[0]] * 2)


def test_top_lift_worked_by_hand() -> None:
    score, target = np.arange(20.0), np.where(np.arange(20) >= 18, 5.0, 0.0)
    assert top_lift(score, target) == 10  # two of twenty have it all
    assert top_lift(-score, target) == 0


def test_value_is_judged_from_the_command_line(run_main, world: Path) -> None:
    files = (
        "--plays",
        world / "plays.parquet",
        "--events",
        world / "events.parquet",
        "--tracks",
        world / "tracks.parquet",
    )
    lines = run_main(value.judge, *files, "--until", "40", "--to", "60", "--draws", "50", "--json").objects
    found = {(line["target"], line["method"], line["metric"]): line for line in lines}
    assert found["acts", "value", "rho"]["value"] > 0.6
    ahead = found["acts", "raw count of plays", "value minus, rho"]
    difference = found["acts", "value", "rho"]["value"] - found["acts", "raw count of plays", "rho"]["value"]
    assert ahead["value"] == pytest.approx(difference)
    assert all(line["low"] <= line["value"] + 1e-9 for line in lines)


def test_the_forecast_is_judged_from_the_command_line(run_main, world: Path) -> None:
    files = (
        "--plays",
        world / "plays.parquet",
        "--tracks",
        world / "tracks.parquet",
        "--vectors",
        world / "vectors.parquet",
    )
    lines = run_main(value_soaring.main, *files, "--until", "42", "--to", "63", "--draws", "10", "--json").objects
    methods = {line["method"] for line in lines if line["metric"] == "AUC"}
    assert methods == {
        "forecast, plays",
        "forecast, plays and sound",
        "trend test",
        "trend lift",
        "plays of the last week",
    }
    assert all(0 <= line["value"] <= 1 for line in lines if line["metric"] in {"AUC", "average precision"})
