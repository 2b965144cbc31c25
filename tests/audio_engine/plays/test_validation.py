"""Plays that cannot be used are counted by reason and left out."""

from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_engine.plays.formats import scan_plays
from audio_engine.plays.track_matching import name_tracks
from audio_engine.plays.validation import count_plays, load_plays, validate_plays, write_plays
from tests.audio_engine.plays.test_scanning import log
from tests.audio_engine.plays.test_table_files import ENDINGS, write

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


def test_nan_is_not_known_and_infinity_is_over_one() -> None:
    plays = validate_plays(
        log(user=["u"] * 3, track=["a"] * 3, completion=[float("nan"), 0.5, float("inf")], played_s=[50.0, None, None]),
        TRACKS,
    )
    assert plays.collect()["completion"].to_list()[:2] == [0.5, 0.5]
    assert plays.collect()["reason"].to_list() == [None, None, "completion_over_one"]


def test_a_favourite_is_a_like() -> None:
    judged = validate_plays(log(user=["u"] * 3, track=["a"] * 3, action=["favourite", "Favorite ", "like"]), TRACKS)
    assert count_plays(judged).left_out == 0
    assert load_plays(judged, {"u": 0})[0].liked.all()
    assert judged.collect()["is_favourite"].to_list() == [True, True, False]


def test_plays_of_users_that_are_not_known_are_counted() -> None:
    judged = validate_plays(log(user=["u", None, "", "v"], track=["a"] * 4), TRACKS)
    assert count_plays(judged).unknown_user == 2
    plays, counts = load_plays(judged, {"u": 0})
    assert (len(plays), counts.unknown_user, counts.left_out) == (1, 3, 3)


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=6)
IDS = st.none() | st.sampled_from(["a", "b", "007", "7", "1.0", '"a', 'b"c', "a,b", "a;b", "#", "null"]) | WORDS
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "user": IDS,
            "track": IDS,
            "timestamp": st.none() | st.sampled_from([0.0, -5.0, 1.7e9, float("nan"), float("inf")]),
            "completion": st.none() | st.sampled_from([0.0, 0.5, 1.0, 1.5, -1.0, float("nan")]),
            "played_s": st.none() | st.sampled_from([0.0, 90.0, 900.0, -1.0, float("nan")]),
            "action": st.none() | st.sampled_from(["like", "LIKE", "favorite", "danced", "none", ""]),
        }
    ),
    min_size=1,
    max_size=20,
)
SCHEMA = dict.fromkeys(("user", "track", "action"), pl.String) | dict.fromkeys(
    ("timestamp", "completion", "played_s"), pl.Float64
)


@settings(max_examples=30, deadline=None)
@given(rows=ROWS)
def test_rows_read_and_rows_left_out_are_the_rows_of_the_file(rows: list[dict[str, object]]) -> None:
    # a row in front so that no file is without a value in any column
    first = {"user": "u", "track": "a", "timestamp": 0.0, "completion": 0.5, "played_s": 1.0, "action": "like"}
    table = pl.DataFrame([first, *rows], schema=SCHEMA)
    found = []
    with TemporaryDirectory() as folder:
        for ending in ENDINGS:
            path = write(table, Path(folder) / f"plays.{ending}")
            judged = validate_plays(scan_plays(path), TRACKS)
            counts, users = count_plays(judged), judged.select(pl.col("user").drop_nulls().unique().sort()).collect()
            plays, same = load_plays(judged, {user: row for row, user in enumerate(users["user"])})
            assert counts == same
            assert counts.rows == len(table) == len(plays) + counts.left_out
            assert counts.left_out == sum(counts.reasons.values())
            found.append((counts, users["user"].to_list(), plays.track.tolist()))
    assert found[0] == found[1] == found[2] == found[3]
