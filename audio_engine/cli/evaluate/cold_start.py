"""Commands of learning from users: train on a play log, evaluate cold start, find who is sensitive to sound.

To be mounted on the command line; each parses, calls public functions of `audio_engine`, and prints.
"""
# ruff: noqa: PLC0415, PLR0913, PLR0917  (imports inside commands; a command has as many parameters as it has options)

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audio_engine.cli.options import AsJson, Audio, Store, World, default_store, say_progress
from audio_engine.cli.printing import number, put_json, put_table, say

if TYPE_CHECKING:
    from audio_engine.evaluation.cold_start.benchmark import ColdStartRow

SHOWN = {  # metric: heading of its column in the table for people
    "auc_liked_rejected": "AUC liked/rejected",
    "auc_liked_unheard": "AUC liked/unheard",
    "ndcg@10": "nDCG@10",
    "recall@10": "recall@10",
    "precision@10": "precision@10",
    "track_auc": "AUC of tracks",
    "coverage@10": "coverage",
    "gini@10": "Gini",
}


def evaluate_cold_start(
    world: World,
    audio: Audio,
    cold_tracks: Annotated[Path | None, typer.Option(help="Tracks to score in place of split == valid_cold.")] = None,
    cold_plays: Annotated[Path | None, typer.Option(help="Their plays.")] = None,
    cold_audio: Annotated[Path | None, typer.Option(help="The folder of their files.")] = None,
    model: Annotated[list[Path] | None, typer.Option(help="A trained model; again for each seed of it.")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="Of the baselines; again for more of them.")] = None,
    baselines: Annotated[bool, typer.Option(help="Train and score the baselines.")] = True,
    models: Annotated[bool, typer.Option(help="Score the models given, or the one in the package.")] = True,
    store: Store = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that decode.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Score how well new tracks find their users from sound alone (simulated users, where the world is)."""
    from audio_engine.evaluation.cold_start.benchmark import build_mels, evaluate_cold_start, recipes_of
    from audio_engine.evaluation.cold_start.data import read_world
    from metric_learning.model_files import DEFAULT_MODEL_DIR

    data = read_world(world, audio, cold_tracks=cold_tracks, cold_plays=cold_plays, cold_audio=cold_audio)
    say(f"warm: {data.counts[0]}; cold: {data.counts[1]}")
    model_dirs, store = (model or [DEFAULT_MODEL_DIR]) if models else [], store or default_store()
    for recipe in recipes_of(model_dirs, baselines=baselines):
        say_progress(build_mels(data, recipe, store, n_workers=workers), len(data.warm) + len(data.cold))
    rows: list[ColdStartRow] = []
    for row in evaluate_cold_start(data, models=model_dirs, store=store, seeds=seed or [0], baselines=baselines):
        if not rows or row.method != rows[-1].method:
            say(f"{row.method}, seed {row.seed}")
        rows.append(row)
    if as_json:
        put_json({"rows": [asdict(row) for row in rows]})
    else:
        put_cold_start(rows)


def evaluate_sensitivity(
    world: World,
    audio: Audio,
    model: Annotated[Path | None, typer.Option(help="A trained model; the one in the package otherwise.")] = None,
    histogram: Annotated[Path | None, typer.Option(metavar="PNG", help="Draw the distribution there.")] = None,
    store: Store = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that decode.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Find which users are sensitive to sound (simulated users, where the world is)."""
    from audio_engine.evaluation.cold_start.benchmark import build_mels, recipes_of, warm_vectors
    from audio_engine.evaluation.cold_start.data import read_truth, read_world
    from audio_engine.evaluation.sensitivity import describe_sensitivity, draw_histogram, user_correlations
    from metric_learning.model_files import DEFAULT_MODEL_DIR

    data, model, store = read_world(world, audio), model or DEFAULT_MODEL_DIR, store or default_store()
    for recipe in recipes_of([model], baselines=False):
        say_progress(build_mels(data, recipe, store, n_workers=workers), len(data.warm) + len(data.cold))
    r = user_correlations(data.plays, warm_vectors(data, model, store), n_users=data.n_users)
    found = asdict(describe_sensitivity(r, read_truth(world)))
    if histogram:
        draw_histogram(r, histogram)
    if as_json:
        put_json(found)
    else:
        put_table(["", "value"], [(name.replace("_", " "), number(value)) for name, value in found.items()])


def put_cold_start(rows: Sequence["ColdStartRow"]) -> None:
    """Put a table on stdout, a line a method and kind of artist, each number with its interval; seeds averaged."""
    cells: dict[tuple[str, str], dict[str, list[ColdStartRow]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        cells[row.artists, row.method][row.metric].append(row)
    lines = [
        [artists, method, *(_cell(by_metric[metric]) for metric in SHOWN)]
        for (artists, method), by_metric in sorted(cells.items(), key=lambda item: item[0][0], reverse=True)
    ]
    put_table(["artists", "method", *SHOWN.values()], lines)


def _cell(rows: "Iterable[ColdStartRow]") -> str:
    """Write a value with its interval, both averaged over seeds."""
    rows = list(rows)
    value, low, high = (sum(getattr(row, name) for row in rows) / len(rows) for name in ("value", "low", "high"))
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"
