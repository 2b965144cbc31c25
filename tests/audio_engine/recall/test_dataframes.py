"""Recall on tables alone."""

import numpy as np
import polars as pl
import pytest

from audio_engine.recall.dataframes import recall_tracks, recall_users, users_from_plays

ANGLES = {"low": 0, "lowish": 10, "low copy": 1, "high": 90, "highish": 80}


@pytest.fixture
def tracks():
    radians = np.radians(list(ANGLES.values()))
    vectors = np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)
    return pl.DataFrame(
        {
            "track": list(ANGLES),
            "vector": vectors.tolist(),
            "artist": ["a", "a", None, "b", "b"],
            "recording": ["1", None, "1", None, None],
        }
    )


@pytest.fixture
def plays():
    return pl.DataFrame(
        {
            "user": ["ann", "ann", "bob", "cy"],
            "track": ["low", "high", "high", "low"],
            "action": ["like", "dislike", "like", "skip"],
        }
    )


def test_users_get_tracks_like_those_they_liked_and_none_they_have_played(tracks, plays):
    users = users_from_plays(plays, tracks)
    assert users["user"].to_list() == ["ann", "bob"]  # cy liked nothing
    answers = recall_tracks(users, tracks, k=5)
    by_user = {user: rows["track"].to_list() for (user,), rows in answers.group_by("user")}
    assert by_user == {"ann": ["lowish", "highish"], "bob": ["highish", "lowish", "low copy"]}


def test_copies_share_a_place_and_artists_are_capped(tracks):
    asked = pl.DataFrame({"user": ["dora"], "vector": [[1.0, 0.0]]})
    assert recall_tracks(asked, tracks, k=5)["track"].to_list() == ["low", "lowish", "highish", "high"]
    assert recall_tracks(asked, tracks, k=5, max_per_artist=1)["track"].to_list() == ["low", "highish"]


def test_tracks_find_their_users(tracks, plays):
    found = recall_users(tracks.filter(pl.col("track").is_in(["low", "high"])), users_from_plays(plays, tracks), k=1)
    assert dict(zip(found["track"], found["user"], strict=True)) == {"low": "ann", "high": "bob"}


def test_arrow_tables_serve_as_well(tracks, plays):
    pytest.importorskip("pyarrow", reason="needs pyarrow, of the extra ray")
    found = users_from_plays(plays.to_arrow(), tracks.to_arrow())
    assert found.equals(users_from_plays(plays, tracks))


def test_vectors_that_are_not_of_unit_length_are_refused(tracks, plays):
    longer = tracks.with_columns(vector=pl.Series([[2.0, 0.0]] * len(tracks)))
    with pytest.raises(ValueError, match="vector of tracks must be of unit length"):
        users_from_plays(plays, longer)
