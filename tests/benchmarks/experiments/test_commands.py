from pathlib import Path

import pytest

from tests.benchmarks.experiments import debias, exploration
from tests.listening_world import write_rising_log


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    write_rising_log(folder := tmp_path_factory.mktemp("log"))
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
