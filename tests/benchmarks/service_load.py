"""Load test of the service, printed as Markdown; real uvicorn, loopback, separate processes.

    python -m tests.benchmarks.service_load --real CATALOGUE [--tracks 100000] [--seconds 10]     # by id
    python -m tests.benchmarks.service_load --filtered --real CATALOGUE [--tracks 300000]         # one in ten filtered
    python -m tests.benchmarks.service_load --upload SONG.mp3 --real CATALOGUE                    # by upload
    python -m tests.benchmarks.service_load --soak MINUTES --real CATALOGUE                       # mixed, then kill -9

By id: real vectors enlarged, 32 connections (or `--connections`), a random track each time, in turns with a bare
FastAPI handler that returns the same JSON. Filtered: the same, in turns with one request in ten that has a genre. By
upload: against the library call on the same file. The soak: `service_soak`.
"""

import argparse
import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import numpy as np

from audio_engine import Catalogue, Client, Engine
from audio_engine.embedding.models import shipped_model_id
from tests.benchmarks.enlarged import enlarged, real_vectors

N_CONNECTIONS = 32
ROUNDS = 3  # each: the bare handler, then the service
WARM_UP_S = 2.0
PATIENCE_S = 300.0
GENRES = ("Rock", "Pop", "Trip-Hop; Electronic", "Folk", "Ambient", "Jazz", "Metal", "Classical", "Soul", "Dub")

BARE = """
import json, sys
from fastapi import FastAPI
content = json.load(open(sys.argv[2]))
app = FastAPI()
@app.post("/v1/similar")
async def bare():
    return content
import uvicorn
uvicorn.run(app, port=int(sys.argv[1]), ws="none", log_level="warning", access_log=False)
"""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a round of load came to."""

    n_answers: int
    n_errors: int
    seconds: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float  # processor time of the server for an answer: what counts where others use the machine

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.n_answers / self.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, required=True, help="a catalogue whose vectors are enlarged")
    parser.add_argument("--tracks", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--connections", type=int, default=N_CONNECTIONS)
    parser.add_argument("--filtered", action="store_true")
    parser.add_argument("--upload", type=Path)
    parser.add_argument("--soak", type=float, metavar="MINUTES")
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        if asked.upload:
            by_upload(Path(folder), asked.real, asked.upload)
        elif asked.soak:
            from tests.benchmarks.service_soak import soak  # noqa: PLC0415

            soak(Path(folder), asked.real, minutes=asked.soak)
        else:
            compare = with_filters if asked.filtered else by_id
            how = {"seconds": asked.seconds, "n_connections": asked.connections}
            compare(Path(folder), asked.real, n_tracks=asked.tracks, **how)


def by_id(folder: Path, real: Path, *, n_tracks: int, seconds: float, n_connections: int) -> None:
    """Compare `similar` by id with a bare handler."""
    track_ids = make_catalogue(folder, real, n_tracks)
    rng = np.random.default_rng(0)
    bodies = [json.dumps({"track_ids": [track_ids[row]], "k": 10}).encode() for row in rng.permutation(n_tracks)]
    with service(folder) as (process, address), Client(address) as client:
        reply = client.http.post("/v1/similar", content=bodies[0], headers={"content-type": "application/json"})
        reply.raise_for_status()
        (folder / "reply.json").write_bytes(reply.content)
        with bare(folder / "reply.json") as (bare_process, bare_address):
            rounds = by_turns(
                {
                    "bare handler": (bare_address, bodies, bare_process.pid),
                    "similar by id": (address, bodies, process.pid),
                },
                seconds,
                n_connections,
            )
        memory = peak_and_now(process.pid)
    print(
        f"{n_tracks:,} tracks, {n_connections} connections, {len(reply.content):,} bytes an answer, {memory}, ", end=""
    )
    put_rounds(rounds)


def with_filters(folder: Path, real: Path, *, n_tracks: int, seconds: float, n_connections: int) -> None:
    """Compare `similar` by id alone with the same where one request in ten has a filter."""
    track_ids = make_catalogue(folder, real, n_tracks)
    rows = np.random.default_rng(0).permutation(n_tracks).tolist()
    plain = [{"track_ids": [track_ids[row]], "k": 10} for row in rows]
    mixed = [
        body | ({} if n % 10 else {"genre": GENRES[n // 10 % len(GENRES)].split("; ")[0]})
        for n, body in enumerate(plain)
    ]
    with service(folder) as (process, address):
        rounds = by_turns(
            {
                name: (address, [json.dumps(body).encode() for body in bodies], process.pid)
                for name, bodies in (("similar by id", plain), ("one in ten filtered", mixed))
            },
            seconds,
            n_connections,
        )
        memory = peak_and_now(process.pid)
    print(f"{n_tracks:,} tracks, {n_connections} connections, {memory}", end=", ")
    put_rounds(rounds)


def by_turns(
    asked: dict[str, tuple[str, list[bytes], int]], seconds: float, n_connections: int = N_CONNECTIONS
) -> dict[str, list[Load]]:
    """Load servers, each given with its address, what it is asked and its process, by turns."""
    rounds: dict[str, list[Load]] = {name: [] for name in asked}
    for _ in range(ROUNDS):
        for name, (where, bodies, pid) in asked.items():
            asyncio.run(load(where, bodies, WARM_UP_S, pid=pid, n_connections=n_connections))
            rounds[name].append(asyncio.run(load(where, bodies, seconds, pid=pid, n_connections=n_connections)))
    return rounds


def peak_and_now(pid: int) -> str:
    """Say how much memory a process has and has had (Linux)."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    now, peak = (int(status[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return f"{now:.0f} MB, at the peak {peak:.0f} MB"


def put_rounds(rounds: dict[str, list[Load]]) -> None:
    """Print rounds as a table, and the second's rate as a share of the first's."""
    print(f"load {load_now()}\n")
    print("| | answers a second | p50, ms | p99, ms | p99 / p50 | CPU ms an answer | errors |\n" + 7 * "|---" + "|")
    for name, loads in rounds.items():
        n_errors = sum(each.n_errors for each in loads)
        rates = ", ".join(f"{each.rate:.0f}" for each in loads)
        p50, p99, cpu = (
            np.median([getattr(each, which) for each in loads]) for which in ("p50_ms", "p99_ms", "cpu_ms")
        )
        print(f"| {name} | {rates} | {p50:.1f} | {p99:.1f} | {p99 / p50:.1f} | {cpu:.2f} | {n_errors} |")
    shares = [ours.rate / theirs.rate for theirs, ours in zip(*rounds.values(), strict=True)]
    first, second = rounds
    print(f"\n{second} / {first}: {np.median(shares):.2f} ({', '.join(f'{share:.2f}' for share in shares)})")


def by_upload(folder: Path, real: Path, track: Path) -> None:
    """Compare `similar` by upload with the library call on the same file, by turns."""
    shutil.copytree(real, folder / "catalogue")
    with (
        service(folder / "catalogue") as (_, address),
        Client(address) as client,
        Engine.open(folder / "catalogue") as engine,
    ):
        calls = {
            "library, a decoder started for the call": lambda: engine.similar(track),
            "by upload": lambda: client.similar(track),
        }
        times_s: dict[str, list[float]] = {name: [] for name in (*calls, "library, a decoder kept")}
        for call in calls.values():
            call()
        for _ in range(11):
            for name, call in calls.items():
                times_s[name].append(timed(call))
        engine.decoders.keep(engine.embedder.recipe, n_workers=1)
        for _ in range(11):
            times_s["library, a decoder kept"].append(timed(lambda: engine.similar(track)))
            times_s["by upload"].append(timed(lambda: client.similar(track)))
    print(f"{track.name}, {track.stat().st_size / 1e6:.1f} MB, medians, load {load_now()}\n\n| | ms |\n|---|---|")
    medians = {name: float(np.median(times[1:])) for name, times in times_s.items()}
    for name, median in medians.items():
        print(f"| {name} | {1e3 * median:.0f} |")
    for name in (name for name in medians if name != "by upload"):
        print(f"\nby upload / {name}: {medians['by upload'] / medians[name]:.2f}")


def timed(call: object) -> float:
    """Take the time of a call, seconds."""
    begun_s = time.perf_counter()
    call()  # type: ignore[operator]
    return time.perf_counter() - begun_s


def load_now() -> str:
    """Say how busy the machine is."""
    return f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def make_catalogue(folder: Path, real: Path, n_tracks: int) -> list[str]:
    """Fill a catalogue with made-up tracks whose vectors are real ones enlarged; their ids."""
    with Catalogue(folder) as catalogue:
        catalogue.set_model(shipped_model_id())
    names = [f"{number:012x}" for number in range(n_tracks)]
    columns = "track_id, path, file_size, mtime_ns, status, title, artist, album, genre, year, duration_s"
    with sqlite3.connect(folder / "catalogue.sqlite") as database:
        database.executemany(
            f"INSERT INTO tracks ({columns}) VALUES (?, ?, 1, 1, 'embedded', ?, ?, ?, ?, ?, ?)",
            (
                (
                    name,
                    f"/music/{n % 1000}/{n}.mp3".encode(),
                    f"title {n}",
                    f"artist {n % 5000}",
                    f"album {n % 9000}",
                    GENRES[n % len(GENRES)],
                    1960 + n % 60,
                    n % 600,
                )
                for n, name in enumerate(names)
            ),
        )
        vectors = (vector for block in enlarged(real_vectors(real), n_tracks, seed=0) for vector in block)
        rows = (
            (name, shipped_model_id(), vector.astype("<f4").tobytes())
            for name, vector in zip(names, vectors, strict=True)
        )
        database.executemany("INSERT INTO vectors VALUES (?, ?, ?)", rows)
    return names


@contextmanager
def service(catalogue: Path, **environment: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Serve a catalogue by the command; its process and address, once it is ready."""
    command = [sys.executable, "-m", "audio_engine.cli.main", "serve", "--port", "0", "-c", str(catalogue)]
    log = (catalogue / "service.log").open("w+")
    with log, subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **environment}) as process:
        try:
            while "running on " not in (predicted := (catalogue / "service.log").read_text()):
                time.sleep(0.05)
            address = predicted.split("running on ")[1].split()[0]
            wait_until_ready(f"{address}/readyz")
            yield process, address
        finally:
            process.terminate()


@contextmanager
def bare(reply: Path) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """Serve the same JSON, and nothing else."""
    port = 18_765
    with subprocess.Popen([sys.executable, "-c", BARE, str(port), str(reply)]) as process:
        try:
            wait_until_ready(f"http://127.0.0.1:{port}/openapi.json")
            yield process, f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def wait_until_ready(url: str) -> None:
    """Ask until there is an answer."""
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s:
        try:
            if httpx.get(url, timeout=PATIENCE_S).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise TimeoutError(url)


async def load(
    address: str, bodies: list[bytes], seconds: float, *, pid: int, n_connections: int = N_CONNECTIONS
) -> Load:
    """Ask over all connections for so many seconds; plain sockets, so that the asking costs little."""
    times_s: list[float] = []
    errors: list[bytes] = []
    host, port = address.removeprefix("http://").split(":")
    until_s = time.perf_counter() + seconds

    async def ask(first: int) -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        number = first
        while (begun_s := time.perf_counter()) < until_s:
            body = bodies[number % len(bodies)]
            number += n_connections
            head = f"POST /v1/similar HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            reply = await reader.readuntil(b"\r\n\r\n")
            length = int(reply.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            times_s.append(time.perf_counter() - begun_s)
            if not reply.startswith(b"HTTP/1.1 200"):
                errors.append(reply)
        writer.close()

    begun_s, begun_cpu_s = time.perf_counter(), cpu_seconds(pid)
    await asyncio.gather(*(ask(number) for number in range(n_connections)))
    took_s = time.perf_counter() - begun_s
    p50, p99 = np.percentile(times_s, [50, 99]) * 1e3
    return Load(
        n_answers=len(times_s),
        n_errors=len(errors),
        seconds=took_s,
        p50_ms=float(p50),
        p99_ms=float(p99),
        cpu_ms=1e3 * (cpu_seconds(pid) - begun_cpu_s) / len(times_s),
    )


def cpu_seconds(pid: int) -> float:
    """Read the processor time that a process has had (Linux)."""
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
