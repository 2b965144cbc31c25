"""Command of the ranking ablation: with and without audio, on warm and cold tracks (users are simulated)."""
# ruff: noqa: PLR0917  (a command has as many parameters as it has options)

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from audio_engine.cli.options import AsJson, Audio, Store, World
from audio_engine.cli.printing import put, put_json, put_table, say
from audio_engine.evaluation.cold_start.data import build_mels
from audio_engine.metrics.results import Result, to_table
from audio_engine.ranking.config import RankerConfig
from audio_engine.training.mel_cache import default_store
from metric_learning.model_files import DEFAULT_MODEL_DIR
from tests.benchmarks.experiments.ranking.ablation import (
    RELIABLE,
    ask_methods,
    default_split,
    make_vectors,
    ranking_rows,
    reliability_rows,
)
from tests.benchmarks.experiments.ranking.data import read_ranking_world
from tests.benchmarks.experiments.ranking.vectors import SoundModel

HEADINGS = {"user_auc": "AUC, mean of users", "auc": "AUC", "log_loss": "log loss", "ece": "ECE"}


def main(
    world: World,
    audio: Audio,
    model: Annotated[Path | None, typer.Option(help="A trained model; the one in the package otherwise.")] = None,
    split_day: Annotated[float | None, typer.Option(help="First day to be judged; the last sixth otherwise.")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="Of the rankers; again for more of them. 0, 1, 2.")] = None,
    store: Store = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that decode.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Rank with and without audio, warm and cold tracks (simulated users if the world is)."""
    read = read_ranking_world(world, audio)
    sound = SoundModel(model_dir=model or DEFAULT_MODEL_DIR, store=store or default_store())
    build_mels(read.data, [sound.model_dir], sound.store, n_workers=workers, on_progress=say)
    split_day = default_split(read) if split_day is None else split_day
    say(f"fitting the vectors of tracks and users to the plays before day {split_day:g}")
    vectors = make_vectors(read, sound, split_day=split_day)
    say("training the rankers")
    predicted = ask_methods(read, vectors, split_day=split_day, config=RankerConfig(), seeds=seed or [0, 1, 2])
    rows, reliable = (
        list(ranking_rows(predicted, n_users=read.data.n_users)),
        list(reliability_rows(predicted, RELIABLE)),
    )
    if as_json:
        put_json({"rows": [row.row() for row in rows], "reliability": reliable})
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


def put_ranking(rows: Sequence[Result]) -> None:
    """Print a table, a line per method and set of plays, each number with its interval."""
    ordered = sorted(rows, key=lambda row: str(row.about["plays"]), reverse=True)
    shown = (row for metric in HEADINGS for row in ordered if row.metric == metric)
    columns, lines = to_table(shown, by=["plays", "method"])
    put_table(["plays", "method", *map(HEADINGS.__getitem__, columns)], [key + cells for key, cells in lines])


if __name__ == "__main__":
    typer.run(main)
