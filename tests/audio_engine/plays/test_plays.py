import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from audio_engine.plays.formats import lfm2b, listenbrainz, scan_plays, scan_triplets, taste_profile, yambda
from audio_engine.plays.scanning import PLAY_SCHEMA, PlayColumns, name_columns
from audio_engine.plays.track_matching import name_tracks
from audio_engine.plays.validation import count_plays, load_plays, validate_plays, write_plays

TRACKS = name_tracks(["a", "b", "c"], durations_s=[100.0, 200.0, float("nan")]).table


def log(**columns: object) -> pl.LazyFrame:
    return name_columns(pl.LazyFrame(columns))


def test_a_log_gets_its_columns_by_default_names_and_nulls_for_what_it_lacks() -> None:
    plays = log(user=[7], track=["a"], day=[1.5]).collect()
    assert plays.columns == PLAY_SCHEMA.names()
    assert plays.row(0) == ("7", "a", 1.5, None, None, "none")


def test_columns_of_other_names_are_mapped() -> None:
    table = pl.LazyFrame({"listener": ["u"], "song": ["a"], "at": [172_800], "verdict": ["LIKE"]})
    columns = PlayColumns(user="listener", track="song", timestamp="at", action="verdict")
    assert name_columns(table, columns).collect().row(0) == ("u", "a", 2.0, None, None, "like")


def test_a_log_without_tracks_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="must have a column 'track'"):
        name_columns(pl.LazyFrame({"user": ["u"], "song": ["a"]}))


@pytest.mark.parametrize("time", [dt.datetime(1970, 1, 3), dt.date(1970, 1, 3), "1970-01-03 00:00:00", 172_800])
def test_a_time_is_read_as_a_date_a_text_or_seconds(time: object) -> None:
    assert log(user=["u"], track=["a"], timestamp=[time]).collect()["day"].to_list() == [2.0]


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


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet", ".jsonl"])
def test_a_log_reads_the_same_from_every_kind_of_file(tmp_path: Path, ending: str) -> None:
    table = pl.DataFrame({"user": ["u", "v"], "track": ["a", "b"], "day": [0.5, 1.0], "action": ["like", None]})
    path = tmp_path / f"plays{ending}"
    writers = {".parquet": table.write_parquet, ".jsonl": table.write_ndjson, ".csv": table.write_csv}
    if ending == ".tsv":
        table.write_csv(path, separator="\t")
    else:
        writers[ending](path)
    plays = scan_plays(path).collect()
    assert plays["action"].to_list() == ["like", "none"]
    assert plays["day"].to_list() == [0.5, 1.0]


def test_good_plays_are_written_and_read_back(tmp_path: Path) -> None:
    judged = validate_plays(log(user=["u", "v"], track=["a", "x"], day=[0.0, 1.0]), TRACKS)
    counts = write_plays(judged, tmp_path / "good.parquet")
    assert counts.left_out == 1
    assert scan_plays(tmp_path / "good.parquet").collect()["track"].to_list() == ["a"]


@pytest.mark.parametrize("name", ["bad.parquet", "bad.csv"])
def test_a_damaged_or_empty_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("hello" if name == "bad.parquet" else "")
    with pytest.raises(ValueError, match=f"{name} must be a table that can be read"):
        scan_plays(tmp_path / name)


def test_a_missing_log_and_an_odd_ending_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        scan_plays(tmp_path / "none.parquet")
    (tmp_path / "plays.xls").touch()
    with pytest.raises(ValueError, match=r"plays\.xls"):
        scan_plays(tmp_path / "plays.xls")


def test_yambda_events_become_plays_and_what_was_taken_back_is_gone() -> None:
    table = pl.LazyFrame(
        {
            "uid": [1, 1, 1, 1, 1],
            "item_id": [5, 5, 6, 6, 7],
            "timestamp": [86_400, 86_405, 10, 20, 30],
            "played_ratio_pct": [150, None, None, None, None],
            "track_length_seconds": [120, None, None, None, None],
            "event_type": ["listen", "like", "like", "unlike", "dislike"],
        }
    )
    plays = yambda(table).collect()
    assert plays["track"].to_list() == ["5", "5", "7"]
    assert plays["action"].to_list() == ["none", "like", "dislike"]
    assert plays.row(0)[2:5] == (1.0, 120.0, 1.0)


def test_yambda_listens_alone_are_read() -> None:
    table = pl.LazyFrame(
        {"uid": [1], "item_id": [5], "timestamp": [0], "played_ratio_pct": [50], "track_length_seconds": [60]}
    )
    assert yambda(table).collect().row(0) == ("1", "5", 0.0, 30.0, 0.5, "none")


def test_lfm2b_plays_and_counts_are_read() -> None:
    plays = lfm2b(pl.LazyFrame({"user_id": [2], "track_id": ["a"], "timestamp": ["1970-01-02 12:00:00"]})).collect()
    assert plays.row(0)[:3] == ("2", "a", 1.5)
    counts = lfm2b(pl.LazyFrame({"user_id": [2, 3], "track_id": ["a", "b"], "count": [3, 1]})).collect()
    assert counts["user"].to_list() == ["2", "2", "2", "3"]


def test_taste_profile_triplets_are_read_without_a_heading(tmp_path: Path) -> None:
    (tmp_path / "train_triplets.txt").write_text("u1\tSOAKIMP\t2\nu2\tSOAPDEY\t1\n")
    plays = taste_profile(scan_triplets(tmp_path / "train_triplets.txt")).collect()
    assert plays["track"].to_list() == ["SOAKIMP", "SOAKIMP", "SOAPDEY"]
    assert plays.equals(scan_plays(tmp_path / "train_triplets.txt", layout="taste-profile").collect())


def test_listenbrainz_takes_the_mbid_before_the_msid() -> None:
    table = pl.LazyFrame(
        {
            "user_id": [1, 1],
            "listened_at": [dt.datetime(1970, 1, 2), dt.datetime(1970, 1, 3)],
            "recording_mbid": [None, "mbid"],
            "recording_msid": ["msid", "msid"],
        }
    )
    plays = listenbrainz(table).collect()
    assert plays["track"].to_list() == ["msid", "mbid"]
    assert plays["day"].to_list() == [1.0, 2.0]
    lines = pl.LazyFrame({"user_name": ["rob"], "timestamp": [86_400], "recording_msid": ["msid"]})
    assert listenbrainz(lines).collect().row(0)[:3] == ("rob", "msid", 1.0)
