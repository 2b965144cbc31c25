"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

CatalogueDir = Annotated[
    Path | None,
    typer.Option("--catalogue", "-c", metavar="DIR", help="Where the catalogue lies; your own data folder otherwise."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line, for programs.")]
Song = Annotated[str, typer.Argument(metavar="SONG", help="A track id, or any sound file, in the catalogue or not.")]
M3u = Annotated[Path | None, typer.Option("--m3u", metavar="FILE", help="Write the answer as a playlist too.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processors to keep busy; all of them otherwise.")]
CpuBudget = Annotated[str, typer.Option(metavar="PERCENT", help="How much of the processors to use, as in 50%.")]
