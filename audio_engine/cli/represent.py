"""The commands of ``audio-engine represent``: vectors of tracks by who plays them, and by what is said of them."""
# ruff: noqa: PLC0415, PLR0913, PLR0917  (imports inside commands; a command has as many parameters as it has options)

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audio_engine.cli.options import AsJson, parquet_file
from audio_engine.cli.printing import printable, put_json, put_table, say

if TYPE_CHECKING:
    from audio_engine.representations.pipeline import RepresentationFiles, RepresentationReport
    from audio_engine.representations.sessions import SessionRecipe
    from metric_learning.walks import WalkRecipe

represent_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Learn vectors of tracks from plays and from words."
)

Plays = Annotated[Path, typer.Option(metavar="FILE", help="The play log: user, track, and maybe day, action.")]
Tracks = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="What is known of tracks: track, path or file, artist, genre, year …"),
]
Vectors = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help='Audio vectors: what "audio-engine export" wrote, or track and vector.'),
]
Out = Annotated[
    Path, typer.Option(metavar="FILE", callback=parquet_file, help="Parquet, with the columns that export writes.")
]
Category = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN", help="Side information; repeat for more. Else artist, label, genre, language, year."
    ),
]
Dim = Annotated[int, typer.Option(min=1, help="Numbers in a vector.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same vectors.")]
Gap = Annotated[float, typer.Option(metavar="MINUTES", help="Without a play, after which a session has ended.")]
MinCompletion = Annotated[
    float,
    typer.Option(
        min=0, metavar="SHARE", help="Heard below which a play without a like is left out; above 1: likes only."
    ),
]
RejectedShare = Annotated[
    float, typer.Option(min=0, max=1, metavar="0…1", help="Of skipped and disliked plays, that are kept.")
]


@represent_app.callback()
def options() -> None:
    """Learn vectors of tracks from who plays them, and from what is said of them."""


@represent_app.command()
def item2vec(
    plays: Plays,
    out: Out,
    tracks: Tracks = None,
    vectors: Vectors = None,
    dim: Dim = 40,
    window: Annotated[int | None, typer.Option(min=1, help="Plays between two tracks of a pair, at most.")] = None,
    ns_exponent: Annotated[
        float | None, typer.Option(help="Power of a track's plays by which negatives are drawn; may be below 0.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Times the sessions are gone through.")] = None,
    min_plays: Annotated[int | None, typer.Option(min=1, help="Below which a track gets no vector.")] = None,
    gap: Gap = 60.0,
    min_completion: MinCompletion = 0.8,
    rejected_share: RejectedShare = 0.0,
    workers: Annotated[int, typer.Option(min=1, help="Threads; with more than one, vectors differ each time.")] = 1,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Learn item2vec: word2vec over listening sessions. Needs the extra "represent"."""
    from audio_engine.representations.item2vec import Item2VecRecipe
    from audio_engine.representations.pipeline import represent_item2vec

    chosen = {"window": window, "ns_exponent": ns_exponent, "n_epochs": epochs, "min_plays": min_plays}
    given = {name: value for name, value in chosen.items() if value is not None}
    recipe = Item2VecRecipe(dim=dim, n_workers=workers, seed=seed, **given)  # type: ignore[arg-type]
    files = _files(plays, tracks, vectors, None)
    _put(
        represent_item2vec(files, out, recipe=recipe, sessions=_sessions(gap, min_completion, rejected_share)),
        out,
        as_json=as_json,
    )


@represent_app.command()
def eges(
    plays: Plays,
    out: Out,
    tracks: Tracks = None,
    vectors: Vectors = None,
    category: Category = None,
    dim: Dim = 40,
    walks: Annotated[int | None, typer.Option(min=1, help="From each track, in each epoch.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="How many times.")] = None,
    gap: Gap = 60.0,
    min_completion: MinCompletion = 0.8,
    rejected_share: RejectedShare = 0.0,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Learn EGES vectors.

    By walks from track to track over plays, with side information and audio, also for new tracks.
    """
    from audio_engine.representations.pipeline import represent_eges
    from metric_learning.eges import EgesRecipe

    recipe = EgesRecipe(dim=dim, walks=_walks(EgesRecipe().walks, seed, walks, epochs))
    files = _files(plays, tracks, vectors, category)
    _put(
        represent_eges(files, out, recipe=recipe, sessions=_sessions(gap, min_completion, rejected_share)),
        out,
        as_json=as_json,
    )


@represent_app.command()
def graphsage(
    plays: Plays,
    out: Out,
    tracks: Tracks = None,
    vectors: Vectors = None,
    category: Category = None,
    dim: Dim = 40,
    walks: Annotated[int | None, typer.Option(min=1, help="From each track, in each epoch.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="How many times.")] = None,
    gap: Gap = 60.0,
    min_completion: MinCompletion = 0.8,
    rejected_share: RejectedShare = 0.0,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Learn GraphSAGE vectors.

    Each track by its side information and audio, and by those of tracks played with it.
    """
    from audio_engine.representations.pipeline import represent_graph_sage
    from metric_learning.graph_sage import SageRecipe

    recipe = SageRecipe(dim=dim, walks=_walks(SageRecipe().walks, seed, walks, epochs))
    files = _files(plays, tracks, vectors, category)
    report = represent_graph_sage(files, out, recipe=recipe, sessions=_sessions(gap, min_completion, rejected_share))
    _put(report, out, as_json=as_json)


@represent_app.command()
def semantic(
    out: Out,
    tracks: Tracks = None,
    vectors: Vectors = None,
    category: Category = None,
    dim: Dim = 40,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Describe tracks by what is said of them.

    By side information, words of the title and tags; it reads no plays.
    """
    from audio_engine.representations.pipeline import represent_semantic
    from audio_engine.representations.semantic import SemanticRecipe

    files = _files(None, tracks, vectors, category)
    _put(represent_semantic(files, out, recipe=SemanticRecipe(dim=dim, seed=seed)), out, as_json=as_json)


@represent_app.command()
def fusion(
    parts: Annotated[
        list[Path], typer.Argument(metavar="VECTORS…", help="Two tables of vectors or more; the first has all tracks.")
    ],
    out: Out,
    weight: Annotated[
        list[float] | None, typer.Option(min=0, help="One for each table, in their order; 1 each otherwise.")
    ] = None,
    plays: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Learn a linear head from this play log, in place of weights.")
    ] = None,
    dim: Annotated[int, typer.Option(min=1, help="Numbers in a vector; with --plays only.")] = 40,
    gap: Gap = 60.0,
    min_completion: MinCompletion = 0.8,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Fuse several vectors of each track into one.

    By weights, or by a head that is learned from plays.
    """
    from audio_engine.representations.pipeline import represent_fusion
    from metric_learning.fusion_head import FusionRecipe

    recipe = FusionRecipe(dim=dim, walks=_walks(FusionRecipe().walks, seed))
    report = represent_fusion(
        parts, out, weights=weight, plays=plays, recipe=recipe, sessions=_sessions(gap, min_completion, 0.0)
    )
    _put(report, out, as_json=as_json)


def _files(
    plays: Path | None, tracks: Path | None, vectors: Path | None, categories: list[str] | None
) -> "RepresentationFiles":
    """Gather the files of a command."""
    from audio_engine.representations.pipeline import RepresentationFiles

    return RepresentationFiles(plays=plays, tracks=tracks, vectors=vectors, categories=categories)


def _sessions(gap: float, min_completion: float, rejected_share: float) -> "SessionRecipe":
    """Gather what makes a session."""
    from audio_engine.representations.sessions import SessionRecipe

    return SessionRecipe(gap_minutes=gap, min_completion=min_completion, rejected_share=rejected_share)


def _walks(usual: "WalkRecipe", seed: int, n_walks: int | None = None, n_epochs: int | None = None) -> "WalkRecipe":
    """Change what is given of the walks."""
    given = {name: value for name, value in (("n_walks", n_walks), ("n_epochs", n_epochs)) if value is not None}
    return replace(usual, seed=seed, **given)


def _put(report: "RepresentationReport", out: Path, *, as_json: bool) -> None:
    """Say what became of the tracks and the plays."""
    if as_json:
        put_json(asdict(report))
        return
    rows: list[tuple[str, object]] = [
        ("method", report.method),
        ("model id", report.model_id),
        ("tracks", report.n_tracks),
        ("  with an audio vector", report.n_with_audio),
        ("side information", ", ".join(report.categories)),
        *report.counts.items(),
        ("vectors written", report.n_written),
        ("tracks left out: nothing to go by", report.n_without),
    ]
    put_table(("", "value"), rows)
    say(f"{report.n_written} vectors written to {printable(out)}")
    say(f"next: audio-engine similar TRACK --vectors {printable(out)}")
