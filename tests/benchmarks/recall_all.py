"""Time and memory of recall for a million synthetic users; prints a Markdown table.

`python -m tests.benchmarks.recall_all --real CATALOGUE --folder DIR [--tracks 100000] [--users 1000000] [--k 100]
[--interests auto]`

Tracks are real vectors enlarged (`tests.benchmarks.enlarged`), in a separate catalogue in DIR. Users are
synthetic: each plays about 20 tracks, most of them from two neighbourhoods. Each stage runs in a separate process.
"""

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from audio_engine import Engine
from audio_engine.atomic_files import write_frames
from audio_engine.catalogue.tags import Tags
from audio_engine.catalogue.track import Embedded
from audio_engine.embedding.models import shipped_model_id
from audio_engine.recall.recommendations import AUTO, Interests
from tests.benchmarks.enlarged import enlarged, real_vectors

N_NEIGHBOURHOODS = 512
PLAYS = 20  # of a user
SHARE_NEAR = 0.75  # of them, from two neighbourhoods
ACTIONS = np.array(["like", "none", "dislike", "skip"])
SHARES = (0.3, 0.5, 0.1, 0.1)
TOGETHER = 50_000  # users made at a time


def make(real: Path, folder: Path, n_tracks: int, n_users: int) -> None:
    """Make the catalogue and the log."""
    vectors = np.concatenate(list(enlarged(real_vectors(real), n_tracks, seed=0)))
    with Engine.open(folder / "catalogue") as engine:
        engine.use_model()
        model_id = shipped_model_id()
        for start in range(0, n_tracks, 10_000):
            engine.catalogue.write(
                [
                    Embedded(
                        path=Path(f"/made-up/{row:08}.flac"),
                        content_hash=f"{row:032x}",
                        file_size=1,
                        mtime_ns=1,
                        tags=Tags(artist=f"artist {row % (n_tracks // 10)}", title=f"title {row}", duration_s=180.0),
                        model_id=model_id,
                        vector=vectors[row],
                    )
                    for row in range(start, min(n_tracks, start + 10_000))
                ]
            )
    schema = pl.Schema(
        {"user": pl.String, "track": pl.String, "day": pl.Float64, "completion": pl.Float64, "action": pl.String}
    )
    write_frames(plays(vectors, n_users), schema, folder / "plays.parquet")


def plays(vectors: np.ndarray, n_users: int) -> Iterator[pl.DataFrame]:
    """Make up plays, the log in no order."""
    rng = np.random.default_rng(0)
    anchors = vectors[rng.choice(len(vectors), min(N_NEIGHBOURHOODS, len(vectors)), replace=False)]
    home = np.argmax(vectors @ anchors.T, axis=1)
    order = np.argsort(home, kind="stable")
    starts = np.searchsorted(home[order], np.arange(len(anchors) + 1))
    sizes = np.diff(starts)
    names = pl.Series([f"{row:08}" for row in range(len(vectors))])
    for first in range(0, n_users, TOGETHER):
        n = min(TOGETHER, n_users - first)
        neighbourhood = rng.choice(len(anchors), (n, 2), p=sizes / sizes.sum())
        chosen = np.take_along_axis(neighbourhood, rng.integers(0, 2, (n, PLAYS)), axis=1)
        near = order[starts[chosen] + (rng.random((n, PLAYS)) * sizes[chosen]).astype(np.int64)]
        track = np.where(rng.random((n, PLAYS)) < SHARE_NEAR, near, rng.integers(0, len(vectors), (n, PLAYS)))
        users = pl.Series([f"u{first + number}" for number in range(n)])
        yield pl.DataFrame(
            {
                "user": users.gather(np.repeat(np.arange(n), PLAYS)),
                "track": names.gather(track.ravel()),
                "day": rng.random(n * PLAYS) * 120,
                "completion": rng.random(n * PLAYS),
                "action": rng.choice(ACTIONS, n * PLAYS, p=SHARES),
            }
        )


def learn(folder: Path) -> None:
    """Learn the users."""
    with Engine.open(folder / "catalogue") as engine:
        say(f"{engine.recommender.learn_users(folder / 'plays.parquet')}")


def recall(folder: Path, k: int, interests: Interests) -> None:
    """Recall tracks for all."""
    with Engine.open(folder / "catalogue") as engine:
        start_s = time.perf_counter()

        def on_done(n_done: int) -> None:
            if n_done % (1 << 16) == 0:
                say(f"{n_done} users, {time.perf_counter() - start_s:.0f} s")

        out = folder / "recalled.parquet"
        report = engine.recommender.recall_all(out, k=k, max_per_artist=5, interests=interests, on_done=on_done)
        say(f"{report}")


def say(words: str) -> None:
    """Say something on stderr."""
    print(words, file=sys.stderr, flush=True)


def measured(stage: str, arguments: argparse.Namespace) -> str:
    """Run a stage in a process of its own; returns its line of the table."""
    start_s = time.perf_counter()
    own = [sys.executable, "-m", "tests.benchmarks.recall_all", *sys.argv[1:], "--stage", stage]
    done = subprocess.run(own, check=True, stdout=subprocess.PIPE, text=True)
    cpu_s, peak_mib = (float(word) for word in done.stdout.split())
    return f"| {stage} | {time.perf_counter() - start_s:.0f} | {cpu_s:.0f} | {peak_mib:.0f} |"


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--tracks", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--k", type=int, default=100)
    parser.add_argument("--interests", default="1", help="a number, or auto")
    parser.add_argument("--stage", choices=("make", "learn", "recall"))
    arguments = parser.parse_args()
    if arguments.stage is None:
        arguments.folder.mkdir(parents=True, exist_ok=True)
        print("| stage | s | CPU s | peak MiB |\n|---|---|---|---|")
        for stage in ("make", "learn", "recall"):
            made = {"make": "plays.parquet", "learn": "catalogue/users/users.json"}
            if stage in made and (arguments.folder / made[stage]).exists():
                continue
            print(measured(stage, arguments), flush=True)
        size_mb = (arguments.folder / "recalled.parquet").stat().st_size / 1e6
        n_rows = pl.scan_parquet(arguments.folder / "recalled.parquet").select(pl.len()).collect().item()
        print(f"\n{n_rows:,} rows, {size_mb:.0f} MB")
        return
    if arguments.stage == "make":
        make(arguments.real, arguments.folder, arguments.tracks, arguments.users)
    elif arguments.stage == "learn":
        learn(arguments.folder)
    else:
        interests = arguments.interests
        recall(arguments.folder, arguments.k, interests if interests == AUTO else int(interests))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


if __name__ == "__main__":
    main()
