"""The commands of ``audio-engine genre``: train a classifier from labels, predict one track, update all predictions."""
# ruff: noqa: PLC0415, PLR0913, PLR0917  (imports inside commands; a command has as many parameters as it has options)

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audio_engine.cli.options import AsJson, CatalogueDir, new_file
from audio_engine.cli.printing import printable, put, put_json, put_table, say

if TYPE_CHECKING:
    from audio_engine.genre.report import TrainingReport

genre_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Learn genres, and predict them.")


@genre_app.callback()
def options() -> None:
    """Learn genres (genre train), then predict that of a track (genre predict)."""


@genre_app.command()
def predict(
    track: Annotated[str, typer.Argument(metavar="TRACK", help="A track id, or any sound file.")],
    directory: CatalogueDir = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many genres at most.")] = 3,
    classifier: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What genre train --out wrote; the catalogue's own otherwise.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Predict the genre of a track, with probabilities.

    It is "unknown" if the track is far from all training tracks.
    """
    from audio_engine.engine import Engine

    with Engine.open(directory, create=False) as engine:
        answer = engine.genres.predict(track, k=k, classifier=classifier)
    if as_json:
        rows = [{"genre": genre, "probability": round(share, 6)} for genre, share in answer.probabilities]
        similarity = {"similarity": round(answer.similarity, 6), "min_similarity": round(answer.min_similarity, 6)}
        put_json({"genre": answer.genre, "is_unknown": answer.is_unknown, "probabilities": rows, **similarity})
    elif answer.is_unknown:
        put(answer.genre)
        say(
            f"its similarity to the nearest training tracks is {answer.similarity:.2f}; "
            f"below {answer.min_similarity:.2f} no genre is predicted"
        )
    else:
        put_table(("genre", "probability"), ((genre, f"{share:.2f}") for genre, share in answer.probabilities))


@genre_app.command()
def train(
    directory: CatalogueDir = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="CSV or Parquet: path, file or track_id; genre; artist. The catalogue's tags otherwise.",
        ),
    ] = None,
    audio: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where paths in the table start; its own folder otherwise.")
    ] = None,
    tracks: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Names that the labels have for files: track, path or file.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", callback=new_file, help="Write the classifier here, and leave the catalogue alone."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same classifier.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Learn genres from labelled tracks, and predict all."""
    from audio_engine.engine import Engine

    with Engine.open(directory, create=False) as engine:
        report = engine.genres.train(labels, audio=audio, tracks=tracks, out=out, seed=seed)
        n_tracks = engine.n_tracks
    if as_json:
        put_json(asdict(report))
    else:
        _put_report(report)
    _warn(report)
    say(f"classifier written to {printable(out)}" if out else f"genres of all {n_tracks} tracks predicted")


@genre_app.command("apply")
def apply_(directory: CatalogueDir = None) -> None:
    """Predict the genre of every track again.

    Train and embed do so by themselves.
    """
    from audio_engine.engine import Engine

    with Engine.open(directory, create=False) as engine:
        n_tracks = engine.genres.apply()
    say(f"genres of {n_tracks} tracks predicted")


def _put_report(report: "TrainingReport") -> None:
    """Put on stdout what was learned from, and how well it went."""
    rows = [(count.genre, count.n_tracks, count.n_artists, f"{count.f1:.2f}") for count in report.genres]
    rows += [(count.genre, count.n_tracks, count.n_artists, "left out: too few") for count in report.left_out]
    put_table(("genre", "tracks", "artists", "F1"), rows)
    put(
        f"learned from {report.n_tracks} tracks by {report.n_artists} known artists, labels: {printable(report.source)}"
    )
    put("on artists that were held out:")
    put(f"  accuracy     {report.accuracy} (95 % over artists), always the largest genre: {report.largest_share:.3f}")
    put(f"  macro-F1     {report.macro_f1} (95 % over artists)")
    put(
        f"  calibration  error {report.calibration_error:.3f} (uncalibrated {report.plain_calibration_error:.3f}; "
        f"true probabilities would show {report.lucky_calibration_error:.3f} on so few tracks)"
    )
    put(
        f"unknown: below similarity {report.min_similarity:.3f}; "
        f"{report.false_alarm_rate:.1%} of tracks of these genres by other artists are expected there"
    )


def _warn(report: "TrainingReport") -> None:
    """Warn of what the figures do not show."""
    if report.n_unknown_artist:
        say(
            f"WARNING: the artist of {report.n_unknown_artist} of {report.n_tracks} tracks is unknown: one artist "
            "may be in both training and test data, and the figures above are optimistic"
        )
    if report.n_absent:
        say(f"WARNING: {report.n_absent} rows of the table name no track of the catalogue: embed their folder first")
    if report.n_unlabelled:
        say(f"{report.n_unlabelled} tracks have no genre label and were not used for training")
