"""Comparison of representations on later plays and on new tracks (simulated users).

    python -m tests.benchmarks.experiments.representations --world ../shared/world2 --audio ../shared/audio

All learn from the plays before a day. The audio vector of the shipped model has heard the whole log of that world.
"""

import argparse
import tempfile
from collections import defaultdict
from pathlib import Path

import polars as pl

from audio_engine.evaluation.cold_start.benchmark import embed_mels
from audio_engine.evaluation.cold_start.data import open_mels, read_world
from audio_engine.metrics.bootstrap import user_weights
from audio_engine.training.mel_cache import default_store
from metric_learning.checkpoint import load_checkpoint
from metric_learning.model_files import DEFAULT_MODEL_DIR
from tests.benchmarks.experiments.representations.data import cold_tasks, sound_only_vectors, warm_task
from tests.benchmarks.experiments.representations.methods import (
    EGES,
    SAGE,
    SHIPPED,
    SOUND,
    Recipes,
    Workshop,
    all_vectors,
    reference_methods,
)
from tests.benchmarks.experiments.representations.scoring import Score, difference, score, table_of_vectors


def main() -> None:
    """Read the options, learn, print a line for each method and task, then what the claims are about."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", type=Path, required=True)
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--cold-tracks", type=Path, help="with the next two: judge by these")
    parser.add_argument("--cold-plays", type=Path)
    parser.add_argument("--cold-audio", type=Path)
    parser.add_argument("--store", type=Path, default=default_store())
    parser.add_argument("--until", type=float, default=100.0, help="day before which plays are learned from")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    cold = {name: getattr(options, name) for name in ("cold_tracks", "cold_plays", "cold_audio")}
    data = read_world(options.world, options.audio, **cold)
    ids = pl.DataFrame({"track": [*data.warm.track_ids, *data.cold.track_ids]})
    files = [options.world / "tracks.parquet", *([options.cold_tracks] if options.cold_tracks else [])]
    known = pl.concat([pl.read_parquet(file) for file in files], how="diagonal_relaxed").unique("track", keep="last")
    table = ids.join(known, on="track", how="left", maintain_order="left")
    audio = {SOUND: sound_only_vectors(data, options.store)}
    encoder, recipe = load_checkpoint(DEFAULT_MODEL_DIR)
    shipped = [embed_mels(encoder, open_mels(part, recipe, options.store)) for part in (data.warm, data.cold)]
    audio[SHIPPED] = pl.concat([pl.DataFrame({"v": part}) for part in shipped])["v"].to_numpy()
    tasks = [
        warm_task(data, learn_until=options.until, judge_until=float("inf")),
        *cold_tasks(data, learn_until=options.until),
    ]
    weights = user_weights(data.n_users, seed=0)
    found: dict[tuple[str, str], list[Score]] = defaultdict(list)
    for seed in range(options.seeds):
        for task in tasks:
            for method, similarity in reference_methods(task, seed=seed):
                found[method, task.name].append(score(task, similarity, weights))
        with tempfile.TemporaryDirectory() as folder:  # all tasks learn from the same plays
            for method, vectors in all_vectors(Workshop(tasks[0], table, audio, Path(folder)), Recipes(), seed=seed):
                for task in tasks:
                    found[method, task.name].append(score(task, table_of_vectors(task, vectors), weights))
                    print(seed, method, task.name, _line(found[method, task.name][-1:]), flush=True)
    print("\nmean over seeds (simulated)")
    for (method, task_name), scores in found.items():
        print(f"| {method} | {task_name} | {_line(scores)} |")
    print("\ndifferences of AUC (simulated)")
    for model in (EGES, SAGE):
        for one, other in (
            ("side + sound", "side"),
            ("sound, no side", "side + sound"),
            ("side + shipped audio", "side"),
        ):
            for task in tasks:
                pair = [found[f"{model}, {what}", task.name] for what in (one, other)]
                print(f"| {model}: {one} - {other} | {task.name} | {difference(*pair, weights)} |")


def _line(scores: list[Score]) -> str:
    """Write the mean of each metric over seeds, with the mean interval."""
    cells = []
    for name in scores[0].estimates:
        each = [one.estimates[name] for one in scores]
        value, low, high = (sum(getattr(one, key) for one in each) / len(each) for key in ("value", "low", "high"))
        cells.append(f"{name} {value:.3f} [{low:.3f}, {high:.3f}]")
    return " | ".join(cells)


if __name__ == "__main__":
    main()
