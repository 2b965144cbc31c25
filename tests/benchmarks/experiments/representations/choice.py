"""Choice of hyperparameters within the warm tracks: on later plays, and on artists held out; cold tracks play no part.

    python -m tests.benchmarks.experiments.representations.choice item2vec|eges|graphsage|fusion
        --world ../shared/world2 --audio ../shared/audio

Prints a line a setting: the AUC of liked against rejected plays (simulated), of later plays (learned before day 80,
judged on days 80 to 100) and of held-out artists (three folds, all before day 100), with sound that has heard no plays.
"""

import argparse
import tempfile
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from audio_engine.evaluation.cold_start.data import read_world
from audio_engine.representations.item2vec import Item2VecRecipe
from audio_engine.representations.pipeline import (
    represent_eges,
    represent_graph_sage,
    represent_item2vec,
)
from audio_engine.representations.sessions import SessionRecipe
from audio_engine.training.mel_cache import default_store
from metric_learning.eges import EgesRecipe
from metric_learning.graph_sage import SageRecipe
from tests.benchmarks.experiments.representations.data import Task, fold_tasks, sound_only_vectors, warm_task
from tests.benchmarks.experiments.representations.methods import SIDE, SOUND, Workshop
from tests.benchmarks.experiments.representations.scoring import auc_of_users, table_of_vectors

LEARN_UNTIL, JUDGE_UNTIL = 80.0, 100.0  # days
N_FOLDS = 3
WALKS = ("n_walks", "n_steps", "window", "n_epochs", "batch", "n_shared", "ns_exponent")
GRIDS: dict[str, list[dict[str, Any]]] = {
    "item2vec": [
        {},
        {"window": 2},
        {"window": 10},
        {"ns_exponent": 0.0},
        {"ns_exponent": -0.5},
        {"n_epochs": 3},
        {"n_epochs": 30},
        {"subsample": 1e-3},
        {"gap_minutes": float("inf"), "window": 5},
        {"gap_minutes": float("inf"), "window": 30},
        {"rejected_share": 0.3},
        {"rejected_share": 1.0},
    ],
    "eges": [
        {},
        {"id_dropout": 0.0},
        {"id_dropout": 0.6},
        {"side_dropout": 0.0},
        {"side_dropout": 0.5},
        {"n_epochs": 2},
        {"n_epochs": 10},
        {"ns_exponent": 0.0},
        {"window": 1},
        {"learning_rate": 0.003},
        {"n_negatives": 2.0},
    ],
    "graphsage": [
        {},
        {"neighbour_dropout": 0.0},
        {"neighbour_dropout": 0.6},
        {"side_dropout": 0.0},
        {"side_dropout": 0.5},
        {"n_epochs": 2},
        {"temperature": 0.1},
        {"temperature": 0.5},
        {"ns_exponent": 0.0},
        {"learning_rate": 0.002},
        {"window": 1},
    ],
}


def main() -> None:
    """Read the options, train, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=GRIDS)
    parser.add_argument("--world", type=Path, required=True)
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--store", type=Path, default=default_store())
    parser.add_argument("--folds", type=int, default=N_FOLDS, help="how many of the three are used")
    parser.add_argument("--setting", action="append", help="NAME=NUMBER,…: these settings in place of the grid")
    options = parser.parse_args()
    data = read_world(options.world, options.audio)
    table = pl.read_parquet(options.world / "tracks.parquet")
    table = pl.DataFrame({"track": [*data.warm.track_ids, *data.cold.track_ids]}).join(
        table, on="track", how="left", maintain_order="left"
    )
    sound = sound_only_vectors(data, options.store)
    tasks = [warm_task(data, learn_until=LEARN_UNTIL, judge_until=JUDGE_UNTIL)]
    if options.what != "item2vec":
        tasks += islice(fold_tasks(data, learn_until=JUDGE_UNTIL, n_folds=N_FOLDS), options.folds)
    grid = [_setting(text) for text in options.setting] if options.setting else GRIDS[options.what]
    for setting in grid:
        found = [_auc(task, table, sound, options.what, setting) for task in tasks]
        line = f"{options.what} {setting}: later plays {found[0]:.4f}"
        print(line + (f", held-out artists {np.mean(found[1:]):.4f}" if found[1:] else ""), flush=True)


def _auc(task: Task, table: pl.DataFrame, sound: Any, what: str, setting: dict[str, Any]) -> float:
    """Learn with a setting, and score."""
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(task, table, {SOUND: sound}, Path(folder))
        cut = {
            name: value
            for name, value in setting.items()
            if name in {"gap_minutes", "rejected_share", "min_completion"}
        }
        rest = {name: value for name, value in setting.items() if name not in cut}
        files = workshop.files(audio=None if what == "item2vec" else SOUND, categories=SIDE)
        functions = {"item2vec": represent_item2vec, "eges": represent_eges, "graphsage": represent_graph_sage}
        represent = partial(functions[what], files, recipe=_recipe(what, rest), sessions=SessionRecipe(**cut))
        vectors = workshop.learn(what, represent)
        return float(np.nanmean(auc_of_users(task, table_of_vectors(task, vectors))))


def _recipe(what: str, setting: dict[str, Any]) -> Any:
    """Put a setting into a recipe."""
    if what == "item2vec":
        return replace(Item2VecRecipe(), **setting)
    recipe = EgesRecipe() if what == "eges" else SageRecipe()
    walks = {name: value for name, value in setting.items() if name in WALKS}
    rest = {name: value for name, value in setting.items() if name not in WALKS}
    return replace(recipe, walks=replace(recipe.walks, **walks), **rest)


def _setting(text: str) -> dict[str, Any]:
    """Read a setting, as in window=3,id_dropout=0.5."""
    parts = (part.partition("=") for part in text.split(",") if part)
    return {name: int(value) if value.lstrip("-").isdigit() else float(value) for name, _, value in parts}


if __name__ == "__main__":
    main()
