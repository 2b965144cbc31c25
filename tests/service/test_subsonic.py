"""The OpenSubsonic sonic similarity routes answer as players expect."""

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring

import httpx
import numpy as np
import pytest

from audio_engine import Engine
from tests.service.serving import assert_problem

NAMESPACE = "{http://subsonic.org/restapi}"


@pytest.fixture(scope="module")
def ids(client: httpx.Client) -> list[str]:
    return [track["track_id"] for track in client.get("/v1/tracks").json()["tracks"]]


def asked(client: httpx.Client, name: str, **parameters: object) -> dict[str, Any]:
    reply = client.get(
        f"/rest/{name}", params={"u": "me", "p": "x", "v": "1.16.1", "c": "t", "f": "json", **parameters}
    )
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/json")
    envelope = reply.json()["subsonic-response"]
    assert (envelope["version"], envelope["type"], envelope["openSubsonic"]) == ("1.16.1", "audio-engine", True)
    return dict(envelope)


def test_it_says_what_it_can_do(client: httpx.Client) -> None:
    assert asked(client, "ping")["status"] == "ok"
    named = asked(client, "getOpenSubsonicExtensions.view")["openSubsonicExtensions"]
    assert {"name": "sonicSimilarity", "versions": [1]} in named


def test_similar_tracks_are_those_of_the_engine(client: httpx.Client, catalogue: Path, ids: list[str]) -> None:
    matches = asked(client, "getSonicSimilarTracks", id=ids[0], count=5)["sonicMatch"]
    with Engine.open(catalogue) as engine:
        expected = engine.similar(ids[0], k=5)
    assert [match["entry"]["id"] for match in matches] == [each.track.track_id for each in expected]
    for match, each in zip(matches, expected, strict=True):
        assert match["similarity"] == pytest.approx(max(0, each.similarity), abs=1e-5)
        assert 0 <= match["similarity"] <= 1
        assert (match["entry"]["title"], match["entry"]["isDir"]) == (each.track.tags.title, False)
    assert len(asked(client, "getSonicSimilarTracks.view", id=ids[0])["sonicMatch"]) == 10


def test_a_path_leads_from_one_track_to_the_other(client: httpx.Client, catalogue: Path, ids: list[str]) -> None:
    matches = asked(client, "findSonicPath", startSongId=ids[0], endSongId=ids[-1], count=6)["sonicMatch"]
    names = [match["entry"]["id"] for match in matches]
    assert (names[0], names[-1]) == (ids[0], ids[-1])
    assert 2 <= len(set(names)) == len(names) <= 6
    with Engine.open(catalogue) as engine:
        similarities = [float(np.clip(engine.vector(ids[0]) @ engine.vector(name), 0, 1)) for name in names]
    assert [match["similarity"] for match in matches] == pytest.approx(similarities, abs=1e-5)
    alone = asked(client, "findSonicPath", startSongId=ids[0], endSongId=ids[0])["sonicMatch"]
    assert [(match["entry"]["id"], match["similarity"]) for match in alone] == [(ids[0], 1.0)]


def test_xml_says_the_same(client: httpx.Client, ids: list[str]) -> None:
    reply = client.get("/rest/getSonicSimilarTracks.view", params={"id": ids[0], "count": 3})
    assert reply.headers["content-type"].startswith("application/xml")
    root = fromstring(reply.content)
    assert (root.tag, root.get("status"), root.get("openSubsonic")) == (f"{NAMESPACE}subsonic-response", "ok", "true")
    matches = asked(client, "getSonicSimilarTracks", id=ids[0], count=3)["sonicMatch"]
    told = [
        (entry.get("id"), float(match.get("similarity", "")))
        for match in root.findall(f"{NAMESPACE}sonicMatch")
        for entry in match
    ]
    assert told == [(match["entry"]["id"], match["similarity"]) for match in matches]


@pytest.mark.parametrize(
    ("name", "parameters", "code"),
    [
        ("getSonicSimilarTracks", {}, 10),
        ("getSonicSimilarTracks", {"id": "nowhere"}, 70),
        ("getSonicSimilarTracks", {"id": "nowhere", "count": "many"}, 0),
        ("findSonicPath", {"startSongId": "a"}, 10),
        ("findSonicPath", {"startSongId": "a", "endSongId": "b"}, 70),
        ("getLicense", {}, 0),
    ],
)
def test_what_goes_wrong_has_the_standards_number(
    client: httpx.Client, name: str, parameters: dict[str, str], code: int
) -> None:
    envelope = asked(client, name, **parameters)
    assert (envelope["status"], envelope["error"]["code"]) == ("failed", code)
    error = fromstring(client.get(f"/rest/{name}", params=parameters).content).find(f"{NAMESPACE}error")
    assert error is not None
    assert error.get("code") == str(code)


def test_the_parameters_of_a_posted_form_count_as_those_of_the_query(client: httpx.Client, ids: list[str]) -> None:
    assert {"name": "formPost", "versions": [1]} in asked(client, "getOpenSubsonicExtensions")["openSubsonicExtensions"]
    expected = asked(client, "getSonicSimilarTracks", id=ids[0], count=3)["sonicMatch"]
    form = {"id": ids[0], "count": "3", "f": "json"}
    posted = client.post("/rest/getSonicSimilarTracks", data=form).json()["subsonic-response"]
    assert (posted["status"], posted["sonicMatch"]) == ("ok", expected)
    mixed = client.post("/rest/getSonicSimilarTracks.view?f=json&id=x", data={"id": ids[0], "count": "3"}).json()
    assert mixed["subsonic-response"]["sonicMatch"] == expected
    assert client.post("/rest/ping?f=json").json()["subsonic-response"]["status"] == "ok"  # without a body


def test_a_form_that_is_none_is_refused(client: httpx.Client) -> None:
    form = {"content-type": "application/x-www-form-urlencoded; charset=UTF-8"}
    assert client.post("/rest/ping", content=b"f=json&u=%ff", headers=form).status_code == 200
    assert_problem(client.post("/rest/ping", content=b"u=\xff", headers=form), 400, "bad_request")
    assert_problem(client.post("/rest/ping", content=b"a=1&" * 1_001, headers=form), 400, "bad_request")
    large = client.post("/rest/ping", content=b"u=" + 1_000_000 * b"a", headers=form)
    assert_problem(large, 413, "too_large")
