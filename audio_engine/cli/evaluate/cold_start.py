"""The commands ``evaluate cold-start`` and ``evaluate sensitivity``."""
# ruff: noqa: PLR0913, PLR0917  (a command has as many parameters as it has options)

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import audio_engine
from audio_engine.cli.options import AsJson, Audio, Store, World
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
    found = asdict(
        audio_engine.evaluate_sensitivity(
            world, audio, model=model, histogram=histogram, store=store, n_workers=workers, on_progress=say
        )
    )
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


def _cell(rows: "Sequence[ColdStartRow]") -> str:
    """Write a value with its interval, both averaged over seeds; nothing where it was not measured."""
    if not rows:
        return ""
    value, low, high = (sum(getattr(row, name) for row in rows) / len(rows) for name in ("value", "low", "high"))
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"
