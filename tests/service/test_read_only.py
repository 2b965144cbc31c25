"""A service over a catalogue that can only be read answers, and refuses what would write as unavailable."""

from pathlib import Path

from audio_engine import Engine
from tests.disks import without_permissions
from tests.genre_world import noise
from tests.service.serving import assert_problem, flac, served


def test_a_catalogue_that_can_only_be_read_is_served(own: Path) -> None:
    with without_permissions(own), Engine.open(own) as engine:
        track_id = engine.tracks()[0].track_id
        file = {"file": ("a.flac", flac(noise()))}
        with served(engine) as client:
            assert len(client.post("/v1/similar", json={"track_ids": [track_id]}).json()["neighbours"]) == 10
            assert client.get("/v1/tracks").json()["n_tracks"] == 18
            assert client.get("/v1/map").status_code == 200
            assert len(client.post("/v1/embed", files=file).json()["vector"]) == 40
            assert len(client.post("/v1/similar", files=file).json()["neighbours"]) == 10
            assert_problem(client.post("/v1/tracks", files=file), 503, "catalogue")
            assert_problem(client.delete(f"/v1/tracks/{track_id}"), 503, "catalogue")
    assert list(engine.uploads.incoming.iterdir()) == []
    engine.uploads.incoming.rmdir()
