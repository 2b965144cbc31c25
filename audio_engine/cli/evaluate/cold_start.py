"""The commands ``evaluate cold-start`` and ``evaluate sensitivity``."""
# ruff: noqa: PLR0913, PLR0917  (a command has as many parameters as it has options)

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import audio_engine
from audio_engine.cli.options import AsJson, Audio, Store, World, new_file
from audio_engine.cli.printing import number, put_json, put_table, say

if TYPE_CHECKING:
    from audio_engine.metrics.results import Result

SHOWN = {  # metric: heading of its column in the table for people
    "auc_liked_rejected": "AUC liked/rejected",
    "auc_liked_unobserved": "AUC liked/unobserved",
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
    """Score how well sound alone finds the users of new tracks.

    The users are simulated where the world is.
    """
    rows = audio_engine.evaluate_cold_start(
        world,
        audio,
        cold_tracks=cold_tracks,
        cold_plays=cold_plays,
        cold_audio=cold_audio,
        models=(model or None) if models else [],
        baselines=baselines,
        seeds=seed or [0],
        store=store,
        n_workers=workers,
        on_progress=say,
    )
    if as_json:
        put_json({"rows": [row.row() for row in rows]})
    else:
        put_cold_start(rows)


def evaluate_sensitivity(
    world: World,
    audio: Audio,
    model: Annotated[Path | None, typer.Option(help="A trained model; the one in the package otherwise.")] = None,
    histogram: Annotated[
        Path | None, typer.Option(metavar="PNG", callback=new_file, help="Draw the distribution there.")
    ] = None,
    store: Store = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that decode.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Find which users are sensitive to sound.

    The users are simulated where the world is.
    """
    found = asdict(
        audio_engine.evaluate_sensitivity(
            world, audio, model=model, histogram=histogram, store=store, n_workers=workers, on_progress=say
        )
    )
    if as_json:
        put_json(found)
    else:
        put_table(["", "value"], [(name.replace("_", " "), number(value)) for name, value in found.items()])


def put_cold_start(rows: Sequence["Result"]) -> None:
    """Put a table on stdout, a line a method and kind of artist, each number with its interval; seeds averaged."""
    from audio_engine.metrics.results import to_table  # noqa: PLC0415  (loads SciPy)

    ordered = sorted(rows, key=lambda row: str(row.about["artists"]), reverse=True)
    shown = (row for metric in SHOWN for row in ordered if row.metric == metric)
    columns, lines = to_table(shown, by=["artists", "method"])
    put_table(["artists", "method", *map(SHOWN.__getitem__, columns)], [key + cells for key, cells in lines])
