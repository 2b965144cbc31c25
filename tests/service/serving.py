"""A service for the tests: uvicorn on a free port with a real engine, and the requests and answers of the tests."""

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
import soundfile
import uvicorn

from audio_engine import Engine
from service.app import create_app
from service.settings import Settings
from tests.genre_world import SAMPLE_RATE

MAX_UPLOAD_BYTES = 300_000
PATIENCE_S = 60.0  # of a client, on a machine that is busy


@contextmanager
def served(engine: Engine, **settings: Any) -> Iterator[httpx.Client]:
    """Serve an engine until the block ends; wait until it is ready."""
    settings = {"max_upload_bytes": MAX_UPLOAD_BYTES, **settings}
    app = create_app(engine, Settings(**settings))
    server = uvicorn.Server(uvicorn.Config(app, port=0, ws="none", log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as client:
            wait_for(lambda: client.get("/readyz").status_code == 200)
            yield client
    finally:
        server.should_exit = True
        thread.join()


def wait_for(happens: Any) -> None:
    """Wait until something is so."""
    until_s = time.monotonic() + PATIENCE_S
    while not happens():
        assert time.monotonic() < until_s, "it did not happen"
        time.sleep(0.02)


def flac(sound: np.ndarray) -> bytes:
    """Encode a sound."""
    file = io.BytesIO()
    soundfile.write(file, sound, SAMPLE_RATE, format="FLAC")
    return file.getvalue()


def assert_problem(reply: httpx.Response, status: int, code: str) -> str:
    """Check that a reply is a problem of this kind; give its detail."""
    assert reply.headers["content-type"] == "application/problem+json", reply.text
    problem = reply.json()
    assert (reply.status_code, problem["status"]) == (status, status), problem
    assert (problem["type"], problem["code"]) == ("about:blank", code), problem
    assert problem["title"] == httpx.codes.get_reason_phrase(status)
    return str(problem["detail"])
