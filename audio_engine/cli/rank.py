"""Commands of ranking: train a ranker, score pairs of listener and track, print the ablation.

To be mounted on the command line; each parses, calls public functions of `audio_engine`, and prints.
"""
# ruff: noqa: PLC0415, PLR0913, PLR0917  (imports inside commands; a command has as many parameters as it has options)

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from audio_engine.cli.listening import Audio, Store, World, default_store, say_progress
from audio_engine.cli.options import AsJson
from audio_engine.cli.printing import printable, put, put_json, put_table, say

if TYPE_CHECKING:
    from collections.abc import Iterable

    from audio_engine.evaluation.ranking.ablation import RankingRow

HEADINGS = {"user_auc": "AUC, mean of listeners", "auc": "AUC", "log_loss": "log loss", "ece": "ECE"}

rank_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Rank tracks for listeners.")


@rank_app.callback()
def options() -> None:
    """Rank tracks for listeners."""


@rank_app.command()
def train(
    plays: Annotated[Path, typer.Option(metavar="FILE", help="The play log: user, track, day, action.")],
    out: Annotated[Path, typer.Option(metavar="RANKER_DIR", help="Where the ranker goes.")],
    tracks: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Tracks: track, artist_key, release_day, file; what there is.")
    ] = None,
    vectors: Annotated[
        Path | None, typer.Option(metavar="FILE", help='What "audio-engine export" wrote, or track and vector.')
    ] = None,
    users: Annotated[Path | None, typer.Option(metavar="FILE", help="Users with any columns of categories.")] = None,
    model: Annotated[
        Path | None,
        typer.Option(metavar="MODEL_DIR", help="Its user tower describes listeners; else what they liked does."),
    ] = None,
    network: Annotated[Literal["deepfm", "dcn"], typer.Option(help="DeepFM or DCN-V2.")] = "dcn",
    seed: Annotated[int, typer.Option(help="The same seed gives the same ranker.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Train a ranker on a play log: likes against dislikes and skips."""
    from audio_engine.ranking.config import RankerConfig
    from audio_engine.ranking.files import RankingFiles, train_from_files

    files = RankingFiles(plays=plays, tracks=tracks, vectors=vectors, users=users, model_dir=model)
    report = asdict(train_from_files(files, out, config=RankerConfig(network=network, seed=seed)))
    if as_json:
        put_json(report)
    else:
        put_table(["", "value"], [(name.replace("_", " "), f"{value:.6g}") for name, value in report.items()])
        say(f"next: audio-engine rank score {printable(out)} PAIRS.parquet --out SCORED.parquet")


@rank_app.command()
def score(
    ranker: Annotated[Path, typer.Argument(metavar="RANKER_DIR", help='What "rank train" made.')],
    pairs: Annotated[Path, typer.Argument(metavar="FILE", help="A table with user and track, and maybe day.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The same rows with a column probability, Parquet.")],
) -> None:
    """Say how likely each listener is to like each track."""
    from audio_engine.ranking.files import score_file

    n_rows = score_file(ranker, pairs, out)
    say(f"{n_rows} rows written to {printable(out)}")


def evaluate_ranking(
    world: World,
    audio: Audio,
    model: Annotated[Path | None, typer.Option(help="A trained model; the one in the package otherwise.")] = None,
    split_day: Annotated[float | None, typer.Option(help="First day to be judged; the last sixth otherwise.")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="Of the rankers; again for more of them. 0, 1, 2.")] = None,
    store: Store = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that decode.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Rank with and without sound, warm and cold tracks (simulated listeners, where the world is)."""
    from audio_engine.evaluation.cold_start import build_mels, recipes_of
    from audio_engine.evaluation.ranking.ablation import (
        RELIABLE,
        ask_methods,
        default_split,
        make_vectors,
        ranking_rows,
        reliability_rows,
    )
    from audio_engine.evaluation.ranking.data import read_ranking_world
    from audio_engine.evaluation.ranking.vectors import SoundModel
    from audio_engine.ranking.config import RankerConfig
    from metric_learning.model_files import DEFAULT_MODEL_DIR

    read, sound = (
        read_ranking_world(world, audio),
        SoundModel(model_dir=model or DEFAULT_MODEL_DIR, store=store or default_store()),
    )
    for recipe in recipes_of([sound.model_dir], baselines=False):
        done = build_mels(read.data, recipe, sound.store, n_workers=workers)
        say_progress(done, len(read.data.warm) + len(read.data.cold))
    split_day = default_split(read) if split_day is None else split_day
    say(f"fitting the vectors of tracks and listeners to the plays before day {split_day:g}")
    vectors = make_vectors(read, sound, split_day=split_day)
    say("training the rankers")
    said = ask_methods(read, vectors, split_day=split_day, config=RankerConfig(), seeds=seed or [0, 1, 2])
    rows, reliable = list(ranking_rows(said, n_users=read.data.n_users)), list(reliability_rows(said, RELIABLE))
    if as_json:
        put_json({"rows": [asdict(row) for row in rows], "reliability": reliable})
        return
    put_ranking(rows)
    put(f"reliability of {RELIABLE}")
    put_table(
        ["plays", "said", "n", "mean said", "liked"],
        [
            (
                line["plays"],
                f"{line['low']:.2f} to {line['high']:.2f}",
                line["n"],
                f"{line['said']:.3f}",
                f"{line['liked']:.3f}",
            )
            for line in reliable
        ],
    )


def put_ranking(rows: "Iterable[RankingRow]") -> None:
    """Put a table on stdout, a line a method and set of plays, each number with its interval."""
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        text = f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]"
        cells.setdefault((row.plays, row.method), {})[row.measure] = text
    lines = [
        [plays, method, *(by_measure.get(name, "") for name in HEADINGS)]
        for (plays, method), by_measure in sorted(cells.items(), key=lambda item: item[0][0], reverse=True)
    ]
    put_table(["plays", "method", *HEADINGS.values()], lines)
