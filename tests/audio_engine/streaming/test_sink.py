"""The sink of a stream: every batch counts once, whatever is run again, merged or read meanwhile."""

import shutil
import threading
from pathlib import Path

import polars as pl
import pytest

from audio_engine import TrackValuesError
from audio_engine.streaming import sink as sinks
from audio_engine.streaming.sink import (
    COUNTS,
    HEAT_SCHEMA,
    MAX_FILES,
    SinkRecipe,
    list_files,
    open_sink,
    read_heats,
    write_batch,
)
from audio_engine.streaming.track_values import Exploration, LiveValues, track_values

N_BATCHES = 3 * MAX_FILES


def heats(day: float, plays: int = 1, track: str = "a") -> pl.DataFrame:
    row = {"track": track, "anchor_day": day, "heat": float(plays), **dict.fromkeys(COUNTS, 0), "plays": plays}
    return pl.DataFrame([row], schema=HEAT_SCHEMA)


@pytest.fixture
def sink(tmp_path: Path) -> Path:
    open_sink(tmp_path / "sink", SinkRecipe())
    return tmp_path / "sink"


def plays_of(sink: Path) -> int:
    return int(read_heats(sink).heats["plays"].sum())


def test_a_batch_that_is_written_again_counts_once_also_after_it_was_merged(sink: Path) -> None:
    for batch in range(N_BATCHES):
        for _ in range(2):
            write_batch(sink, batch, heats(float(batch)))
        assert plays_of(sink) == batch + 1
    assert len(list_files(sink)) <= MAX_FILES
    write_batch(sink, 0, heats(0.0))
    found = read_heats(sink).heats
    assert (found["plays"][0], found["anchor_day"][0]) == (N_BATCHES, N_BATCHES - 1)
    assert found["heat"][0] == pytest.approx(sum(2 ** (-age / 7) for age in range(N_BATCHES)))


def test_what_is_added_to_what_is_known_is_what_all_files_hold(sink: Path) -> None:
    known = read_heats(sink)
    for batch in range(N_BATCHES):
        write_batch(sink, batch, heats(float(batch), track="ab"[batch % 2]))
        if batch % 3 == 0:
            known = read_heats(sink, known)
            whole = read_heats(sink)
            assert known.heats.drop("heat").equals(whole.heats.drop("heat"))
            assert known.heats["heat"].to_list() == pytest.approx(whole.heats["heat"].to_list())
    shutil.rmtree(sink)  # and another stream begins in its place
    open_sink(sink, SinkRecipe(half_life_days=3.0))
    write_batch(sink, N_BATCHES, heats(1.0))
    assert read_heats(sink, known).heats["plays"].sum() == 1


def test_a_writer_that_dies_before_it_deletes_what_it_merged_changes_nothing(
    sink: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for batch in range(MAX_FILES):
        write_batch(sink, batch, heats(float(batch)))

    unlink = Path.unlink

    def die(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".parquet":
            raise KeyboardInterrupt
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", die)
        with pytest.raises(KeyboardInterrupt):
            sinks._merge_files(sink)
    assert len(list((sink / "values").glob("*.parquet"))) == MAX_FILES + 1
    assert (len(list_files(sink)), plays_of(sink)) == (1, MAX_FILES)
    write_batch(sink, MAX_FILES - 1, heats(0.0))  # again, since Spark did not hear that it was done
    write_batch(sink, MAX_FILES, heats(0.0))
    assert plays_of(sink) == MAX_FILES + 1


def test_readers_see_whole_batches_in_order_while_it_is_written_and_merged(sink: Path) -> None:
    done = threading.Event()
    seen: list[int] = []
    live = LiveValues(sink)

    def read() -> None:
        while not done.is_set():
            seen.append(live.value("a").plays)
            seen.append(plays_of(sink))

    reader = threading.Thread(target=read)
    reader.start()
    for batch in range(N_BATCHES):
        write_batch(sink, batch, heats(float(batch), plays=1))
    done.set()
    reader.join()
    assert seen == sorted(seen)
    assert plays_of(sink) == live.value("a").plays == N_BATCHES


def test_a_sink_keeps_its_recipe_and_takes_no_folder_of_others(sink: Path, tmp_path: Path) -> None:
    open_sink(sink, SinkRecipe())
    with pytest.raises(ValueError, match="must be written with its own recipe"):
        open_sink(sink, SinkRecipe(half_life_days=3.0))
    with pytest.raises(ValueError, match="must be a new folder or a sink"):
        open_sink(tmp_path, SinkRecipe())
    with pytest.raises(ValueError, match="half_life_days must be positive"):
        SinkRecipe(half_life_days=0.0)
    with pytest.raises(ValueError, match="late must be one of keep, drop, got 'later'"):
        SinkRecipe(late="later")  # type: ignore[arg-type]


def test_what_cannot_be_read_is_told_by_name(sink: Path, tmp_path: Path) -> None:
    with pytest.raises(TrackValuesError, match="sink must be a folder that audio-engine stream run writes"):
        track_values(tmp_path / "nowhere")
    assert track_values(sink).is_empty()
    (sink / "values" / "000000000-000000000.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(TrackValuesError, match="must be files that can be read"):
        track_values(sink)


def test_values_are_those_of_the_scores_of_a_log(sink: Path) -> None:
    rows = [("a", 7.0, 2.0, 40, 10), ("b", 14.0, 1.0, 20, 8), ("c", 0.0, 4.0, 30, 3)]
    table = [
        dict.fromkeys(COUNTS, 0) | dict(zip(("track", "anchor_day", "heat", "plays", "likes"), row, strict=True))
        for row in rows
    ]
    write_batch(sink, 0, pl.DataFrame(table, schema=HEAT_SCHEMA))
    found = track_values(sink, at_day=21.0, exploration=Exploration(weight=0.0)).sort("track")
    assert found["decayed_plays"].to_list() == pytest.approx([0.5, 0.5, 0.5])
    explored = track_values(sink, exploration=Exploration(weight=1.0, enough=25))
    assert explored["track"][0] == "b"  # the only one with fewer plays
    assert explored.filter(pl.col("track") != "b")["explored_value"].equals(
        explored.filter(pl.col("track") != "b")["smoothed_rate"].alias("explored_value")
    )
