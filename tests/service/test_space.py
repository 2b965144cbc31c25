"""``GET /v1/space`` over real HTTP: what has to be equal before vectors are compared."""

import hashlib
import json

import httpx
import numpy as np

from audio_engine import Client
from metric_learning.model_files import DEFAULT_MODEL_DIR
from tests.genre_world import play
from tests.service.serving import flac


def test_the_space_is_that_of_the_model_and_of_the_vectors(client: httpx.Client) -> None:
    space = client.get("/v1/space").json()
    recipe = json.loads((DEFAULT_MODEL_DIR / "recipe.json").read_text())
    assert space["family"] == "audio-content-engine"
    assert space["model_id"] == client.get("/readyz").json()["model_id"]
    assert space["checkpointHash"] == hashlib.sha256((DEFAULT_MODEL_DIR / "model.safetensors").read_bytes()).hexdigest()
    assert space["sampleRateHz"] == recipe["mel"]["sample_rate"]
    assert recipe["mel"].items() <= space["preprocessing"].items()
    assert (space["metric"], space["normalised"], space["textTower"]) == ("cosine", True, False)
    vector = client.post("/v1/embed", files={"file": ("song.flac", flac(play("Drums", 1, 1)))}).json()["vector"]
    assert len(vector) == space["dim"]
    np.testing.assert_allclose(np.linalg.norm(vector), 1, atol=1e-5)


def test_the_client_tells_it_too(client: httpx.Client) -> None:
    answer = client.get("/v1/space").json()
    with Client(str(client.base_url)) as asking:
        space = asking.space()
    assert (space.model_id, space.checkpoint_hash, space.dim) == (answer["model_id"], answer["checkpointHash"], 40)
    assert space.preprocessing == answer["preprocessing"]
