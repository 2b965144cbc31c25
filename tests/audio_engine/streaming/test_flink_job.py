"""The same stream on Flink: equal to Spark's. It runs in an environment of its own, which FLINK_PYTHON names."""

import json
import os
import subprocess
from pathlib import Path

import platformdirs
import polars as pl
import pytest

from audio_engine.scoring.heat import cooled_to
from audio_engine.streaming import flink_job
from audio_engine.streaming.flink_changes import read_flink_changes
from audio_engine.streaming.sink import HEAT_SCHEMA, SinkRecipe, read_heats
from audio_engine.streaming.spark_job import StreamSettings, stream_values
from tests.streamed_world import write_stream

PATIENCE_S = 600.0


def python_of_flink() -> Path | None:
    """Find the Python that has apache-flink."""
    cached = platformdirs.user_cache_path("audio-engine") / "flink" / "bin" / "python"
    python = Path(os.environ.get("FLINK_PYTHON", cached))
    return python if python.exists() else None


def test_the_sql_is_cut_into_whole_statements() -> None:
    sql = Path(flink_job.__file__).with_name("track_values.sql").read_text()
    kinds = [statement.split()[0] for statement in flink_job.statements(sql)]
    assert kinds == sorted(kinds, key=["SET", "CREATE", "INSERT"].index)
    assert kinds.count("INSERT") == 1


def test_the_newest_change_of_a_track_counts_in_whatever_file_it_is(tmp_path: Path) -> None:
    assert read_flink_changes(tmp_path, half_life_days=7).schema == HEAT_SCHEMA

    def change(heat: float, plays: int) -> str:
        after = {"track": "a", "anchor_day": 0.0, "heat": heat, "latest_day": 7.0, "plays": plays}
        return json.dumps({"before": None, "after": after}) + "\n"

    (tmp_path / "part-b-0").write_text(change(2.0, 1))
    (tmp_path / "part-a-1").write_text('{"before": {"track": "a"}, "after": null}\n' + change(6.0, 3))
    (tmp_path / ".part-c.inprogress").write_text("not yet")
    (found,) = read_flink_changes(tmp_path, half_life_days=7).rows(named=True)
    assert (found["track"], found["anchor_day"], found["heat"], found["plays"]) == ("a", 7.0, pytest.approx(3.0), 3)


@pytest.mark.slow
@pytest.mark.usefixtures("spark")
@pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")
def test_flink_counts_what_spark_counts(records: pl.DataFrame, batch: pl.DataFrame, tmp_path: Path) -> None:
    pytest.importorskip("pyspark", reason="pyspark is not installed: pip install '.[stream]'")
    if (python := python_of_flink()) is None:
        pytest.skip("FLINK_PYTHON names no Python with apache-flink: see docs/streaming.md")
    write_stream(records, tmp_path / "in", n_files=4, kind="jsonl")
    command = [python, flink_job.__file__, tmp_path / "in", tmp_path / "out", "--checkpoints", tmp_path / "checkpoints"]
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE_S, cwd=tmp_path, env=_without_ours())
    settings = StreamSettings(recipe=SinkRecipe(), master="local[2]")
    assert list(stream_values(str(tmp_path / "in"), tmp_path / "sink", settings=settings))
    flink = read_flink_changes(tmp_path / "out", half_life_days=7)
    spark = read_heats(tmp_path / "sink").heats
    assert flink.drop("heat").equals(spark.drop("heat"))
    assert flink["heat"].to_list() == pytest.approx(spark["heat"].to_list(), rel=1e-9)
    cooled = cooled_to(flink.lazy(), 60.0).collect()["decayed_plays"].to_list()
    assert cooled == pytest.approx(batch["decayed_plays"].to_list(), rel=1e-9)


def _without_ours() -> dict[str, str]:
    """Give an environment from which Flink's Python imports nothing of ours."""
    return {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
