"""The command ``audio-engine serve``: starts the room `service`, by name, since this room may not import that one."""
# ruff: noqa: PLC0415  (imports inside commands)

import os
from pathlib import Path
from typing import Annotated

import typer


def serve(
    directory: Annotated[
        Path | None,
        typer.Option("--catalogue", "-c", metavar="DIR", help="Where the catalogue lies; your own otherwise."),
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen at; 0.0.0.0 lets everybody in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="The port to listen at.")] = 8_000,
) -> None:
    """Answer over HTTP: POST /v1/genre; /docs shows how. Stop it with Ctrl-C."""
    import python_multipart  # noqa: F401  (what reads uploads; asked for here, so that its lack is one clear line)
    import uvicorn

    if directory is not None:
        os.environ["AUDIO_ENGINE_CATALOGUE"] = str(directory)  # read by `service.settings`
    uvicorn.run("service.main:make_app", factory=True, host=host, port=port, ws="none")
