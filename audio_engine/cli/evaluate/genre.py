"""The commands of ``audio-engine benchmark``: frozen vectors against others, by the protocols of the field."""
# ruff: noqa: PLC0415, PLR0913, PLR0917  (imports inside commands; a command has as many parameters as it has options)

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audio_engine.cli.printing import put, put_json, say

if TYPE_CHECKING:
    from audio_engine.evaluation.genre.dataset import GenreDataset

benchmark_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Measure by the protocols of the field.")


class Layout(StrEnum):
    """How a dataset lies on disk."""

    OWN = "own"
    GTZAN = "gtzan"
    FMA_SMALL = "fma-small"
    FMA_MEDIUM = "fma-medium"
    JAMENDO = "jamendo"
    BALLROOM = "ballroom"


class SplitBy(StrEnum):
    """The protocols, named here too so that help needs no scikit-learn; `Protocol` explains them."""

    ARTIST_FILTERED = "artist-filtered"
    PLAIN = "plain"
    OFFICIAL = "official"


class VectorOf(StrEnum):
    """What gets a vector, named here too; `Unit` explains it."""

    SEGMENT = "segment"
    TRACK = "track"


class Classifier(StrEnum):
    """What is trained on vectors, named here too; `Kind` explains it."""

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
    layout: Annotated[Layout, typer.Option(help="How the dataset lies on disk.")] = Layout.OWN,
    encoder: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="ours, mfcc, mfcc-44k, mel, untrained, musicnn or module:callable; again for more; all otherwise.",
        ),
    ] = None,
    classifier: Annotated[list[Classifier] | None, typer.Option(help="Again for more; all otherwise.")] = None,
    protocol: Annotated[
        SplitBy | None, typer.Option(help="Official where the dataset has splits, artist-filtered otherwise.")
    ] = None,
    per: Annotated[
        VectorOf, typer.Option(help="Average predictions over 3-s segments, or take one vector a track.")
    ] = VectorOf.SEGMENT,
    genres: Annotated[str | None, typer.Option(metavar="A,B,C", help="Only tracks of these genres.")] = None,
    audio: Annotated[Path | None, typer.Option(metavar="DIR", help="Where the audio of a table lies.")] = None,
    artists: Annotated[
        Path | None, typer.Option(metavar="FILE", help="For GTZAN: a CSV with the columns file and artist.")
    ] = None,
    robustness: Annotated[bool, typer.Option(help="Ask for harmed test tracks too.")] = True,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write JSON, Markdown, PNG and a page here.")] = None,
    cache: Annotated[Path | None, typer.Option(metavar="DIR", help="Where vectors are kept between runs.")] = None,
    model: Annotated[Path | None, typer.Option(metavar="MODEL_DIR", help="The shipped one otherwise.")] = None,
    seed: Annotated[int, typer.Option(help="Of folds, bootstrap, classifiers and the untrained network.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Tell genres by frozen vectors: ours beside others, artist-filtered."""
    from platformdirs import user_cache_path

    from audio_engine.evaluation.genre.benchmark import evaluate_genre
    from audio_engine.evaluation.genre.classifiers import Kind
    from audio_engine.evaluation.genre.encoders import MUSICNN, default_names, load_encoders
    from audio_engine.evaluation.genre.page import write_report
    from audio_engine.evaluation.genre.protocols import Protocol
    from audio_engine.evaluation.genre.vectors import Harm, Unit
    from metric_learning.embedder import Embedder

    tracks = _read(dataset, layout, audio, artists)
    if genres is not None:
        tracks = tracks.only(name.strip() for name in genres.split(","))
    names = encoder or default_names()
    if not encoder and MUSICNN not in names:
        say("without MusiCNN, whose weights are not here: pip install --no-deps musicnn")
    say(f"{len(tracks.tracks)} tracks, {len(tracks.genres)} genres; encoders: {', '.join(names)}")
    report = evaluate_genre(
        tracks,
        load_encoders(names, embedder=Embedder.load(model), seed=seed),
        protocol=Protocol(protocol or ("official" if tracks.n_splits else "artist-filtered")),
        unit=Unit(per),
        cache_dir=cache or user_cache_path("audio-engine") / "genre-benchmark",
        kinds=[Kind[each.name] for each in classifier or Classifier],
        harms=tuple(Harm) if robustness else (Harm.CLEAN,),
        seed=seed,
    )
    if as_json:
        for row in report.rows():
            put_json(row)
    else:
        put(report.to_markdown())
    for note in report.notes:
        say(f"warning: {note}")
    if out is not None:
        say(f"written: {', '.join(str(file) for file in write_report(report, out))}")
    if report.failed:
        raise typer.Exit(1)


def _read(dataset: Path, layout: Layout, audio: Path | None, artists: Path | None) -> "GenreDataset":
    """Read a dataset by its layout."""
    from audio_engine.evaluation.genre import official, readers

    match layout:
        case Layout.GTZAN:
            return official.read_gtzan(dataset, artists=artists)
        case Layout.FMA_SMALL | Layout.FMA_MEDIUM:
            return official.read_fma(dataset, subset=layout.removeprefix("fma-"))
        case Layout.JAMENDO:
            return official.read_jamendo(dataset, audio=audio)
        case Layout.BALLROOM:
            return official.read_ballroom(dataset)
    return readers.read_folder(dataset) if dataset.is_dir() else readers.read_table(dataset, audio=audio)
