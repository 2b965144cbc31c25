"""``POST /v1/similar`` and ``POST /v1/embed`` return what the engine returns, and the reason if it returns less."""

import shutil
import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import numpy as np
import pytest

from audio_engine import Client, Engine, TrackFilter, UnknownTrackError
from audio_engine.catalogue.duplicates import COPY_SIMILARITY
from audio_engine.catalogue.track import DIM
from service.similar import SimilarResponse
from tests.genre_world import play
from tests.service.serving import assert_problem, flac, served


@pytest.fixture(scope="module")
def asking(client: httpx.Client) -> Client:
    return Client(str(client.base_url))


def some_ids(client: httpx.Client, text: str, n: int) -> list[str]:
    return [track["track_id"] for track in client.get("/v1/tracks", params={"q": text, "limit": n}).json()["tracks"]]


def test_a_track_has_the_neighbours_that_the_engine_gives_it(asking: Client, catalogue: Path) -> None:
    with asking, Engine.open(catalogue) as engine:
        for track in engine.tracks()[::5]:
            answer, expected = asking.similar(track.track_id, k=7), engine.similar(track.track_id, k=7)
            assert [each.track.track_id for each in answer.neighbours] == [each.track.track_id for each in expected]
            assert [each.rank for each in answer.neighbours] == [1, 2, 3, 4, 5, 6, 7]
            assert [each.similarity for each in answer.neighbours] == [each.similarity for each in expected]
            assert (answer.seeds[0].track_id, answer.seeds[0].title) == (track.track_id, track.tags.title)
            assert (answer.model_id, answer.flags) == (engine.models.active_id, ())


def test_an_answer_is_what_the_openapi_page_says(client: httpx.Client) -> None:
    (track_id,) = some_ids(client, "Drums", 1)
    reply = client.post("/v1/similar", json={"track_ids": [track_id], "like": {track_id: 1.0}, "k": 3})
    assert reply.headers["content-type"] == "application/json"
    assert SimilarResponse.model_validate_json(reply.content, strict=True).model_dump(mode="json") == reply.json()
    track = client.get(f"/v1/tracks/{track_id}").json()
    assert reply.json()["seeds"] == [track, track]


def test_a_filter_is_answered_the_same_before_and_after_it_is_kept(own: Path) -> None:
    with served(Engine.open(own)) as client:
        body = {"track_ids": some_ids(client, "Drums", 1), "genre": "plucked"}
        first, kept = (client.post("/v1/similar", json=body).json() for _ in range(2))
        assert first == kept
        gone = kept["neighbours"][0]["track"]["track_id"]
        assert client.delete(f"/v1/tracks/{gone}").status_code == 204
        rest = client.post("/v1/similar", json=body).json()
    assert [each["track"] for each in rest["neighbours"]] == [each["track"] for each in kept["neighbours"][1:]]


def test_several_tracks_are_asked_about_by_the_mean_of_their_vectors(client: httpx.Client, catalogue: Path) -> None:
    ids = [some_ids(client, genre, 1)[0] for genre in ("Drums", "Plucked")]
    reply = client.post("/v1/similar", json={"track_ids": [*ids, ids[0]], "k": 3}).json()
    assert [seed["track_id"] for seed in reply["seeds"]] == ids
    with Engine.open(catalogue) as engine:
        seeds = np.stack([engine.vector(each) for each in ids])
        vectors = {track.track_id: engine.vector(track.track_id) for track in engine.tracks()}
    others = {name: vector for name, vector in vectors.items() if (seeds @ vector).max() < COPY_SIMILARITY}
    mean = seeds.mean(axis=0) / np.linalg.norm(seeds.mean(axis=0))
    nearest = max(others, key=lambda each: float(others[each] @ mean))
    assert reply["neighbours"][0]["track"]["track_id"] == nearest
    assert reply["neighbours"][0]["similarity"] == pytest.approx(others[nearest] @ mean, abs=1e-5)


def test_an_upload_is_answered_as_the_engine_answers_for_the_file(
    client: httpx.Client, catalogue: Path, tmp_path: Path
) -> None:
    (tmp_path / "song.flac").write_bytes(flac(play("Drums", 7, 7)))
    with Client(str(client.base_url)) as asking, Engine.open(catalogue) as engine:
        answer = asking.similar(tmp_path / "song.flac", k=5, where=TrackFilter(genre="plucked"), max_per_artist=1)
        expected = engine.similar(tmp_path / "song.flac", k=5, where=TrackFilter(genre="plucked"), max_per_artist=1)
        vector = asking.embed(tmp_path / "song.flac")
        assert np.abs(np.array(vector) - engine.vector(tmp_path / "song.flac")).max() < 1e-5
    assert [each.track.track_id for each in answer.neighbours] == [each.track.track_id for each in expected]
    assert [each.similarity for each in answer.neighbours] == pytest.approx(
        [each.similarity for each in expected], abs=1e-5
    )
    assert (answer.seeds[0].track_id, answer.seeds[0].file) == ("", "song.flac")
    assert answer.flags == ("too_few_results",)  # three artists of that genre, five places
    assert len(vector) == DIM


def test_fields_of_a_form_and_of_json_mean_the_same(client: httpx.Client) -> None:
    content = flac(play("Chiptune", 7, 7))
    asked = {"k": 2, "genre": "CHIPTUNE", "not_same_artist": "true", "min_duration_s": "1.5"}
    reply = client.post("/v1/similar", files={"file": ("a.flac", content)}, data=asked)
    assert {each["track"]["genre"] for each in reply.json()["neighbours"]} == {"Chiptune"}
    ids = some_ids(client, "Chiptune", 1)  # of artist 0
    asked = {"track_ids": ids, "k": 4, "genre": "chiptune", "not_same_artist": True}
    found = client.post("/v1/similar", json=asked).json()["neighbours"]
    assert {each["track"]["artist"] for each in found} == {"Chiptune artist 1", "Chiptune artist 2"}


def test_a_seed_without_a_vector_is_flagged_and_nothing_is_decoded(own: Path) -> None:
    with served(Engine.open(own)) as client:
        first, second = some_ids(client, "Drums", 2)
        with sqlite3.connect(own / "catalogue.sqlite") as database:
            database.execute("DELETE FROM vectors WHERE track_id = ?", (first,))
        alone = client.post("/v1/similar", json={"track_ids": [first]}).json()
        both = client.post("/v1/similar", json={"track_ids": [first, second]}).json()
    assert (alone["neighbours"], alone["flags"]) == ([], ["seed_not_analysed"])
    assert [seed["track_id"] for seed in alone["seeds"]] == [first]
    assert (len(both["neighbours"]), both["flags"]) == (10, ["seed_not_analysed"])


def test_what_cannot_be_asked_is_refused_by_name(client: httpx.Client) -> None:
    def asked(**question: object) -> httpx.Response:
        return client.post("/v1/similar", json=question)

    assert "nowhere" in assert_problem(asked(track_ids=["nowhere"]), 404, "unknown_track")
    assert "track_ids" in assert_problem(asked(), 422, "invalid_request")
    assert "track_ids" in assert_problem(asked(track_ids=[]), 422, "invalid_request")
    for wrong in ({"k": 0}, {"k": 501}, {"year_from": 2000, "year_to": 1990}, {"colour": "blue"}, {"genre": "!"}):
        assert_problem(asked(track_ids=["a"], **wrong), 422, "invalid_request")
    for body in (b"{", b"\xff", b"[" * 100_000):
        headers = {"content-type": "application/json"}
        assert_problem(client.post("/v1/similar", content=body, headers=headers), 400, "bad_request")
    no_text = client.post("/v1/similar", content=rb'{"track_ids": ["\ud800"]}', headers=headers)
    assert "track_ids" in assert_problem(no_text, 422, "invalid_request")
    headers = {"content-type": "text/plain"}
    assert_problem(client.post("/v1/similar", content=b"hello", headers=headers), 415, "unsupported_media_type")
    assert_problem(client.post("/v1/embed", json={}), 415, "unsupported_media_type")


def test_an_id_is_never_taken_for_a_path(client: httpx.Client, catalogue: Path, genre_world: Path) -> None:
    with TemporaryDirectory() as short:  # an id has at most 64 characters
        path = shutil.copy(next((genre_world / "music").iterdir()), f"{short}/a.flac")
        assert_problem(client.post("/v1/similar", json={"track_ids": [path]}), 404, "unknown_track")
        assert_problem(client.post("/v1/recall", json={"plays": [{"track_id": path}]}), 404, "unknown_track")
    with Client(str(client.base_url)) as asking, pytest.raises(UnknownTrackError):
        asking.track("pyproject")


def part(name: str, content: str) -> str:
    return f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{content}\r\n'


@pytest.mark.parametrize(
    "body",
    [
        "--x\r\n",
        part("file", "no end"),
        "no boundary at all",
        part("k", "1") + part("k", "2") + "--x--\r\n",
        part("file", "a") + part("file", "b") + "--x--\r\n",
    ],
)
def test_a_broken_form_is_refused_and_leaves_nothing_behind(client: httpx.Client, catalogue: Path, body: str) -> None:
    headers = {"content-type": "multipart/form-data; boundary=x"}
    assert_problem(client.post("/v1/similar", content=body.encode(), headers=headers), 400, "bad_request")
    assert [*(catalogue / "uploads").glob("incoming/*")] == []
