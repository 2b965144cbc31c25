"""Plays that cannot be used are counted by reason and left out."""

from pathlib import Path

import pytest

from audio_engine.plays.formats import scan_plays
from audio_engine.plays.track_matching import name_tracks
from audio_engine.plays.validation import count_plays, load_plays, validate_plays, write_plays
from tests.audio_engine.plays.test_scanning import log

TRACKS = name_tracks(["a", "b", "c"], durations_s=[100.0, 200.0, float("nan")]).table


def test_rows_that_cannot_be_used_are_counted_once_each_and_left_out() -> None:
    plays = log(
        user=["u"] * 7,
        track=["a", "x", "a", "a", "a", "a", "b"],
        day=[0.0, -1.0, -1.0, 1.0, 1.0, 2.0, 3.0],
        completion=[0.5, 0.5, 0.5, 1.5, 0.5, None, None],
        played_s=[None, None, None, None, None, -3.0, 200.5],
        action=["like", "like", "like", None, "danced", None, None],
    )
    judged = validate_plays(plays, TRACKS)
    counts = count_plays(judged)
    assert (counts.rows, counts.left_out) == (7, 5)
    assert (counts.unknown_track, counts.negative_time, counts.completion_over_one, counts.unknown_action) == (
        (1, 2, 1, 1)
    )
    assert str(counts).startswith("7 plays, 5 left out (1 unknown track, 2 negative time")
    log_read, _ = load_plays(judged, {"u": 0})
    assert log_read.track.tolist() == [0, 1]
    assert log_read.completion.tolist() == [0.5, 1.0]


def test_completion_is_worked_out_from_the_seconds_played_where_the_length_is_known() -> None:
    plays = validate_plays(log(user=["u"] * 3, track=["a", "b", "c"], played_s=[50.0, 500.0, 5.0]), TRACKS).collect()
    assert plays["completion"].to_list() == [0.5, 2.5, None]
    assert plays["reason"].to_list() == [None, "completion_over_one", None]


def test_times_in_milliseconds_are_noticed() -> None:
    plays = validate_plays(log(user=["u"], track=["a"], timestamp=[1_700_000_000_000]), TRACKS)
    with pytest.raises(ValueError, match="are the times in milliseconds"):
        count_plays(plays)


def test_good_plays_are_written_and_read_back(tmp_path: Path) -> None:
    judged = validate_plays(log(user=["u", "v"], track=["a", "x"], day=[0.0, 1.0]), TRACKS)
    counts = write_plays(judged, tmp_path / "good.parquet")
    assert counts.left_out == 1
    assert scan_plays(tmp_path / "good.parquet").collect()["track"].to_list() == ["a"]
