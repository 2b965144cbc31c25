"""Print what `embed` of one new file takes from a cold start, and its memory by number and length of files; Markdown.

    python -m tests.benchmarks.embedding_start --tracks DIR [--work DIR] [--rounds 5]

DIR as for `tests.benchmarks.embedding_speed`. Each run is the command as a person types it, on an empty catalogue.
Memory is the most seen while it ran, of the main process and of the decoders together: RSS counts every page in memory,
PSS shares those of files among the processes that map them, and "own" counts what is no page of a file. How many pages
of a library are in memory depends on what the system has cached of it: RSS differs by 100 MB and more from run to run.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from features.declared_length import mpeg_frame
from tests.benchmarks.embedding_speed import PACKAGES, children_of
from tests.benchmarks.speed_sets import full_length, make_copies, make_set

N_MANY = 64  # files
N_REPEATED = 40  # 180-s pieces in the long file, two hours
STEP_S = 0.02
KINDS = ("Rss", "Pss", "Anonymous")
BAR_S, BAR_MB = 2.5, 600


@dataclass(kw_only=True)
class Run:
    """What one run of a command took."""

    wall_s: float = 0.0
    cpu_s: float = 0.0  # of all its processes
    main_mb: dict[str, float] = field(default_factory=lambda: dict.fromkeys(KINDS, 0.0))
    decoders_mb: dict[str, float] = field(default_factory=lambda: dict.fromkeys(KINDS, 0.0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=Path, required=True)
    parser.add_argument("--work", type=Path, help="where the files are made, and kept")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = options.work or Path(scratch)
        mp3s = make_set(full_length(options.tracks, *PACKAGES), work / "mp3", "mp3", 16)
        many = make_copies(mp3s, work / "mp3_copies", N_MANY)
        runs = {"`python -c 'import torch'`": [measured("-c", "import torch") for _ in range(options.rounds)]}
        runs["one file"] = [embed(mp3s[0]) for _ in range(options.rounds)]
        runs[f"{N_MANY} files"] = [embed(many[0].parent)]
        runs["a file of two hours"] = [embed(make_long(mp3s[0], work / "long.mp3"))]
        print("\n".join(report(runs)))


def make_long(mp3: Path, path: Path) -> Path:
    """Repeat the frames of an MP3, without the head that declares its length."""
    sound = mp3.read_bytes()
    frames = ((at, frame) for at in range(len(sound)) if (frame := mpeg_frame(sound, at)))
    head = next(at + frame.n_bytes for at, frame in frames if mpeg_frame(sound, at + frame.n_bytes))
    path.write_bytes(sound[head:] * N_REPEATED)
    return path


def embed(path: Path) -> Run:
    """Embed a file or folder into a new catalogue, by the command line."""
    with tempfile.TemporaryDirectory() as catalogue:
        return measured("-m", "audio_engine.cli.main", "embed", str(path), "--catalogue", catalogue)


def measured(*arguments: str) -> Run:
    """Run Python, and look at its memory on the way."""
    run, began = Run(), time.monotonic()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        _raise_to(run.main_mb, [process.pid])
        _raise_to(run.decoders_mb, [pid for pid in children_of(process.pid) if "decoding" in _command_of(pid)])
        time.sleep(STEP_S)
    run.wall_s = time.monotonic() - began
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{arguments} ended with exit status {process.returncode}")
    run.cpu_s = usage.ru_utime + usage.ru_stime
    return run


def _raise_to(peak: dict[str, float], pids: list[int]) -> None:
    """Raise peaks to what some processes hold together now, MB."""
    found = [memory for memory in map(_memory_mb, pids) if memory]
    for kind in KINDS:
        peak[kind] = max(peak[kind], sum(memory[kind] for memory in found))


def _memory_mb(pid: int) -> dict[str, float]:
    """Read the memory of a process, MB; empty if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return {}
    return {name: int(rest.split()[0]) / 1e3 for name, rest in (line.split(":") for line in lines)}


def _command_of(pid: int) -> str:
    """Read the command of a process: until it runs its own, that of its parent."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def report(runs: dict[str, list[Run]]) -> Iterator[str]:
    """Write the table: medians of the times, greatest memory."""
    yield "| | wall s | CPU s | main process: RSS, PSS, own, MB | decoders together: RSS, PSS, own, MB |"
    yield "|---|---|---|---|---|"
    for name, each in runs.items():
        memory = [
            ", ".join(f"{max(getattr(run, part)[kind] for run in each):.0f}" for kind in KINDS)
            for part in ("main_mb", "decoders_mb")
        ]
        wall_s, cpu_s = median(run.wall_s for run in each), median(run.cpu_s for run in each)
        yield f"| {name} | {wall_s:.2f} | {cpu_s:.2f} | {' | '.join(memory)} |"
    yield ""
    yield f"Bars: one file in {BAR_S} s at most, RSS {BAR_MB} MB at most."


if __name__ == "__main__":
    main()
