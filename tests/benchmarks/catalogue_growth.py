"""Print what each command costs on catalogues of different sizes, as Markdown: wall and CPU seconds, memory, slopes.

    python -m tests.benchmarks.catalogue_growth [--sizes 1000 100000 1000000] [--rounds 3] [--keep DIR]

Tracks, names and vectors are made up (vectors: clusters, enlarged as in `tests.benchmarks.enlarged`); the ten files
that are embedded are real sound files. Each command is its own process, as a person types it; CPU seconds are those of
the process and its decoders. The slope says what each million of tracks adds to a command.
"""

import argparse
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

import numpy as np

from audio_engine import Catalogue, Engine
from audio_engine.catalogue.track import DIM
from audio_engine.embedding.models import shipped_model_id
from tests.benchmarks.enlarged import enlarged
from tests.sounds import write_sound

N_FILES = 10  # embedded at a time
N_CENTRES = 2_000
N_WORDS = 20_000
N_SEARCHES = 200
COLUMNS = "track_id, path, content_hash, file_size, mtime_ns, status, title, artist, album, genre, year, duration_s"
GENRES = ("Rock", "Trip-Hop; Electronic", "Pop", "Ambient", "Folk")
SEARCHING = """
import sys, time
from audio_engine import Engine
with Engine.open(sys.argv[1]) as engine:
    for text in sys.stdin.read().splitlines():
        begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
        engine.search.by_text(text)
        print(time.perf_counter() - begun_s, time.process_time() - begun_cpu_s)
"""


LAUNCHER = """
import os, sys
pid = os.fork()
if not pid:
    os.execv(sys.argv[2], sys.argv[2:])
_, status, used = os.wait4(pid, 0)
with open(sys.argv[1], "w") as file:
    print(used.ru_utime + used.ru_stime, used.ru_maxrss, file=file)
sys.exit(os.waitstatus_to_exitcode(status))
"""  # a small process between: the peak of memory that Linux tells of a process counts its parent's before it


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one process cost."""

    wall_s: float
    cpu_s: float  # its decoders included
    peak_mb: float  # of the largest of its processes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 100_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="where the made catalogues are kept, for another run")
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        costs = {n: dict(measure(Path(folder), n, rounds=asked.rounds, keep=asked.keep)) for n in asked.sizes}
    put_table(costs)


def put_table(costs: dict[int, dict[str, list[Cost]]]) -> None:
    """Print the medians by size, and the slopes."""
    sizes = list(costs)
    print(f"\nmedians; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    print("| wall s / CPU s / MB | " + " | ".join(f"{n:,} tracks" for n in sizes) + " | CPU s a million more |")
    print("|---" * (len(sizes) + 2) + "|")
    for step in costs[sizes[0]]:
        cells = [
            " / ".join(f"{np.median([getattr(cost, name) for cost in costs[n][step]]):{form}}" for name, form in FORMS)
            for n in sizes
        ]
        first, last = (np.median([cost.cpu_s for cost in costs[n][step]]) for n in (sizes[0], sizes[-1]))
        slope = 1e6 * (last - first) / (sizes[-1] - sizes[0]) if len(sizes) > 1 else 0.0
        print(f"| {step} | {' | '.join(cells)} | {slope:.2f} |", flush=True)


FORMS = (("wall_s", ".2f"), ("cpu_s", ".2f"), ("peak_mb", ".0f"))


def measure(folder: Path, n_tracks: int, *, rounds: int, keep: Path | None) -> Iterator[tuple[str, list[Cost]]]:
    """Fill a catalogue, then time each command on it."""
    made = folder / "catalogue"
    kept = keep and keep / str(n_tracks)
    if kept and kept.exists():
        shutil.copytree(kept, made)
    else:
        write_catalogue(made, n_tracks)
        run("similar", f"{0:012x}", "-c", made)  # builds the index
        if kept:
            shutil.copytree(made, kept)
    by_id = ("similar", f"{n_tracks // 2:012x}", "-c", made)
    yield "--help", [run("--help") for _ in range(rounds)]
    yield "info", [run("info", "-c", made) for _ in range(rounds)]
    yield "similar TRACK_ID", [run(*by_id) for _ in range(rounds)]
    costs: dict[str, list[Cost]] = {"embed, ten new files": [], "the similar after it": [], "embed, the ten again": []}
    for number in range(rounds):
        music = folder / "music" / str(number)
        music.mkdir(parents=True)
        for seed in range(N_FILES):
            write_sound(music / f"{seed}.flac", 30.0, 44_100, seed=1_000 * number + seed)
        for step, words in zip(costs, (("embed", music), by_id, ("embed", music)), strict=True):
            costs[step].append(run(*words, *(() if "-c" in words else ("-c", made))))
    yield from costs.items()
    with Engine.open(made) as engine:
        titles = [track.tags.title for track in engine.catalogue.page(limit=N_SEARCHES, offset=n_tracks // 2)]
    words = "\n".join(title.split()[0] for title in titles)
    cost, times_s = run_python(SEARCHING, made, given=words)
    searches = {"search by one word, the first, which indexes all": times_s[0]}
    searches |= {
        f"… the {name} of {N_SEARCHES}, in ms": 1e3 * np.percentile(times_s[1:], percent, axis=0)
        for name, percent in (("median", 50), ("99th percentile", 99))
    }
    for step, (wall_s, cpu_s) in searches.items():
        yield step, [Cost(wall_s=float(wall_s), cpu_s=float(cpu_s), peak_mb=cost.peak_mb)]
    yield "tracks --json", [run("tracks", "--json", "-c", made)]
    shutil.rmtree(folder / "music")
    shutil.rmtree(made)


def run(*words: object) -> Cost:
    """Run a command of the command line."""
    return _run([sys.executable, "-m", "audio_engine.cli.main", *map(str, words)])[0]


def run_python(code: str, *words: object, given: str) -> tuple[Cost, np.ndarray]:
    """Run some Python; what it cost, and the numbers that it printed, (n_lines, n_numbers)."""
    cost, out = _run([sys.executable, "-c", code, *map(str, words)], given)
    return cost, np.array([line.split() for line in out.splitlines()], float)


def _run(command: list[str], given: str = "") -> tuple[Cost, str]:
    with TemporaryDirectory() as folder:
        used = Path(folder) / "used"
        launch = [sys.executable, "-I", "-S", "-c", LAUNCHER, str(used), *command]
        begun_s = time.perf_counter()
        ran = subprocess.run(launch, input=given, capture_output=True, text=True, check=False)
        wall_s = time.perf_counter() - begun_s
        if ran.returncode:
            raise RuntimeError(f"{command} must succeed, got {ran.returncode}: {ran.stderr[-2_000:]}")
        cpu_s, peak_kib = map(float, used.read_text().split())
        return Cost(wall_s=wall_s, cpu_s=cpu_s, peak_mb=peak_kib / 1024), ran.stdout


def write_catalogue(directory: Path, n_tracks: int) -> None:
    """Write made tracks straight into the tables: `Catalogue.write` would take minutes."""
    with Catalogue(directory) as catalogue:
        catalogue.set_model(shipped_model_id())
    rng = np.random.default_rng(0)
    words = made_words(rng)
    vectors = (vector for block in enlarged(clusters(rng), n_tracks, seed=0) for vector in block)
    with in_one_go(directory / "catalogue.sqlite") as database:
        drawn = rng.zipf(1.3, (n_tracks, 6)) % N_WORDS
        database.executemany(
            f"INSERT INTO tracks ({COLUMNS}) VALUES (?, ?, ?, 1, 1, 'embedded', ?, ?, ?, ?, ?, ?)",
            (row(number, [words[place] for place in drawn[number]]) for number in range(n_tracks)),
        )
        database.executemany(
            "INSERT INTO vectors VALUES (?, ?, ?)",
            ((f"{number:012x}", shipped_model_id(), vector.tobytes()) for number, vector in enumerate(vectors)),
        )


def row(number: int, words: list[str]) -> tuple[object, ...]:
    """Make up a track: ten on an album, a hundred by an artist."""
    title, artist, album = f"{words[0]} {words[1]} {words[2]}", f"{words[3]} {number // 100}", f"{words[4]} {words[5]}"
    path = f"/made/{artist}/{album} {number // 10}/{number % 10:02} {title}.flac".encode()
    track_id = f"{number:012x}"
    return track_id, path, f"{number:032x}", title, artist, album, GENRES[number % 5], 1960 + number % 60, number % 600


def made_words(rng: np.random.Generator) -> list[str]:
    """Make up words of one to four syllables."""
    syllables = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "er", "is")]
    return ["".join(rng.choice(syllables, rng.integers(1, 5))) for _ in range(N_WORDS)]


def clusters(rng: np.random.Generator) -> np.ndarray:
    """Draw unit vectors (N_CENTRES, DIM) whose variance falls from direction to direction, as that of real ones."""
    drawn = rng.standard_normal((N_CENTRES, DIM)) * 0.9 ** np.arange(DIM)
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


@contextmanager
def in_one_go(path: Path) -> Iterator[sqlite3.Connection]:
    """Open an SQLite file for many insertions in one transaction."""
    database = sqlite3.connect(path)
    try:
        with database:
            yield database
    finally:
        database.close()


if __name__ == "__main__":
    main()
