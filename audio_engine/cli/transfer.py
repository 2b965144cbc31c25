"""The command ``audio-engine transfer``: one kind of content for users of another."""
# ruff: noqa: PLC0415, PLR0913, PLR0917  (imports inside commands; a command has as many parameters as it has options)

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from audio_engine.cli.options import AsJson, OutTable
from audio_engine.cli.tables import give_frames


def transfer(
    target: Annotated[
        Path, typer.Argument(metavar="PLAYS", help="The log of the kind to recommend: user, item, action, completion.")
    ],
    source: Annotated[
        list[Path],
        typer.Option("--from", metavar="FILE", help="A log of the kind that much is played of; again for more logs."),
    ],
    item: Annotated[str, typer.Option(metavar="COLUMN", help="Of the items in PLAYS, such as clip.")],
    vectors: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Audio vectors of items: track and vector. Items without a play come too."),
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Items for each user.")] = 100,
    dim: Annotated[int | None, typer.Option(min=1, help="Numbers in a vector; 16 otherwise.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same answer.")] = 0,
    out: OutTable = None,
    as_json: AsJson = False,
) -> None:
    """Recommend another kind of content by plays of a first."""
    from audio_engine.transfer.factors import FactorSettings
    from audio_engine.transfer.recommendations import answer_schema, recall_across

    settings = FactorSettings(seed=seed)
    settings = settings if dim is None else replace(settings, dim=dim)
    frames = recall_across(source, target, item=item, vectors=vectors, k=k, settings=settings)
    give_frames(frames, answer_schema(item), out, as_json=as_json)
