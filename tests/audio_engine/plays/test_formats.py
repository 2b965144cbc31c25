"""Logs as others lay them out become plays."""

import datetime as dt
from pathlib import Path

import polars as pl

from audio_engine.plays.formats import lfm2b, listenbrainz, scan_plays, scan_triplets, taste_profile, yambda


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
