"""The commands of ``audio-engine rank``: train a ranker, and score pairs of user and track."""
# ruff: noqa: PLC0415, PLR0913, PLR0917  (imports inside commands; a command has as many parameters as it has options)

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from audio_engine.cli.metrics import reasons_in_place
from audio_engine.cli.options import AsJson, table_file
from audio_engine.cli.printing import printable, put_json, put_table, say

rank_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Rank tracks for users.")


@rank_app.callback()
def options() -> None:
    """Rank tracks for users."""


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
    users: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Users with any columns of categories and numbers.")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(metavar="MODEL_DIR", help="Its user tower describes users; else what they liked does."),
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
        rows = [(name.replace("_", " "), f"{value:.6g}") for name, value in reasons_in_place(report)]
        put_table(["", "value"], rows)
        say(f"next: audio-engine rank score {printable(out)} PAIRS.parquet --out SCORED.parquet")


@rank_app.command()
def score(
    ranker: Annotated[Path, typer.Argument(metavar="RANKER_DIR", help='What "rank train" made.')],
    pairs: Annotated[Path, typer.Argument(metavar="FILE", help="A table with user and track, and maybe day.")],
    out: Annotated[
        Path, typer.Option(metavar="FILE", callback=table_file, help="The same rows with a column probability.")
    ],
) -> None:
    """Predict how likely each user is to like each track."""
    from audio_engine.ranking.files import score_file

    n_rows = score_file(ranker, pairs, out)
    say(f"{n_rows} rows written to {printable(out)}")
