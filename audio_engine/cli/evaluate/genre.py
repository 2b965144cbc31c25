"""The commands of ``audio-engine benchmark``: frozen vectors compared with others, by the protocols of the field."""
# ruff: noqa: PLC0415, PLR0913, PLR0917  (imports inside commands; a command has as many parameters as it has options)

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import audio_engine
from audio_engine.cli.printing import put, put_json, say
from audio_engine.evaluation.genre.choices import Kind, Layout, Protocol, Unit

benchmark_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Measure by the protocols of the field.")


class Classifier(StrEnum):
    """The names of `Kind`, as they are typed."""

    LOGISTIC = "logistic"
    KNN = "knn"
    MLP = "mlp"


@benchmark_app.callback()
def options() -> None:
    """Measure by the protocols of the field."""


@benchmark_app.command()
def genre(
    dataset: Annotated[
        Path, typer.Argument(metavar="DATASET", help="A folder of genre/track, a CSV or Parquet, or a known dataset.")
    ],
    layout: Annotated[Layout, typer.Option(help="Layout of the dataset on disk.")] = Layout.OWN,
    encoder: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="ours, mfcc, mfcc-44k, mel, untrained, musicnn or module:callable; repeatable; all by default.",
        ),
    ] = None,
    classifier: Annotated[list[Classifier] | None, typer.Option(help="Repeatable; all by default.")] = None,
    protocol: Annotated[
        Protocol | None, typer.Option(help="Official if the dataset has splits, else artist-filtered.")
    ] = None,
    per: Annotated[
        Unit, typer.Option(help="Average predictions over 3-s segments, or use one vector per track.")
    ] = Unit.SEGMENT,
    genres: Annotated[str | None, typer.Option(metavar="A,B,C", help="Only tracks of these genres.")] = None,
    audio: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of a table's audio files.")] = None,
    artists: Annotated[
        Path | None, typer.Option(metavar="FILE", help="For GTZAN: a CSV with the columns file and artist.")
    ] = None,
    robustness: Annotated[bool, typer.Option(help="Evaluate on degraded test tracks too.")] = True,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write JSON, Markdown, PNG and a page here.")] = None,
    cache: Annotated[Path | None, typer.Option(metavar="DIR", help="Cache of vectors between runs.")] = None,
    model: Annotated[Path | None, typer.Option(metavar="MODEL_DIR", help="The shipped one by default.")] = None,
    seed: Annotated[int, typer.Option(help="Of folds, bootstrap, classifiers and the untrained network.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
) -> None:
    """Measure how well frozen vectors separate genres.

    Ours and others, artist-filtered.
    """
    report = audio_engine.benchmark_genre(
        dataset,
        layout=layout,
        audio=audio,
        artists=artists,
        genres=None if genres is None else [name.strip() for name in genres.split(",")],
        encoders=encoder,
        model=model,
        kinds=[Kind[each.name] for each in classifier or Classifier],
        protocol=protocol,
        unit=per,
        robustness=robustness,
        cache_dir=cache,
        seed=seed,
        on_progress=say,
    )
    if as_json:
        for row in report.rows():
            put_json(row)
    else:
        put(report.to_markdown())
    for note in report.notes:
        say(f"warning: {note}")
    if out is not None:
        from audio_engine.evaluation.genre.page import write_report

        say(f"written: {', '.join(str(file) for file in write_report(report, out))}")
    if report.failed:
        raise typer.Exit(1)
