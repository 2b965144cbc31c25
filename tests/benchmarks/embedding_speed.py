"""Benchmark the cost of embedding against peers, on the same files in one run; Markdown, or JSON with ``--json``.

    python -m tests.benchmarks.embedding_speed --tracks DIR [--work DIR] [--json]

DIR holds the packages that ``../shared/fetch_tracks.sh wesnoth-1.16-music supertuxkart-data`` downloads. Peers that are
not installed are skipped: ``pip install bliss-audio==0.1.11 sonara pymusly``, for pymusly ffmpeg too.

Each contestant runs over few files and over many, several times in turn; the slope between the two is the cost of a
track, the rest the cost of starting up. CPU seconds are user and system, of the process and its children.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.speed_contestants import CONTESTANTS
from tests.benchmarks.speed_sets import full_length, make_copies, make_set, make_short

PACKAGES = ("wesnoth-1.16-music", "supertuxkart-data")
N_ENCODED, N_FILES, N_FEW = 16, 64, 2  # MP3s that are encoded; with copies that differ by a tag; a few of them
N_TURNS = {"ours": 3, "decode only": 3}  # the least of so many runs; other contestants run once
SLOW = {"plain script": 8, "bliss-audio": 8, "sonara compact": 8, "pymusly 30 s": 8}  # files: fewer, for they take long
N_COPIES = (100, 2_000)
CORES, CATALOGUES = (2, 16, 1_000), (10**6, 10**7, 10**8)
BARS = {"bliss-audio": 1 / 4, "sonara compact": 1 / 3, "pymusly 30 s": 1 / 2, "plain script": 1 / 8}
DECODE_BAR, CHECK_BAR, MEMORY_BAR_MB = 0.80, 2_000, 1_500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=Path, required=True)
    parser.add_argument("--work", type=Path, help="where the sets are made, and kept")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        found = measure(options.tracks, options.work or Path(scratch))
    print(json.dumps(found) if options.json else "\n".join(report(found)))


def measure(tracks: Path, work: Path) -> dict[str, Any]:
    """Run everything."""
    sources = full_length(tracks, *PACKAGES)
    mp3 = make_copies(make_set(sources, work / "mp3", "mp3", N_ENCODED), work / "mp3_copies", N_FILES)
    short = make_short(sources[0], work / "short")
    copies = {n: make_copies([short], work / f"copies_{n}", n)[0].parent for n in N_COPIES}
    with tempfile.TemporaryDirectory() as scratch:
        catalogues = {n: Path(scratch) / str(n) for n in N_COPIES}
        return {
            "mp3": {name: cost(name, mp3[: SLOW.get(name, N_FILES)]) for name in CONTESTANTS},
            "ogg": {"n_files": len(sources)} | {name: cost(name, sources) for name in N_TURNS},
            "memory_mb": {n: peak_memory_mb(folder, catalogues[n]) for n, folder in copies.items()},
            "checked_per_s": check_rate(copies[max(N_COPIES)], catalogues[max(N_COPIES)]),
        }


def cost(name: str, files: list[Path]) -> dict[str, Any]:
    """Measure what a contestant takes a track, and to start."""
    runs: dict[int, list[tuple[float, float]]] = {N_FEW: [], len(files): []}
    for _ in range(N_TURNS.get(name, 1)):
        for n_files, measured in runs.items():
            usage = run(name, files[:n_files])
            if isinstance(usage, str):
                return {"skipped": usage}
            measured.append(usage)
    (few_cpu_s, few_s), (cpu_s, wall_s) = (tuple(map(min, zip(*measured, strict=True))) for measured in runs.values())
    n_more = len(files) - N_FEW
    each_s = (cpu_s - few_cpu_s) / n_more
    return {
        "cpu_s": each_s,
        "start_cpu_s": few_cpu_s - N_FEW * each_s,
        "tracks_per_s": n_more / (wall_s - few_s),
        "n_files": len(files),
    }


def run(name: str, files: list[Path]) -> tuple[float, float] | str:
    """Run a contestant; CPU seconds and seconds on the clock, or why it could not."""
    command = [sys.executable, "-m", "tests.benchmarks.speed_contestants", name, *map(str, files)]
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    words = process.stderr.read() if process.stderr else ""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        return words.strip().splitlines()[-1]
    return usage.ru_utime + usage.ru_stime, time.monotonic() - began


def peak_memory_mb(folder: Path, catalogue: Path) -> float:
    """Embed a folder by the command line; the greatest sum of its processes' memory, shared pages counted for each."""
    command = [sys.executable, "-m", "audio_engine.cli.main", "embed", str(folder), "--catalogue", str(catalogue)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(_resident_bytes(pid) for pid in (process.pid, *children_of(process.pid))))
        time.sleep(0.1)
    if process.returncode:
        raise RuntimeError(f"embedding {folder} ended with exit status {process.returncode}")
    return peak / 1e6


def check_rate(folder: Path, catalogue: Path) -> float:
    """Embed a folder again with nothing changed; tracks a second, the start of Python left out."""
    from audio_engine import Engine  # noqa: PLC0415  (loads torch)

    began = time.monotonic()
    with Engine.open(catalogue) as engine:
        n_done, n_tracks = len(list(engine.embed(folder))), engine.info().n_tracks
    if n_done:
        raise RuntimeError(f"nothing had changed, and {n_done} files were looked into")
    return n_tracks / (time.monotonic() - began)


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def children_of(parent: int) -> list[int]:
    """Find the processes that any thread of another started."""
    found = []
    for children in Path(f"/proc/{parent}/task").glob("*/children"):
        try:
            found += [int(child) for child in children.read_text().split()]
        except OSError:  # the thread has ended
            continue
    return found


def report(found: dict[str, Any]) -> Iterator[str]:
    """Write the tables."""
    ours, decoding = found["mp3"]["ours"], found["mp3"]["decode only"]
    yield "| a 180-s MP3, 192 kbit/s stereo | CPU ms a track | start-up, CPU s | tracks/s | ours takes | bar |"
    yield "|---|---|---|---|---|---|"
    for name, costs in found["mp3"].items():
        if "skipped" in costs:
            yield f"| {name} | skipped: {costs['skipped']} | | | | |"
            continue
        share = ours["cpu_s"] / costs["cpu_s"]
        bar = f"≤ {BARS[name]:.3f}: {_met(share <= BARS[name])}" if name in BARS else ""
        yield (
            f"| {name} | {1_000 * costs['cpu_s']:.0f} | {costs['start_cpu_s']:.1f} | {costs['tracks_per_s']:.1f} "
            f"| {share:.3f} | {bar} |"
        )
    yield ""
    yield "| | | bar |"
    yield "|---|---|---|"
    ogg, ogg_decoding = found["ogg"]["ours"], found["ogg"]["decode only"]
    for kind, whole, part in (("MP3", ours, decoding), ("Ogg", ogg, ogg_decoding)):
        rate, cpu = whole["tracks_per_s"] / part["tracks_per_s"], part["cpu_s"] / whole["cpu_s"]
        bar = f"≥ 0.80: {_met(rate >= DECODE_BAR)}"
        yield f"| {kind}: rate over that of decoding alone, on the clock | {rate:.2f} | {bar} |"
        yield f"| {kind}: the same by CPU seconds | {cpu:.2f} | |"
    yield f"| Ogg, {found['ogg']['n_files']} full-length tracks: CPU ms a track | {1_000 * ogg['cpu_s']:.0f} | |"
    checked, memory = found["checked_per_s"], found["memory_mb"]
    yield f"| tracks checked a second, nothing changed | {checked:,.0f} | ≥ 2,000: {_met(checked >= CHECK_BAR)} |"
    for n, megabytes in memory.items():
        yield f"| peak RSS at {n} tracks, MB | {megabytes:,.0f} | < 1,500: {_met(megabytes < MEMORY_BAR_MB)} |"
    yield ""
    yield "| hours for | " + " | ".join(f"{n:,} tracks" for n in CATALOGUES) + " |"
    yield "|---" * (len(CATALOGUES) + 1) + "|"
    for n_cores in CORES:
        hours = (f"{n * ours['cpu_s'] / n_cores / 3_600:,.2f}" for n in CATALOGUES)
        yield f"| {n_cores:,} cores | " + " | ".join(hours) + " |"


def _met(is_met: bool) -> str:
    return "met" if is_met else "missed"


if __name__ == "__main__":
    main()
