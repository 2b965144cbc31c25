"""Commands of learning from users: train on a play log, evaluate cold start, find who is sensitive to sound.

To be mounted on the command line; each parses, calls public functions of `audio_engine`, and prints.
"""
# ruff: noqa: PLC0415, PLR0913, PLR0917  (imports inside commands; a command has as many parameters as it has options)

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audio_engine.cli.options import AsJson, Audio, Store, World, default_store, say_progress
from audio_engine.cli.printing import number, put_json, put_table, say

if TYPE_CHECKING:
    from audio_engine.metrics.results import Result

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
    rows: list[Result] = []
    for row in evaluate_cold_start(data, models=model_dirs, store=store, seeds=seed or [0], baselines=baselines):
        if not rows or row.method != rows[-1].method:
            say(f"{row.method}, seed {row.about['seed']}")
        rows.append(row)
    if as_json:
        put_json({"rows": [row.row() for row in rows]})
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


def put_cold_start(rows: Sequence["Result"]) -> None:
    """Put a table on stdout, a line a method and kind of artist, each number with its interval; seeds averaged."""
    from audio_engine.metrics.results import to_table

    ordered = sorted(rows, key=lambda row: str(row.about["artists"]), reverse=True)
    shown = (row for metric in SHOWN for row in ordered if row.metric == metric)
    columns, lines = to_table(shown, by=["artists", "method"])
    put_table(["artists", "method", *map(SHOWN.__getitem__, columns)], [key + cells for key, cells in lines])
