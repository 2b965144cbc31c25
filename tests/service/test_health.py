"""Health, readiness and metrics of the service."""

import sqlite3
from pathlib import Path

import httpx

from audio_engine import Engine
from tests.service.serving import assert_problem, served


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
