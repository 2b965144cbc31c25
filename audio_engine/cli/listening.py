"""Commands of learning from listeners: train on a play log, evaluate cold start, find who is sensitive to sound.

To be mounted on the command line; each parses, calls public functions of `audio_engine`, and prints.
"""
# ruff: noqa: PLC0415, PLR0913, PLR0917  (imports inside commands; a command has as many parameters as it has options)

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audio_engine.cli.printing import put_json, put_table, say

if TYPE_CHECKING:
    from audio_engine.evaluation.cold_start import ColdStartRow

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

World = Annotated[Path, typer.Option(metavar="DIR", help="Holds tracks, users and plays, as ../shared/world does.")]
Audio = Annotated[Path, typer.Option(metavar="DIR", help="Holds the files that the table of tracks names.")]
Store = Annotated[Path | None, typer.Option(metavar="DIR", help="Where log-mels are kept; your own cache otherwise.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, for programs.")]


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
    """Score how well new tracks find their listeners from sound alone (simulated listeners, where the world is)."""
    from audio_engine.evaluation.cold_start import build_mels, evaluate_cold_start, recipes_of
    from audio_engine.evaluation.cold_start_data import read_world
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


def train(
    plays: Annotated[Path, typer.Option(help="The play log, Parquet or CSV: user, track, day, completion, action.")],
    out: Annotated[Path, typer.Option(metavar="MODEL_DIR", help="Where the model goes; run again after a kill.")],
    users: Annotated[Path | None, typer.Option(help="Users with any columns of categories.")] = None,
    tracks: Annotated[Path | None, typer.Option(help="Tracks: track, file, artist_key, split.")] = None,
    audio: Annotated[Path | None, typer.Option(metavar="DIR", help="The folder of their files.")] = None,
    catalogue: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A catalogue instead of tracks and audio.")
    ] = None,
    cold_plays: Annotated[Path | None, typer.Option(help="Plays of tracks outside split == train, to stop on.")] = None,
    start_from: Annotated[
        Path | None, typer.Option(metavar="MODEL_DIR", help="A model trained on sound alone.")
    ] = None,
    loss: Annotated[str, typer.Option(help="softmax, hinge or pairwise.")] = "hinge",
    n_disliked: Annotated[int, typer.Option(min=1, help="Tracks that a liked one is set against.")] = 1,
    passes: Annotated[int, typer.Option(min=0, help="Passes of metric learning at most.")] = 20,
    seed: Annotated[int, typer.Option(help="Of everything that is random.")] = 0,
    devices: Annotated[int, typer.Option(min=1, help="GPUs.")] = 1,
    store: Store = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that decode.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Train a model on listening: the user tower, then the audio tower, stopped on tracks that nobody has played."""
    from audio_engine.mel_store import build_mel_store
    from audio_engine.training import settings_of, train_model
    from audio_engine.training_data import PlayFiles, read_catalogue_tracks, read_listening, split_tracks
    from metric_learning.checkpoint import load_checkpoint
    from metric_learning.model_files import DEFAULT_MODEL_DIR

    settings = settings_of(loss=loss, n_disliked=n_disliked, passes=passes, seed=seed, n_devices=devices)
    start_from, store = start_from or DEFAULT_MODEL_DIR, store or default_store()
    if catalogue:
        known = read_catalogue_tracks(catalogue)
        tables = (known, known.none())
    elif tracks and audio:
        tables = split_tracks(tracks, audio)
    else:
        raise typer.BadParameter("give --tracks and --audio, or --catalogue")
    recipe = load_checkpoint(start_from)[1]
    for table in tables:
        say_progress(build_mel_store(table.by_id, recipe, store, n_workers=workers), len(table))
    files = PlayFiles(plays=plays, users=users, cold_plays=cold_plays)
    data, counts = read_listening(files, tables, recipe=recipe, store=store, seed=seed)
    say(f"{counts}; {len(data.warm_ids)} warm tracks, {data.cold.feedback.shape[1]} cold ones, {data.n_users} users")
    trained = asdict(train_model(data, start_from=start_from, out=out, settings=settings))
    if as_json:
        put_json(trained)
    else:
        put_table(["", "value"], [(name.replace("_", " "), _number(value)) for name, value in trained.items()])
        say(f"next: audio-engine use {out}")


def evaluate_sensitivity(
    world: World,
    audio: Audio,
    model: Annotated[Path | None, typer.Option(help="A trained model; the one in the package otherwise.")] = None,
    histogram: Annotated[Path | None, typer.Option(metavar="PNG", help="Draw the distribution there.")] = None,
    store: Store = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that decode.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Find which listeners are sensitive to sound (simulated listeners, where the world is)."""
    from audio_engine.evaluation.cold_start import build_mels, recipes_of, warm_vectors
    from audio_engine.evaluation.cold_start_data import read_truth, read_world
    from audio_engine.evaluation.sensitivity import describe_sensitivity, draw_histogram, listener_correlations
    from metric_learning.model_files import DEFAULT_MODEL_DIR

    data, model, store = read_world(world, audio), model or DEFAULT_MODEL_DIR, store or default_store()
    for recipe in recipes_of([model], baselines=False):
        say_progress(build_mels(data, recipe, store, n_workers=workers), len(data.warm) + len(data.cold))
    r = listener_correlations(data.plays, warm_vectors(data, model, store), n_users=data.n_users)
    found = asdict(describe_sensitivity(r, read_truth(world)))
    if histogram:
        draw_histogram(r, histogram)
    if as_json:
        put_json(found)
    else:
        put_table(["", "value"], [(name.replace("_", " "), _number(value)) for name, value in found.items()])


def evaluate_listeners(
    hetrec: Annotated[
        Path, typer.Option(metavar="DIR", help="HetRec 2011 Last.fm: ../shared/listening/hetrec2011-lastfm-2k.")
    ],
    seed: Annotated[int, typer.Option(help="Of the split and of training.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Score the user tower on real listening against implicit's ALS and BPR (needs the extra ``peers``)."""
    from audio_engine.evaluation.listeners import evaluate_listeners

    rows = []
    for row in evaluate_listeners(hetrec, seed=seed):
        say(f"{row.method}, {row.people}: {row.metric} {row.value:.4f}")
        rows.append(asdict(row))
    if as_json:
        put_json({"rows": rows})
    else:
        headings = ["method", "people", "metric", "value", "low", "high", "settings"]
        put_table(headings, [[_number(row[name]) for name in headings] for row in rows])


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


def _number(value: object) -> str:
    """Write a number as people do, and anything else as it is."""
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)


def say_progress(done: Iterable[tuple[str, str]], total: int) -> None:
    """Run to the end, a line every hundred tracks and one for each that failed."""
    for n_done, (track_id, error) in enumerate(done, 1):
        if error:
            say(f"{track_id}: {error}")
        if n_done % 100 == 0:
            say(f"{n_done} of at most {total} log-mels computed")


def default_store() -> Path:
    """Find the folder for what can be computed again."""
    from platformdirs import user_cache_path

    return user_cache_path("audio-engine") / "mels"
