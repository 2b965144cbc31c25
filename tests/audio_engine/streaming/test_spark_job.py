"""The stream on Spark: equal to the batch, through late records, duplicates, shuffling, kill -9 and restart."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Event

import polars as pl
import pytest

from audio_engine.plays.validation import usable_plays
from audio_engine.streaming.sink import SinkRecipe, read_heats
from audio_engine.streaming.spark_job import BatchReport, StreamSettings, stream_values
from audio_engine.streaming.track_values import track_values
from tests.command_line import Run
from tests.paths import ROOT
from tests.streamed_world import write_stream

pytest.importorskip("pyspark", reason="pyspark is not installed: pip install '.[stream]'")

PATIENCE_S = 180.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("spark"),
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
]


def settings(*, late: str = "keep", **changes: float) -> StreamSettings:
    recipe = SinkRecipe(late="drop" if late == "drop" else "keep")
    return StreamSettings(recipe=recipe, master="local[2]", **changes)  # type: ignore[arg-type]


def run_stream(source: Path, sink: Path, **changes: float) -> list[BatchReport]:
    return list(stream_values(str(source), sink, settings=settings(**changes)))


def assert_equals_batch(sink: Path, batch: pl.DataFrame) -> None:
    found = track_values(sink, at_day=60.0).sort("track")
    for count in ("track", "plays", "likes", "purchases"):
        assert found[count].equals(batch[count]), count
    assert found["decayed_plays"].to_list() == pytest.approx(batch["decayed_plays"].to_list(), rel=1e-9)


def numbers(folder: Path) -> set[int]:
    return {int(path.name) for path in folder.glob("[0-9]*")}


def test_killed_in_mid_batch_and_started_again_every_record_counts_once(
    records: pl.DataFrame, batch: pl.DataFrame, tmp_path: Path
) -> None:
    source, sink, checkpoint = tmp_path / "in", tmp_path / "sink", tmp_path / "sink" / "checkpoint"
    write_stream(records, source, n_files=6)
    size_mb = max(path.stat().st_size for path in source.iterdir()) / 1e6
    command = [sys.executable, "-m", "audio_engine.cli.main", "stream", "run", str(source), str(sink)]
    options = ["--master", "local[2]", "--batch-mb", str(size_mb)]
    with subprocess.Popen([*command, *options], cwd=ROOT, start_new_session=True, stderr=subprocess.DEVNULL) as process:
        until_s = time.monotonic() + PATIENCE_S
        while not (numbers(checkpoint / "commits") and (sink / ".staging").exists()):
            assert process.poll() is None, "it ended before it was killed"
            assert time.monotonic() < until_s, "it came to no second batch"
            time.sleep(0.001)
        os.killpg(process.pid, signal.SIGKILL)  # Python and the JVM
    begun, done = numbers(checkpoint / "offsets"), numbers(checkpoint / "commits")
    assert begun > done
    reports = run_stream(source, sink, batch_mb=size_mb)
    assert reports[0].batch == max(begun)  # the same batch again
    assert_equals_batch(sink, batch)
    assert not run_stream(source, sink)


def test_a_batch_that_is_in_the_sink_but_not_known_to_be_done_counts_once(
    records: pl.DataFrame, batch: pl.DataFrame, tmp_path: Path
) -> None:
    source, sink = tmp_path / "in", tmp_path / "sink"
    write_stream(records, source / "plays", n_files=2, kind="jsonl")
    reports = run_stream(source, sink, late="drop")
    assert sum(report.records for report in reports) == records.height
    assert sum(report.duplicates for report in reports) == records.height - records["event_id"].n_unique()
    commit = sink / "checkpoint" / "commits" / str(reports[-1].batch)
    for path in (commit, commit.with_name(f".{commit.name}.crc")):
        path.unlink()
    again = run_stream(source, sink, late="drop")
    assert [report.batch for report in again] == [reports[-1].batch]
    assert_equals_batch(sink, batch)


def play(event_id: str, day: float, **more: object) -> dict[str, object]:
    return {"event_id": event_id, "user": "u", "track": "t", "day": day, "action": "like", **more}


@pytest.mark.parametrize(("late", "n_plays", "n_late"), [("keep", 4, 0), ("drop", 3, 2)])
def test_what_comes_later_than_the_watermark_is_kept_or_dropped(
    late: str, n_plays: int, n_late: int, tmp_path: Path
) -> None:
    source, sink = tmp_path / "in", tmp_path / "sink"
    source.mkdir()
    first, second = [play("1", 10.0), play("2", 30.0)], [play("3", 30.5)]
    too_late = [play("4", 28.0), play("1", 10.0)]  # one that is new, and one that is known
    for number, rows in enumerate((first, second, too_late)):
        pl.DataFrame(rows).write_ndjson(source / f"{number}.jsonl")
        (report,) = run_stream(source, sink, late=late)
    assert (report.records, report.late, report.duplicates) == (2, n_late, late == "keep")
    heats = read_heats(sink).heats
    assert (heats["plays"][0], heats["anchor_day"][0]) == (n_plays, 30.5)


def test_records_are_left_out_as_from_a_log_in_a_file(tmp_path: Path) -> None:
    rows = [
        play("1", 1.0, action="Favourite"),
        play("2", 1.0, action=""),
        play("3", 1.0, action="sneeze"),
        play("3b", 1.0, action=" FAVORITE "),
        play("4", -1.0),
        play("5", 1.0, completion=1.5),
        play("6", 1.0, completion=0.5, played_s=-2.0),
        play("7", 1.0, track=""),
        play("8", 1.0, user=None),
        play("9", 1.0, completion=1.0, played_s=3.0),
    ]
    log = pl.DataFrame(rows)
    (tmp_path / "in").mkdir()
    log.write_ndjson(tmp_path / "in" / "plays.jsonl")
    log.write_parquet(tmp_path / "plays.parquet")
    usable = usable_plays(tmp_path / "plays.parquet").collect()
    with (tmp_path / "in" / "plays.jsonl").open("a") as file:
        file.write('{"event_id": "10", "user": "u", "track"\n')
        file.write('{"event_id": "11", "user": "u", "track": "t", "day": 90000.0}\n')  # in the year 2216
        file.write('{"event_id": "12", "user": "u", "track": "t", "timestamp": 86400, "kind": "purchase"}\n')
        file.write('{"event_id": "13", "user": "u", "track": "t", "day": 1.0, "kind": "rent"}\n')
    (report,) = run_stream(tmp_path / "in", tmp_path / "sink")
    heats = read_heats(tmp_path / "sink").heats
    (row,) = heats.rows(named=True)
    assert (row["plays"], row["likes"], row["purchases"]) == (usable.height, (usable["action"] == "like").sum(), 1)
    assert (report.records, report.left_out) == (14, 14 - usable.height - 1)


def test_a_stream_that_goes_on_takes_new_files_until_it_is_stopped(tmp_path: Path) -> None:
    source, sink, stop = tmp_path / "in [*] {1}", tmp_path / "sink [2]", Event()
    source.mkdir()
    seconds = pl.from_epoch(pl.Series("timestamp", [86_400, 2 * 86_400, 86_400]), time_unit="s")
    table = pl.DataFrame({"user": ["u", "v", "u"], "track": ["t", "t", "t"], "timestamp": seconds})
    table.write_parquet(source / "0.parquet")  # without ids: the same user, track and time are the same play
    reports = stream_values(str(source), sink, settings=settings(every_s=0.2), stop=stop)
    assert next(reports).duplicates == 1
    table.with_columns(pl.col("timestamp") + pl.duration(days=5)).write_parquet(tmp_path / "1.parquet")
    (tmp_path / "1.parquet").rename(source / "1.parquet")
    assert next(reports).records == 3
    stop.set()
    assert not list(reports)
    (row,) = read_heats(sink).heats.rows(named=True)
    assert (row["track"], row["plays"], row["anchor_day"]) == ("t", 4, 7.0)


def test_the_command_says_what_each_batch_did_and_refuses_another_recipe(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    pl.DataFrame([play("1", 1.0), play("1", 1.0)]).write_ndjson(tmp_path / "in" / "a.jsonl")
    asked = ("stream", "run", tmp_path / "in", tmp_path / "sink", "--master", "local[2]")
    done = run(*asked, "--json")
    assert done.status == 0
    assert [(each["batch"], each["records"], each["duplicates"]) for each in done.objects] == [(0, 2, 1)]
    assert run(*asked).err.endswith("nothing new\n")
    other = run(*asked, "--half-life", "3")
    assert (other.status, "must be written with its own recipe" in other.err) == (2, True)
    (value,) = run("stream", "values", tmp_path / "sink", "--json").objects
    assert (value["track"], value["plays"], value["likes"]) == ("t", 1, 1)


def test_a_source_that_is_none_is_misuse(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for source in (tmp_path / "nowhere", tmp_path / "empty", "kafka://host-without-topic"):
        assert run("stream", "run", source, tmp_path / "sink").status == 2


def test_without_java_it_is_said_what_to_install(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "audio_engine.cli.main", "stream", "run", str(tmp_path), str(tmp_path / "sink")]
    environment = {**os.environ, "PATH": str(tmp_path), "JAVA_HOME": str(tmp_path)}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "error: java must be installed" in ended.stderr
