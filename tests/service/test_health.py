"""Health, readiness and metrics of the service."""

import sqlite3
from pathlib import Path

import httpx
import pytest

from audio_engine import Engine
from metric_learning.model_files import WEIGHTS_FILE
from service.app import create_app
from tests.genre_world import noise
from tests.service.serving import PATIENCE_S, assert_problem, command, flac, listening, served, wait_for


def test_it_lives_and_it_is_ready(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    ready = client.get("/readyz").json()
    assert (ready["status"], ready["n_tracks"]) == ("ready", 18)


def test_it_is_not_ready_without_its_catalogue(own: Path) -> None:
    with served(Engine.open(own)) as client:
        with sqlite3.connect(own / "catalogue.sqlite") as database:
            database.execute("DROP TABLE vectors")
            database.execute("DROP TABLE tracks")
        assert_problem(client.get("/readyz"), 503, "catalogue")
        assert client.get("/healthz").status_code == 200


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="tells what a process has loaded by /proc")
def test_torch_is_loaded_by_the_first_sound_and_by_nothing_else(own: Path) -> None:
    with command(own) as (process, address), httpx.Client(base_url=address, timeout=PATIENCE_S) as client:
        loaded = Path(f"/proc/{process.pid}/maps")
        assert client.get("/page/facts.json").json()["has_profiles"] is False
        assert "/scipy/" not in loaded.read_text()
        track = client.get("/v1/tracks").json()["tracks"][0]
        for path in (f"/v1/tracks/{track['track_id']}", "/v1/search?q=drums", "/v1/space", "/v1/map", "/readyz"):
            assert client.get(path).status_code == 200
        for filters in ({}, {"genre": "drums"}, {"genre": "drums"}):
            assert client.post("/v1/similar", json={"track_ids": [track["track_id"]]} | filters).status_code == 200
        assert client.post("/v1/embed", files={"file": ("a.flac", b"no sound")}).status_code == 415
        assert "libtorch" not in loaded.read_text()
        assert client.post("/v1/embed", files={"file": ("a.flac", flac(noise()))}).status_code == 200
        assert "libtorch" in loaded.read_text()
    with command(own, "--load-model") as (process, _):
        assert "libtorch" in Path(f"/proc/{process.pid}/maps").read_text()


def test_it_is_not_ready_with_another_model_than_its_vectors_were_made_with(
    own: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (model,) = (own / "models").iterdir()
    weights = model / WEIGHTS_FILE
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    with listening(create_app(Engine.open(own))) as client:
        wait_for(lambda: "cannot get ready" in caplog.text)
        assert_problem(client.get("/readyz"), 503, "busy")
    assert f"model in {model} must be {model.name}, got" in caplog.text


def test_requests_are_counted_by_the_template_of_their_route(own: Path) -> None:
    with served(Engine.open(own)) as client:
        for name in ("a", "b", "c"):
            client.get(f"/v1/tracks/{name}")
            client.head(f"/v1/tracks/{name}")
        client.get("/nowhere/at/all")
        client.post("/v1/embed", files={"file": ("a", b"no sound")})
        lines = client.get("/metrics").text.splitlines()
    assert 'audio_engine_requests_total{method="GET",route="/v1/tracks/{track_id}",status="404"} 3.0' in lines
    assert 'audio_engine_requests_total{method="HEAD",route="/v1/tracks/{track_id}",status="404"} 3.0' in lines
    assert 'audio_engine_requests_total{method="GET",route="none",status="404"} 1.0' in lines
    assert 'audio_engine_request_seconds_count{method="GET",route="/v1/tracks/{track_id}"} 3.0' in lines
    assert "audio_engine_decode_failures_total 1.0" in lines
    assert "audio_engine_index_size 18.0" in lines
    assert 'audio_engine_queue_depth{queue="decode"} 0.0' in lines
