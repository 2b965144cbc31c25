"""A scan of the server's own music over HTTP: one at a time, of allowed folders, told in counts."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from audio_engine import Client, Engine, ServiceError
from audio_engine.catalogue.api_tokens import TokenFile
from service.settings import Settings
from tests.service.serving import assert_problem, served, wait_for
from tests.sounds import write_sound

N_TRACKS = 5
SCAN_S = 400.0  # that a scan may take: each starts a decoder, which loads librosa


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    (folder / "album").mkdir(parents=True)
    for number in range(N_TRACKS):
        write_sound(folder / "album" / f"{number}.flac", 5.0, seed=number)
    return folder


@pytest.fixture
def client(music: Path, tmp_path: Path) -> Iterator[httpx.Client]:
    """A service with an empty catalogue that may scan `music`."""
    with served(Engine.open(tmp_path / "catalogue"), music=(music,)) as client:
        yield client


def finish(client: httpx.Client) -> dict[str, object]:
    """Wait for the end of a scan."""
    wait_for(lambda: client.get("/v1/scan").json()["state"] != "running", SCAN_S)
    progress: dict[str, object] = client.get("/v1/scan").json()
    return progress


def test_a_scan_embeds_describes_and_tells_how_far_it_is(client: httpx.Client, music: Path) -> None:
    assert client.get("/v1/scan").json()["state"] == "idle"
    started = client.post("/v1/scan", json={"describe": True})
    assert (started.status_code, started.json()["state"]) == (202, "running")
    detail = assert_problem(client.post("/v1/scan"), 409, "already_running")
    assert "GET /v1/scan" in detail
    done = finish(client)
    assert (done["state"], done["embedded"], done["described"], done["failed"]) == ("done", N_TRACKS, N_TRACKS, 0)
    assert done["n_done"] == done["n_to_do"] == 2 * N_TRACKS
    assert str(done["started_at"]) <= str(done["finished_at"])
    [track, *_] = client.get("/v1/tracks").json()["tracks"]
    assert track["loudness_lufs"] < 0
    near = {"track_ids": [track["track_id"]], "bpm_from": 30, "bpm_to": 300, "k": N_TRACKS}
    assert client.post("/v1/similar", json=near).status_code == 200
    assert_problem(client.post("/v1/similar", json=near | {"bpm_to": 20}), 422, "invalid_request")
    assert_problem(client.post("/v1/similar", json=near | {"key": "blue"}), 422, "invalid_request")
    (music / "album" / "0.flac").unlink()
    (music / "bad.mp3").write_bytes(b"no sound" * 100)
    assert client.post("/v1/scan").status_code == 202
    done = finish(client)
    assert (done["state"], done["embedded"], done["failed"], done["missing"]) == ("done", 0, 1, 1)
    assert str(music) not in client.get("/v1/scan").text


def test_only_the_folders_of_the_setting_are_scanned(client: httpx.Client, music: Path, tmp_path: Path) -> None:
    outside = tmp_path / "private"
    outside.mkdir()
    write_sound(outside / "secret.flac")
    (music / "way out").symlink_to(outside)
    for folder in (outside, music / "way out", music / ".." / "private", tmp_path):
        detail = assert_problem(client.post("/v1/scan", json={"folders": [str(folder)]}), 403, "forbidden")
        assert detail.startswith("folder must be below AUDIO_ENGINE_MUSIC")
    assert_problem(client.post("/v1/scan", json={"folders": [str(music / "none")]}), 404, "not_found")
    assert_problem(client.post("/v1/scan", json={"folder": str(music)}), 422, "invalid_request")
    assert_problem(client.post("/v1/scan", json={"folders": ["\x00"]}), 422, "invalid_request")
    assert client.get("/v1/scan").json()["state"] == "idle"
    assert client.post("/v1/scan", json={"folders": [str(music / "album")]}).status_code == 202
    assert finish(client)["embedded"] == N_TRACKS


def test_without_the_setting_nothing_is_scanned(catalogue: Path, client: httpx.Client, tmp_path: Path) -> None:
    with served(Engine.open(shutil.copytree(catalogue, tmp_path / "other"))) as unset:
        assert "AUDIO_ENGINE_MUSIC" in assert_problem(unset.post("/v1/scan"), 403, "forbidden")


def test_a_token_to_read_sees_a_scan_and_does_not_start_one(music: Path, tmp_path: Path) -> None:
    with Engine.open(tmp_path / "catalogue") as engine:
        tokens = TokenFile(engine.directory)
    secrets = {"read": tokens.add("reader", "read"), "write": tokens.add("writer", "write")}
    with served(Engine.open(tmp_path / "catalogue"), music=(music,)) as client:
        assert_problem(client.post("/v1/scan"), 401, "unauthorized")
        url = str(client.base_url)
        with Client(url, token=secrets["read"]) as reading, Client(url, token=secrets["write"]) as writing:
            with pytest.raises(ServiceError, match="scope write"):
                reading.scan()
            assert reading.scan_progress().state == "idle"
            assert writing.scan(str(music / "album"), describe=True).state == "running"
            with pytest.raises(ServiceError, match="a scan is running") as caught:
                writing.scan()
            assert (caught.value.status, caught.value.code) == (409, "already_running")
            wait_for(lambda: reading.scan_progress().state == "done", SCAN_S)
            assert reading.scan_progress().described == N_TRACKS
            [track, *_] = reading.tracks()[0]
            assert (reading.track(track.track_id).loudness_lufs or 0) < 0


def test_a_service_that_stops_keeps_what_a_scan_has_done(music: Path, tmp_path: Path) -> None:
    for number in range(N_TRACKS, 40):
        write_sound(music / f"{number}.flac", 3.0, seed=number)
    with served(Engine.open(tmp_path / "catalogue"), music=(music,)) as client:
        client.post("/v1/scan")
        wait_for(lambda: client.get("/v1/scan").json()["embedded"] > 0, SCAN_S)
        said = client.get("/v1/scan").json()["embedded"]
    with Engine.open(tmp_path / "catalogue") as engine:
        assert engine.n_tracks >= said
        plan = engine.plan(music)
        assert len(plan.new) == 40 - engine.n_tracks


def test_the_setting_is_a_list_of_folders() -> None:
    settings = Settings.from_environment({"AUDIO_ENGINE_MUSIC": "/music:/more music", "AUDIO_ENGINE_SCAN_WORKERS": "2"})
    assert (settings.music, settings.scan_workers) == ((Path("/music"), Path("/more music")), 2)
