"""Options shared by several commands."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from audio_engine.atomic_files import PARQUET, check_ending, check_place


def new_file(param: typer.CallbackParam, out: Path | None) -> Path | None:
    """Refuse a file that cannot be written, or that the command is given to read, before any work is done for it."""
    if out is not None:
        check_place(out)
        if out.is_file() and sum(_is_file(word, out) for word in sys.argv[1:]) > 1:  # a log of plays would be lost
            raise ValueError(f"{param.opts[0]} must not be a file that the command reads, got {out}")
    return out


def _is_file(word: str, file: Path) -> bool:
    """Say whether a word of the command line, as FILE, --option=FILE or FILE=WEIGHT, names a file."""
    names = (word, word.partition("=")[2], word.rpartition("=")[0])
    return any(os.path.isfile(name) and file.samefile(name) for name in names)  # noqa: PTH113  (`Path` may raise)


def table_file(param: typer.CallbackParam, out: Path | None) -> Path | None:
    """Refuse a file that cannot be written, or whose name is none of a table."""
    if out is not None:
        check_ending(out)
    return new_file(param, out)


def parquet_file(param: typer.CallbackParam, out: Path | None) -> Path | None:
    """Refuse a file that cannot be written, or whose name is none of a table of vectors or lists: CSV has no cells."""
    if out is not None:
        check_ending(out, (PARQUET,))
    return new_file(param, out)


CatalogueDir = Annotated[
    Path | None,
    typer.Option("--catalogue", "-c", metavar="DIR", help="Folder of the catalogue; by default in your data folder."),
]
OutTable = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", callback=table_file, help="Write all there: a .parquet or .csv file."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per line, for programs.")]
TrackArgument = Annotated[
    str, typer.Argument(metavar="TRACK", help="A track id, or any sound file, in the catalogue or not.")
]
M3u = Annotated[
    Path | None,
    typer.Option("--m3u", metavar="FILE", callback=new_file, help="Write the answer as a playlist too."),
]
MaxPerArtist = Annotated[int | None, typer.Option(min=1, help="Tracks of one artist at most.")]
Diversity = Annotated[
    float,
    typer.Option(
        "--diversity",
        "--diverse",
        min=0,
        max=1,
        metavar="0…1",
        help="Choose tracks that differ from each other, so much.",
    ),
]
Genre = Annotated[str | None, typer.Option(metavar="NAME", help="Only of this genre, tagged or predicted.")]
Folder = Annotated[str | None, typer.Option(metavar="FOLDER", help="Only files in this folder, or below.")]
Bpm = Annotated[str | None, typer.Option(metavar="FROM-TO", help="Only of this tempo, as in 120-128 or 120.")]
Key = Annotated[str | None, typer.Option(metavar="KEY", help="Only in this key, as in Am, F# or 8A.")]
YearFrom = Annotated[int | None, typer.Option(metavar="YEAR", help="Released then or later.")]
VectorsFile = Annotated[
    Path | None,
    typer.Option(
        "--vectors", metavar="FILE", help="By these vectors, as represent or export wrote them; no catalogue."
    ),
]
Workers = Annotated[int | None, typer.Option(min=1, help="Processors to keep busy; all of them otherwise.")]
CpuBudget = Annotated[str, typer.Option(metavar="PERCENT", help="How much of the processors to use, as in 50%.")]
World = Annotated[Path, typer.Option(metavar="DIR", help="Holds tracks.parquet, users.parquet and two logs of plays.")]
Audio = Annotated[Path, typer.Option(metavar="DIR", help="Holds the files that the table of tracks names.")]
Store = Annotated[Path | None, typer.Option(metavar="DIR", help="Cache of log-mels; by default in your cache folder.")]


def refuse_with_vectors(**options: object) -> None:
    """Refuse options that need a catalogue, beside --vectors: those that are given."""
    given = [name for name, value in options.items() if value]
    if given:
        raise typer.BadParameter(f"--{given[0].replace('_', '-')} needs a catalogue", param_hint="--vectors")
