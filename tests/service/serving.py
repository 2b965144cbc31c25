"""A service for the tests: uvicorn on a free port with a real engine, and the requests and answers of the tests."""

import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import soundfile
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from audio_engine import Engine
from service.app import create_app
from service.settings import Settings
from tests.genre_world import SAMPLE_RATE
from tests.paths import ROOT

MAX_UPLOAD_BYTES = 300_000
PATIENCE_S = 60.0  # of a client, on a machine that is busy


@contextmanager
def served(engine: Engine, **settings: Any) -> Iterator[httpx.Client]:
    """Serve an engine until the block ends; wait until it is ready."""
    settings = {"max_upload_bytes": MAX_UPLOAD_BYTES, **settings}
    with listening(create_app(engine, Settings(**settings))) as client:
        wait_for(lambda: client.get("/readyz").status_code == 200)
        yield client


@contextmanager
def command(catalogue: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Serve by the command, in a process of its own; give it and its address."""
    asked = [sys.executable, "-m", "audio_engine.cli.main", "serve", "--port", "0", "-c", str(catalogue), *options]
    with subprocess.Popen(asked, cwd=ROOT, env=dict(os.environ), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            lines = iter(process.stderr.readline, "")
            address = next(line for line in lines if "running on" in line).split("running on ")[1].split()[0]
            wait_for(lambda: httpx.get(f"{address}/readyz", timeout=PATIENCE_S).status_code == 200)
            yield process, address
        finally:
            process.kill()


@contextmanager
def proxied(client: httpx.Client, prefix: str, *, strips: bool) -> Iterator[httpx.Client]:
    """Stand a reverse proxy before a service, which passes on what lies below a prefix, and may take that off."""

    async def proxy(request: Request) -> Response:
        path = request.scope["raw_path"].decode().partition("?")[0]
        if not f"{path}/".startswith(f"{prefix}/"):
            return Response(status_code=404)
        address = httpx.URL(client.base_url, raw_path=(path.removeprefix(prefix * strips) or "/").encode())
        async with httpx.AsyncClient(timeout=PATIENCE_S) as asking:
            reply = await asking.request(
                request.method,
                address.copy_with(query=request.url.query.encode() or None),
                headers=request.headers.raw,
                content=await request.body(),
            )
        hop_by_hop = {"transfer-encoding", "connection"}
        headers = {name: value for name, value in reply.headers.items() if name not in hop_by_hop}
        return Response(reply.content, reply.status_code, headers)

    methods = ["GET", "HEAD", "POST", "DELETE"]
    with listening(Starlette(routes=[Route("/{path:path}", proxy, methods=methods)])) as outside:
        yield outside


@contextmanager
def listening(app: ASGIApp) -> Iterator[httpx.Client]:
    """Serve an application until the block ends."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, ws="none", log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


def wait_for(happens: Any, patience_s: float = PATIENCE_S) -> None:
    """Wait until something is so."""
    until_s = time.monotonic() + patience_s
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
