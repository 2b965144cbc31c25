"""Recall on tables alone."""

import numpy as np
import polars as pl
import pytest

from audio_engine.recall.dataframes import diversify, recall_tracks, recall_users, users_from_plays
from tests.audio_engine.search.planted import N_EACH, clusters

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


def test_interests_take_turns_on_tables_too():
    table = pl.DataFrame({"track": [str(row) for row in range(60)], "vector": clusters().tolist()})
    liked = [str(row) for row in (*range(8), *range(N_EACH, N_EACH + 4))]
    plays = pl.DataFrame({"user": ["ann"] * 12, "track": liked, "action": ["like"] * 12})
    users = users_from_plays(plays, table)
    found = recall_tracks(users, table, k=6, interests="auto")["track"].cast(pl.Int64).to_list()
    assert [row // N_EACH for row in found] == [0, 1, 0, 0, 1, 0]
    with pytest.raises(ValueError, match="interests must be from 1 to 10, or auto, got 0"):
        recall_tracks(users, table, interests=0)


def test_answers_are_made_diverse_user_by_user(tracks):
    users = pl.DataFrame({"user": ["dora", "emil"], "vector": [[1.0, 0.0], [0.0, 1.0]]})
    answers = recall_tracks(users, tracks, k=5)
    plain = diversify(answers, tracks, k=2, diversity=0)
    assert plain.equals(answers.filter(pl.col("rank") <= 2))
    for method in ("mmr", "dpp"):
        varied = diversify(answers, tracks.with_columns(genre=pl.lit("x")), k=2, diversity=0.9, method=method)
        assert varied["track"].to_list() == ["low", "high", "high", "low copy"]
        assert varied["rank"].to_list() == [1, 2, 1, 2]
    with pytest.raises(ValueError, match="answers must be of tracks of the table, got 'none'"):
        diversify(pl.DataFrame({"user": ["dora"], "track": ["none"], "score": [1.0]}), tracks, diversity=0.5)
