"""Tokens: who may read and who may write; and protection against other sites in browsers."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from audio_engine import Client, Engine, ServiceError
from audio_engine.catalogue.api_tokens import TokenFile
from tests.genre_world import play
from tests.paths import ROOT
from tests.service.serving import assert_problem, command, flac, served


@pytest.fixture
def guarded(own: Path) -> Iterator[tuple[httpx.Client, dict[str, str]]]:
    """A service with a token of each scope."""
    tokens = TokenFile(own)
    secrets = {"read": tokens.add("the reader", "read"), "write": tokens.add("the writer", "write")}
    with served(Engine.open(own)) as client:
        yield client, secrets


def test_without_a_token_nobody_asks_and_with_one_to_read_nobody_writes(
    guarded: tuple[httpx.Client, dict[str, str]], tmp_path: Path
) -> None:
    client, secrets = guarded
    (tmp_path / "song.flac").write_bytes(flac(play("Drums", 7, 7)))
    for method, path in (("GET", "/v1/tracks"), ("POST", "/v1/similar"), ("POST", "/v1/tracks"), ("GET", "/metrics")):
        reply = client.request(method, path)
        assert_problem(reply, 401, "unauthorized")
        assert reply.headers["www-authenticate"] == "Bearer"
        reply = client.request(method, path, headers={"authorization": "Bearer guess"})
        assert_problem(reply, 401, "unauthorized")
        assert "invalid_token" in reply.headers["www-authenticate"]
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200
    url = str(client.base_url)
    with Client(url, token=secrets["read"]) as reading, Client(url, token=secrets["write"]) as writing:
        track_id = reading.tracks()[0][0].track_id
        assert reading.similar(track_id).neighbours
        for forbidden in (lambda: reading.add(tmp_path / "song.flac"), lambda: reading.remove(track_id)):
            with pytest.raises(ServiceError, match="scope write") as caught:
                forbidden()
            assert (caught.value.status, caught.value.code) == (403, "forbidden")
        writing.remove(writing.add(tmp_path / "song.flac").track_id)
        assert writing.tracks()[1] == 18


def test_a_service_that_lets_everybody_in_says_so(own: Path) -> None:
    for is_guarded in (False, True):
        if is_guarded:
            TokenFile(own).add("a player", "read")
        with command(own, "--host", "0.0.0.0") as (process, _):
            assert process.stderr is not None
            assert ("token add" in process.stderr.readline()) is not is_guarded


def test_a_token_taken_back_is_worth_nothing_at_once(guarded: tuple[httpx.Client, dict[str, str]], own: Path) -> None:
    client, secrets = guarded
    headers = {"authorization": f"bearer {secrets['read']}"}
    assert client.get("/v1/tracks", headers=headers).status_code == 200
    TokenFile(own).remove("the reader")
    assert_problem(client.get("/v1/tracks", headers=headers), 401, "unauthorized")
    TokenFile(own).remove("the writer")
    assert_problem(client.get("/v1/tracks"), 401, "unauthorized")  # no token left is not no lock
    (own / "tokens.json").write_text("damaged")
    assert_problem(client.get("/v1/tracks", headers=headers), 503, "catalogue")


def test_a_token_is_kept_as_its_hash_for_its_owners_eyes(own: Path) -> None:
    secret = TokenFile(own).add("player", "read")
    kept = (own / "tokens.json").read_text()
    assert secret not in kept
    assert (own / "tokens.json").stat().st_mode & 0o777 == 0o600
    with pytest.raises(ValueError, match="name must be new"):
        TokenFile(own).add("player", "read")


def test_players_show_a_token_as_api_key_or_password(guarded: tuple[httpx.Client, dict[str, str]]) -> None:
    client, secrets = guarded

    def code(**asked: str) -> int:
        reply = client.get("/rest/ping.view", params={"f": "json", **asked}).json()["subsonic-response"]
        return 0 if reply["status"] == "ok" else reply["error"]["code"]

    secret = secrets["read"]
    assert code(apiKey=secret) == code(u="me", p=secret) == code(u="me", p=f"enc:{secret.encode().hex()}") == 0
    posted = client.post("/rest/ping.view", data={"f": "json", "apiKey": secret}).json()["subsonic-response"]
    assert posted["status"] == "ok"  # where no log of a proxy has it
    assert code(apiKey="guess") == code(u="me", p="guess") == 44
    assert code(u="me", apiKey=secret) == 43
    assert code(u="me", t="hash", s="salt") == 41
    assert code() == code(p="enc:zz") == 42
    named = client.get("/rest/getOpenSubsonicExtensions", params={"f": "json"}).json()  # all may ask
    assert named["subsonic-response"]["status"] == "ok"


def test_tokens_are_made_listed_and_taken_back_by_command(own: Path) -> None:
    def run(*asked: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "audio_engine.cli.main", "token", *asked, "-c", str(own)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    secret = run("add", "player", "--scope", "write").stdout.strip()
    found = TokenFile(own).find(secret)
    assert found is not None
    assert (found.name, found.scope) == ("player", "write")
    assert run("list").stdout == "player\twrite\n"
    assert run("remove", "nobody").returncode == 2
    assert run("remove", "player").returncode == 0
    assert TokenFile(own).find(secret) is None


def test_pages_of_other_sites_may_not_change_anything(client: httpx.Client) -> None:
    files = {"file": ("a.flac", flac(play("Drums", 7, 7)))}
    reply = client.post("/v1/tracks", files=files, headers={"origin": "https://evil.example"})
    assert_problem(reply, 403, "forbidden")
    for origin in ("null", "http://["):
        assert_problem(client.delete("/v1/tracks/a", headers={"origin": origin}), 403, "forbidden")
    assert client.get("/v1/tracks", headers={"origin": "http://["}).status_code == 200
    own = f"http://{client.base_url.host}:{client.base_url.port}"
    assert_problem(client.delete("/v1/tracks/a", headers={"origin": own}), 404, "unknown_track")


def test_a_name_that_is_not_the_services_is_refused(own: Path) -> None:
    with served(Engine.open(own), hosts=("127.0.0.1", "[::1]")) as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/healthz", headers={"host": "[::1]:8000"}).status_code == 200
        assert_problem(client.get("/v1/tracks", headers={"host": "evil.example:8000"}), 400, "bad_request")


def test_other_sites_may_read_only_if_they_are_named(client: httpx.Client, own: Path) -> None:
    asked = {"origin": "https://music.example"}
    assert "access-control-allow-origin" not in client.get("/v1/tracks", headers=asked).headers
    with served(Engine.open(own), cors_origins=("https://music.example",)) as open_client:
        reply = open_client.get("/v1/tracks", headers=asked)
        assert reply.headers["access-control-allow-origin"] == "https://music.example"
        assert open_client.post("/v1/similar", json={}, headers=asked).status_code == 422
        other = open_client.get("/v1/tracks", headers={"origin": "https://other.example"})
        assert "access-control-allow-origin" not in other.headers


def test_every_answer_says_what_a_browser_may_do_with_it(client: httpx.Client) -> None:
    for path in ("/v1/tracks", "/nowhere", "/healthz", "/docs"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        assert "default-src 'self'" in headers["content-security-policy"]
    assert "unsafe-inline'; worker" in client.get("/").headers["content-security-policy"]
    assert "script-src" not in client.get("/").headers["content-security-policy"]  # scripts: its own files, none inline
