"""Soak test with mixed load: queries, valid and invalid uploads, hang-ups, adds, deletes, kill -9; then again.

What must hold, and ends the run with exit status 1 if it does not: no status of 500 or above but 503; every track that
was added is found, every one that was deleted is gone, also after the process was killed and restarted; its memory
grows by less than 5 % from the end of the first fifth to the end (the children, decoders, are counted too).
"""

import io
import random
import shutil
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import soundfile

from tests.benchmarks.service_load import load_now, service

N_CLIENTS = 6
FIRST = 0.2  # share of the run after which memory is first measured: caches are full, the allocator has its pools
MAX_GROWTH = 0.05
SAMPLE_RATE = 44_100
DURATION_S = 12.0
RSS_EVERY_S = 1.0
FAULT = 500
BUSY = 503


@dataclass
class Ledger:
    """What was asked and what must be so: shared by the clients."""

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    there: dict[str, bytes] = field(default_factory=dict)  # by id: the file of each track that was added
    gone: set[str] = field(default_factory=set)
    kept: list[str] = field(default_factory=list)  # ids of the catalogue as it was copied, some; nobody deletes them
    n_before: int = 0  # tracks of the catalogue as it was copied
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, kind: str, reply: httpx.Response) -> httpx.Response:
        """Note an answer."""
        with self.lock:
            self.statuses[kind, reply.status_code] += 1
            if reply.status_code >= FAULT and reply.status_code != BUSY:
                self.faults.append(f"{kind}: {reply.status_code} {reply.text[:200]}")
        return reply


def soak(folder: Path, real: Path, *, minutes: float) -> None:
    """Run it, and print what came of it."""
    catalogue = shutil.copytree(real, folder / "catalogue")
    ledger = Ledger()
    with service(catalogue) as (process, address):
        first = httpx.get(f"{address}/v1/tracks", params={"limit": 500}, timeout=60).json()
        ledger.kept = [track["track_id"] for track in first["tracks"]]
        ledger.n_before = first["n_tracks"]
        memory = _load(address, ledger, seconds=60 * minutes, pid=process.pid)
        lost = check(address, ledger)
        process.send_signal(signal.SIGKILL)
        process.wait()
    with service(catalogue) as (_, address):
        lost_after = check(address, ledger)
    first = float(np.median(memory[int(FIRST * len(memory)) :][:10]))
    last = float(np.median(memory[-10:]))
    print(f"{minutes:g} minutes, {N_CLIENTS} clients, load {load_now()}\n\n| request | status | times |\n|---|---|---|")
    for (kind, status), times in sorted(ledger.statuses.items()):
        print(f"| {kind} | {status} | {times} |")
    print(f"\nmemory of the service and its decoders: {first:.0f} MB after a fifth, {last:.0f} MB at the end, ", end="")
    print(f"{last / first - 1:+.1%}; most {max(memory):.0f} MB")
    print(f"added and kept {len(ledger.there)}, deleted {len(ledger.gone)}; wrong: {lost}; after kill -9: {lost_after}")
    print(f"faults: {ledger.faults[:5]}")
    if ledger.faults or lost or lost_after or last > first * (1 + MAX_GROWTH):
        sys.exit(1)


def _load(address: str, ledger: Ledger, *, seconds: float, pid: int) -> list[float]:
    """Let the clients ask for a while; the memory of the service meanwhile, MB, once a second."""
    until_s = time.monotonic() + seconds
    clients = [threading.Thread(target=_client, args=(address, ledger, seed, until_s)) for seed in range(N_CLIENTS)]
    for client in clients:
        client.start()
    memory = []
    while any(client.is_alive() for client in clients):
        memory.append(rss_mb(pid))
        time.sleep(RSS_EVERY_S)
    return memory


def _client(address: str, ledger: Ledger, seed: int, until_s: float) -> None:
    """Ask at random."""
    rng = random.Random(seed)
    with httpx.Client(base_url=address, timeout=120) as http:
        client = _Client(http, ledger, rng)
        actions: list[tuple[Callable[[], object], int]] = [
            (client.similar_by_id, 40),
            (client.similar_by_upload, 10),
            (client.bad_upload, 10),
            (client.hang_up, 10),
            (client.add, 10),
            (client.delete, 8),
            (client.audio, 6),
            (client.listing, 6),
        ]
        while time.monotonic() < until_s:
            rng.choices([action for action, _ in actions], [weight for _, weight in actions])[0]()


class _Client:
    """One of those who ask."""

    def __init__(self, http: httpx.Client, ledger: Ledger, rng: random.Random) -> None:
        self.http, self.ledger, self.rng = http, ledger, rng
        self.mine: list[str] = []

    def similar_by_id(self) -> None:
        track_id = self.rng.choice(self.ledger.kept)
        reply = self.http.post("/v1/similar", json={"track_ids": [track_id], "k": 10})
        self.ledger.note("similar by id", reply)

    def similar_by_upload(self) -> None:
        self.ledger.note("similar by upload", self.http.post("/v1/similar", files={"file": ("a.flac", self._track())}))

    def bad_upload(self) -> None:
        content = bytearray(self._track())
        for _ in range(100):
            content[int(len(content) * self.rng.random() ** 3)] = self.rng.randrange(256)
        content = content[: self.rng.choice([0, 10, len(content) // 2, len(content)])]
        self.ledger.note("bad upload", self.http.post("/v1/embed", files={"file": ("a", bytes(content))}))

    def hang_up(self) -> None:
        """Leave: in the middle of an upload, or right after it."""
        where = urlsplit(str(self.http.base_url))
        part = (
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
            + self._track()
            + b"\r\n--x--\r\n"
        )
        head = (
            f"POST /v1/embed HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Type: multipart/form-data; boundary=x\r\n"
            f"Content-Length: {len(part)}\r\n\r\n"
        )
        with socket.create_connection((where.hostname, where.port)) as connection:
            connection.sendall(head.encode() + part[: self.rng.choice([0, len(part) // 2, len(part)])])
            time.sleep(self.rng.random() / 10)
        self.ledger.statuses["hang-up", 0] += 1

    def add(self) -> None:
        content = self._track()
        reply = self.ledger.note("add", self.http.post("/v1/tracks", files={"file": ("a.flac", content)}))
        if reply.status_code == 201:
            track_id = reply.json()["track_id"]
            with self.ledger.lock:
                self.ledger.there[track_id] = content
            self.mine.append(track_id)
            if self.http.post("/v1/similar", json={"track_ids": [track_id]}).json().get("flags") != []:
                self.ledger.faults.append(f"added {track_id} and it is not analysed")

    def delete(self) -> None:
        if self.mine:
            track_id = self.mine.pop(self.rng.randrange(len(self.mine)))
            reply = self.ledger.note("delete", self.http.delete(f"/v1/tracks/{track_id}"))
            with self.ledger.lock:
                self.ledger.there.pop(track_id)
                self.ledger.gone.add(track_id)
            if reply.status_code != 204:
                self.ledger.faults.append(f"deleting {track_id}: {reply.text}")

    def audio(self) -> None:
        if self.mine:
            track_id = self.rng.choice(self.mine)
            reply = self.http.get(f"/v1/tracks/{track_id}/audio", headers={"range": "bytes=0-9999"})
            self.ledger.note("audio", reply)

    def listing(self) -> None:
        self.ledger.note("list", self.http.get("/v1/tracks", params={"q": "a", "limit": 50}))

    def _track(self) -> bytes:
        """Make up a sound that nobody has sent before."""
        time_s = np.arange(int(DURATION_S * SAMPLE_RATE)) / SAMPLE_RATE
        tones = [np.sin(2 * np.pi * self.rng.uniform(60, 4_000) * time_s + self.rng.random()) for _ in range(3)]
        file = io.BytesIO()
        soundfile.write(file, 0.2 * np.sum(tones, axis=0), SAMPLE_RATE, format="FLAC")
        return file.getvalue()


def check(address: str, ledger: Ledger) -> int:
    """Count what is not as it must be: an added track is told of, played and near itself, a deleted one is gone."""
    wrong = 0
    with httpx.Client(base_url=address, timeout=120) as http:
        for track_id, content in ledger.there.items():
            is_told = http.get(f"/v1/tracks/{track_id}").status_code == 200
            is_played = http.get(f"/v1/tracks/{track_id}/audio").content == content
            near = http.post("/v1/similar", json={"track_ids": [track_id], "k": 5})
            wrong += not (is_told and is_played and near.status_code == 200 and near.json()["flags"] == [])
        for track_id in ledger.gone:
            wrong += http.get(f"/v1/tracks/{track_id}").status_code != 404
        n_tracks = http.get("/v1/tracks", params={"limit": 1}).json()["n_tracks"]
        wrong += n_tracks != ledger.n_before + len(ledger.there)
        for track_id in ledger.kept[:20]:
            found = http.post("/v1/similar", json={"track_ids": [track_id], "k": 500}).json()["neighbours"]
            wrong += any(each["track"]["track_id"] in ledger.gone for each in found)
    return wrong


def rss_mb(pid: int) -> float:
    """Add up the resident memory of a process and its children, MB (Linux).

    A child that has just begun still is its parent, memory and all, until it runs a program of its own: not counted.
    """
    pages, waiting = 0, [pid]
    own = (Path(f"/proc/{pid}") / "cmdline").read_bytes()
    while waiting:
        number = waiting.pop()
        each = Path(f"/proc/{number}")
        try:
            if number != pid and (each / "cmdline").read_bytes() == own:
                continue
            pages += int((each / "statm").read_text().split()[1])
            waiting += [int(child) for task in each.glob("task/*/children") for child in task.read_text().split()]
        except (FileNotFoundError, ProcessLookupError):  # a decoder, or a thread, that has just ended
            continue
    return pages * 4096 / 1e6
