from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.benchmarks.experiments import debias, exploration


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve tracks of two genres, played for 40 days; t11 rises in the last two."""
    folder, rng = tmp_path_factory.mktemp("log"), np.random.default_rng(0)
    track = rng.integers(12, size=3_000)
    day = np.where(rng.random(3_000) < 0.1 * (track == 11), 39.5, 40 * rng.random(3_000))
    more = np.full(120, 11)
    rows = np.append(track, more), np.append(day, rng.uniform(38, 40, 120))
    action = np.where(rng.random(3_120) < np.linspace(0.1, 0.5, 12)[rows[0]], "like", "none")
    pl.DataFrame(
        {
            "user": [f"u{i}" for i in rng.integers(50, size=3_120)],
            "track": [f"t{i:02}" for i in rows[0]],
            "day": rows[1],
            "action": action,
        }
    ).write_parquet(folder / "plays.parquet")
    pl.DataFrame({"track": [f"t{i:02}" for i in range(12)], "genre": ["folk", "pop"] * 6}).write_parquet(
        folder / "tracks.parquet"
    )
    return folder


def test_policies_are_played_out_from_the_command_line(run_main, log: Path, tmp_path: Path) -> None:
    for name in ("plays_train", "plays_valid_cold"):
        (tmp_path / f"{name}.parquet").write_bytes((log / "plays.parquet").read_bytes())
    options = ("--rounds", "300", "--runs", "3", "--enough", "5", "--weight", "1")
    lines = run_main(exploration.main, "--world", tmp_path, *options, "--json").objects
    reached = {line["method"]: line["value"] for line in lines if line["metric"] == "reached_enough"}
    assert reached["bonus to 5 plays, weight 1"] == 1.0
    assert all(line["low"] <= line["value"] <= line["high"] for line in lines)
    people = run_main(exploration.main, "--world", tmp_path, *options)
    assert "Thompson sampling" in people.out
    debiased = run_main(debias.main, "--world", tmp_path, "--c", "1", "--c", "2", "--json")
    assert debiased.status == 0
    assert {line["slice"] for line in debiased.objects} == {"validation", "test"}
