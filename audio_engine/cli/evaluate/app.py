"""The commands of ``audio-engine evaluate``: they reproduce the numbers of the README."""
# ruff: noqa: PLR0913, PLR0917  (a command has as many parameters as it has options)

from pathlib import Path
from typing import Annotated

import typer

import audio_engine
from audio_engine.cli.evaluate.cold_start import evaluate_cold_start, evaluate_sensitivity
from audio_engine.cli.printing import printable, put, put_json, say

evaluate_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Print the numbers of the README again.")


evaluate_app.command("cold-start")(evaluate_cold_start)
evaluate_app.command("sensitivity")(evaluate_sensitivity)


@evaluate_app.callback()
def options() -> None:
    """Print the numbers of the README again."""


@evaluate_app.command()
def similarity(
    tracks: Annotated[Path, typer.Option(metavar="FILE", help="Parquet or CSV: a row a track, with its file's name.")],
    audio: Annotated[Path, typer.Option(metavar="DIR", help="Holds the files that the table names.")],
    relevant: Annotated[
        str, typer.Option(metavar="COLUMN", help="Tracks with one value in it are to be found by each other.")
    ] = "artist_key",
    split: Annotated[str | None, typer.Option(metavar="NAME", help="Only tracks of this split.")] = None,
    unseen_artists: Annotated[
        bool, typer.Option("--unseen-artists", help="Only tracks whose artist was not trained on.")
    ] = False,
    model: Annotated[Path | None, typer.Option(metavar="MODEL_DIR", help="The shipped one otherwise.")] = None,
    seed: Annotated[int, typer.Option(help="Of the bootstrap and of the untrained network.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, a line a measure.")] = False,
) -> None:
    """Score similarity beside MFCCs and other baselines.

    Tracks are alike that share the value of a column.
    """
    say("decoding, degrading and describing every track: some seconds a track in all")
    report = audio_engine.evaluate_similarity(
        tracks, audio, relevant=relevant, split=split, unseen_artists=unseen_artists, model=model, seed=seed
    )
    if as_json:
        for row in report.rows():
            put_json(row)
    else:
        put(report.to_markdown())
    for failure in report.failed:
        say(printable(f"left out: {failure}"))
    if report.failed:
        raise typer.Exit(1)
