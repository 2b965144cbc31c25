"""``POST /v1/recall`` and ``POST /v1/users-for`` return what the engine's recall returns."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import polars as pl
import pytest

from audio_engine import Client, Engine, NotTrainedError, Play, Track, TrackFilter, UnknownUserError
from tests.genre_world import play
from tests.service.serving import assert_problem, flac, served


@pytest.fixture(scope="module")
def listened(genre_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue with three learned users, each of whom likes a genre; one track of each genre has no plays."""
    directory = shutil.copytree(genre_world / "catalogue", tmp_path_factory.mktemp("listened") / "catalogue")
    with Engine.open(directory) as engine:
        rows = [
            {"user": f"likes {track.tags.genre}", "track": track.track_id, "action": "like", "completion": 1.0}
            for track in engine.tracks()
            if "2 1" not in track.path.name
        ]
        plays = directory.parent / "plays.parquet"
        pl.DataFrame(rows).write_parquet(plays)
        engine.recommender.learn_users(plays)
    return directory


@pytest.fixture(scope="module")
def asking(listened: Path) -> Iterator[Client]:
    with served(Engine.open(listened)) as client, Client(str(client.base_url)) as asking:
        yield asking


def test_plays_a_name_and_a_vector_are_answered_as_by_the_engine(asking: Client, listened: Path) -> None:
    with Engine.open(listened) as engine:
        liked = [track.track_id for track in engine.tracks() if track.tags.genre == "Drums"][:2]
        plays = [Play(track=track_id, days_ago=3) for track_id in liked]
        vector = engine.vector(liked[0])
        expected = engine.recommender.tracks_for(plays=plays, k=5)
        of_user = engine.recommender.tracks_for(user="likes Drums", k=3)
        of_vector = engine.recommender.tracks_for(vector=vector, k=3, where=TrackFilter(genre="plucked"))
    found = asking.recall(plays=plays, k=5)
    assert [each.track.track_id for each in found] == [each.track.track_id for each in expected]
    assert [each.score for each in found] == pytest.approx([each.score for each in expected], abs=1e-5)
    assert found[0].reasons == tuple(track.track_id for track in expected[0].reasons)
    found = asking.recall(user="likes Drums", k=3)
    assert [each.track.track_id for each in found] == [each.track.track_id for each in of_user]
    found = asking.recall(vector=[2 * float(x) for x in vector], k=3, where=TrackFilter(genre="plucked"))
    assert [each.track.track_id for each in found] == [each.track.track_id for each in of_vector]


def test_interests_and_diversity_are_answered_as_by_the_engine(asking: Client, listened: Path) -> None:
    with Engine.open(listened) as engine:
        by_genre = [[t.track_id for t in engine.tracks() if t.tags.genre == genre] for genre in ("Drums", "Plucked")]
        liked = [track_id for track_ids in by_genre for track_id in track_ids[:3]]
        plays = [Play(track=track_id) for track_id in liked]
        expected = engine.recommender.tracks_for(plays=plays, k=6, interests=2, diversity=0.4)
    found = asking.recall(plays=plays, k=6, interests=2, diversity=0.4)
    assert [(each.track.track_id, each.interest) for each in found] == [
        (each.track.track_id, each.interest) for each in expected
    ]
    assert {each.interest for each in found} == {1, 2}
    asked = {"plays": [{"track_id": track_id} for track_id in liked]}
    assert asking.http.post("/v1/recall", json=asked | {"interests": "auto"}).status_code == 200
    for wrong in ({"interests": "many"}, {"interests": 0}, {"interests": 11}, {"diversity": 1.5}):
        assert_problem(asking.http.post("/v1/recall", json=asked | wrong), 422, "invalid_request")


def test_only_what_nobody_has_played_is_recalled_if_that_is_asked(asking: Client) -> None:
    found = asking.recall(user="likes Drums", k=18, only_new=True)
    files = {each.track.file for each in found}  # a copy of what was heard is not new either
    assert {"Plucked 2 1.flac"} <= files <= {"Drums 2 1.flac", "Chiptune 2 1.flac", "Plucked 2 1.flac"}


def test_a_new_track_finds_its_users(asking: Client, listened: Path, tmp_path: Path) -> None:
    (tmp_path / "song.flac").write_bytes(flac(play("Chiptune", 7, 7)))
    found = asking.users_for(tmp_path / "song.flac", k=3)
    assert found[0].user == "likes Chiptune"
    with Engine.open(listened) as engine:
        expected = engine.recommender.users_for(tmp_path / "song.flac", k=3)
        new = next(track for track in engine.tracks() if track.path.name == "Plucked 2 1.flac")
    assert [each.user for each in found] == [each.user for each in expected]
    assert asking.users_for(new.track_id, k=1)[0].user == "likes Plucked"


def test_who_is_not_known_and_what_was_not_learned_are_problems(asking: Client, client: httpx.Client) -> None:
    with pytest.raises(UnknownUserError):
        asking.recall(user="nobody")
    with Client(str(client.base_url)) as unlearned, pytest.raises(NotTrainedError):
        unlearned.recall(user="nobody")
    for wrong in (
        {},
        {"user": "a", "vector": [1.0] * 40},
        {"vector": [0.0] * 40},
        {"vector": [1.0]},
        {"plays": []},
        {"plays": [{"track_id": "a", "action": "love"}]},
        {"plays": [{"track_id": asking.tracks()[0][0].track_id, "action": "skip"}]},  # tells of nothing liked
    ):
        assert_problem(asking.http.post("/v1/recall", json=wrong), 422, "invalid_request")


def test_a_question_by_id_decodes_nothing_whatever_lies_on_the_disk(listened: Path, tmp_path: Path) -> None:
    directory = shutil.copytree(listened, tmp_path / "catalogue")
    with Engine.open(directory) as engine:
        track_id = next(track.track_id for track in engine.tracks() if track.path.name == "Plucked 2 1.flac")
    (tmp_path / "no sound.flac").write_text("changed")
    with closing(sqlite3.connect(directory / "catalogue.sqlite")) as database, database:
        path = os.fsencode(tmp_path / "no sound.flac")
        database.execute("UPDATE tracks SET path = ? WHERE track_id = ?", (path, track_id))
    with served(Engine.open(directory)) as client, Client(str(client.base_url)) as asking:
        assert asking.recall(plays=[Play(track=track_id)], k=2)[0].reasons == (track_id,)
        [user] = asking.users_for(track_id, k=1)
        assert (user.user, user.method) == ("likes Plucked", "sound")


def test_a_track_removed_while_its_users_are_searched_for_is_no_fault(
    listened: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine.open(shutil.copytree(listened, tmp_path / "catalogue"))
    find = engine.catalogue.track

    def find_and_lose(track_id: str) -> Track | None:
        track = find(track_id)
        engine.search.index.remove(track_id)
        return track

    with served(engine) as client:
        monkeypatch.setattr(engine.catalogue, "track", find_and_lose)
        reply = client.post("/v1/users-for", files={"file": ("a.flac", flac(play("Chiptune", 7, 7)))})
        assert "ask again" in assert_problem(reply, 503, "busy")
        assert reply.headers["retry-after"] == "1"
