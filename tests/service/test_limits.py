"""Limits of the service: excess is refused early, abandoned requests are dropped, running ones finish."""

import asyncio
import io
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
import soundfile

from audio_engine import Engine
from tests.genre_world import play
from tests.service.serving import PATIENCE_S, assert_problem, flac, served, wait_for

HOURS_8 = 8 * 3600


def begun_upload(client: httpx.Client, content: bytes) -> socket.socket:
    """Begin an upload by hand, and do not end it."""
    address = urlsplit(str(client.base_url))
    connection = socket.create_connection((address.hostname, address.port))
    head = (
        b"POST /v1/embed HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        b"Content-Length: %d\r\n\r\n" % (len(content) + 100_000)
    )
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    connection.sendall(head + part + content)
    return connection


def under_way(client: httpx.Client) -> float:
    """Ask how many places are taken."""
    lines = client.get("/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith('audio_engine_queue_depth{queue="decode"}')).split()[1])


def test_a_bomb_is_refused_by_what_its_head_declares(client: httpx.Client) -> None:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(HOURS_8 * 800, np.int16), 800, format="FLAC")  # hours of silence in a few kilobytes
    content = file.getvalue()
    assert len(content) < 300_000
    reply = client.post("/v1/similar", files={"file": ("a.flac", content)})
    assert "at most 7200 s" in assert_problem(reply, 413, "too_long")


def test_sound_that_declares_nothing_is_decoded_only_so_far(own: Path, tmp_path: Path) -> None:
    sound = flac(play("Drums", 7, 7))
    unsaid = sound[:21] + bytes([sound[21] & 0xF0, 0, 0, 0, 0]) + sound[26:]  # FLAC, "number of samples not known"
    with served(Engine.open(own), max_duration_s=2.0) as client:
        assert_problem(client.post("/v1/embed", files={"file": ("a.flac", unsaid)}), 413, "too_long")
    with served(Engine.open(own), max_duration_s=4.0) as client:
        assert client.post("/v1/embed", files={"file": ("a.flac", unsaid)}).status_code == 200


def test_a_client_that_asks_too_much_at_once_is_told_so_and_a_full_service_says_when_to_come_again(own: Path) -> None:
    with served(Engine.open(own), n_workers=1, max_waiting=2, max_per_client=3) as client:
        begun = [begun_upload(client, b"fLaC") for _ in range(3)]
        wait_for(lambda: under_way(client) == 3)
        reply = client.post("/v1/embed", files={"file": ("a", b"x")})
        assert "3" in assert_problem(reply, 429, "too_many_requests")
        assert int(reply.headers["retry-after"]) >= 1
        ids = [track["track_id"] for track in client.get("/v1/tracks").json()["tracks"]]
        assert client.post("/v1/similar", json={"track_ids": ids[:1]}).status_code == 200  # never waits for a decoder
        for connection in begun:
            connection.close()
        wait_for(lambda: under_way(client) == 0)
    with served(Engine.open(own), n_workers=1, max_waiting=2, max_per_client=9) as client:
        begun = [begun_upload(client, b"fLaC") for _ in range(3)]
        wait_for(lambda: under_way(client) == 3)
        reply = client.post("/v1/embed", files={"file": ("a", b"x")})
        assert_problem(reply, 503, "busy")
        assert int(reply.headers["retry-after"]) >= 1
        for connection in begun:
            connection.close()
        wait_for(lambda: under_way(client) == 0)
        assert client.post("/v1/embed", files={"file": ("a", flac(play("Drums", 7, 7)))}).status_code == 200
    assert [*(own / "uploads").glob("incoming/*")] == []


def test_an_upload_that_does_not_end_is_ended(own: Path) -> None:
    with served(Engine.open(own), upload_timeout_s=1.0) as client, begun_upload(client, b"fLaC") as connection:
        connection.settimeout(PATIENCE_S)
        assert b"408" in connection.recv(1_000)
        wait_for(lambda: under_way(client) == 0)
    assert [*(own / "uploads").glob("incoming/*")] == []


def test_who_hangs_up_gives_the_place_back_and_ends_the_decoding(own: Path) -> None:
    engine = Engine.open(own)
    with served(engine, n_workers=1) as client:
        hang(engine, own)
        content = flac(play("Drums", 7, 7))

        async def ask_and_leave() -> None:
            async with httpx.AsyncClient(base_url=client.base_url, timeout=PATIENCE_S) as asking:
                asked = [
                    asyncio.create_task(asking.post("/v1/embed", files={"file": ("a", content)})) for _ in range(3)
                ]
                while await asyncio.to_thread(under_way, client) < 3:
                    await asyncio.sleep(0.02)
                for task in asked:
                    task.cancel()
                await asyncio.gather(*asked, return_exceptions=True)

        begun_s = time.monotonic()
        asyncio.run(ask_and_leave())
        wait_for(lambda: under_way(client) == 0)
        assert time.monotonic() - begun_s < PATIENCE_S
    assert [*(own / "uploads").glob("incoming/*")] == []


def hang(engine: Engine, folder: Path) -> None:
    """Let every decoder of an engine hang: real processes, which take every file for one that never ends."""
    from tests.hanging_worker import COMMAND  # noqa: PLC0415

    pool = engine.decoders._kept
    assert pool is not None
    pool._command = COMMAND


def test_shutting_down_finishes_what_was_begun(own: Path) -> None:
    content = flac(play("Drums", 7, 7))
    replies: list[int] = []
    with served(Engine.open(own), n_workers=1) as client:

        def ask() -> None:
            with httpx.Client(base_url=client.base_url, timeout=PATIENCE_S) as asking:
                replies.append(asking.post("/v1/tracks", files={"file": ("a", content)}).status_code)

        thread = threading.Thread(target=ask)
        thread.start()
        wait_for(lambda: under_way(client) == 1 or replies)
    thread.join()
    assert replies == [201]
    with Engine.open(own) as engine:
        assert len(engine.tracks()) == 19


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_that_is_too_large_is_refused_before_it_is_stored(client: httpx.Client, announced: bool) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(10):
            yield bytes(50_000)
        yield b"\r\n--x--\r\n"

    headers = {"content-type": "multipart/form-data; boundary=x"}
    content: bytes | Iterator[bytes] = b"".join(pieces()) if announced else pieces()
    assert_problem(client.post("/v1/tracks", content=content, headers=headers), 413, "too_large")
    form = b'--x\r\nContent-Disposition: form-data; name="k"\r\n\r\n' + bytes(70_000) + b"\r\n--x--\r\n"
    assert_problem(client.post("/v1/similar", content=form, headers=headers), 413, "too_large")


def test_a_question_that_holds_more_than_any_needs_is_refused_before_it_is_made_sense_of(own: Path) -> None:
    with served(Engine.open(own), max_upload_bytes=5_000_000) as client:
        body = b'{"track_ids": [' + b"[]," * 1_000_000 + b"[]]}"
        for path in ("/v1/similar", "/v1/recall", "/v1/users-for"):
            reply = client.post(path, content=body, headers={"content-type": "application/json"})
            assert "1000000 bytes" in assert_problem(reply, 413, "too_large")
