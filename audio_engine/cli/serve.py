"""The command ``audio-engine serve``: starts the room `service` by name, since this room may not import it."""
# ruff: noqa: PLC0415  (imports inside commands)

import os
import socket
from pathlib import Path
from typing import Annotated

import typer

from audio_engine.cli.printing import say

LOOPBACK = ("127.0.0.1", "localhost", "::1")
OWN_NAMES = "127.0.0.1,localhost,[::1]"  # host names accepted from a local browser, against DNS rebinding
GRACE_S = 60  # seconds to finish running requests at shutdown; longer than decoding any one file takes


def serve(
    directory: Annotated[
        Path | None,
        typer.Option("--catalogue", "-c", metavar="DIR", help="Where the catalogue lies; your own otherwise."),
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen at; 0.0.0.0 lets everybody in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="The port to listen at.")] = 8_000,
    root_path: Annotated[
        str | None, typer.Option(metavar="PREFIX", help="The prefix of a proxy that it stands behind, as in /music.")
    ] = None,
    load_model: Annotated[
        bool, typer.Option("--load-model", help="Load the model at the start, not with the first sound.")
    ] = False,
) -> None:
    """Answer over HTTP, with a page at /; /docs shows all routes. Stop it with Ctrl-C."""
    import fastapi_offline  # noqa: F401  (imported here, so that a missing package is one clear message)
    import prometheus_client  # noqa: F401
    import python_multipart  # noqa: F401
    import uvicorn

    if directory is not None:
        os.environ["AUDIO_ENGINE_CATALOGUE"] = str(directory)  # read by `service.settings`
    if host in LOOPBACK:
        os.environ.setdefault("AUDIO_ENGINE_HOSTS", OWN_NAMES)
    if root_path is not None:
        os.environ["AUDIO_ENGINE_ROOT_PATH"] = root_path
    if load_model:
        os.environ["AUDIO_ENGINE_LOAD_MODEL"] = "1"
    with _listening(host, port) as listening:
        config = uvicorn.Config(
            "service.main:make_app",
            factory=True,
            ws="none",
            access_log=False,  # /metrics counts; a line a request costs a tenth of it, and names API keys of players
            timeout_graceful_shutdown=GRACE_S,
        )
        config.load()  # which checks the settings and opens the catalogue
        name = f"[{host}]" if ":" in host else host
        say(f"running on http://{name}:{listening.getsockname()[1]} (Ctrl-C stops it)")
        if host not in LOOPBACK and not _needs_token():
            say("whoever reaches this port can add and delete tracks, until audio-engine token add NAME makes a token")
        uvicorn.Server(config).run(sockets=[listening])


def _needs_token() -> bool:
    """Return whether the catalogue that is served has tokens."""
    from audio_engine.catalogue.api_tokens import TokenFile
    from audio_engine.catalogue.paths import default_directory

    return TokenFile(Path(os.environ.get("AUDIO_ENGINE_CATALOGUE") or default_directory())).exists


def _listening(host: str, port: int) -> socket.socket:
    """Take the port, before anything is loaded.

    Raises
    ------
    ValueError
        When it cannot be had.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2_048)
    except OSError as error:
        raise ValueError(f"port must be free to listen at, got {port} at {host}: {error.strerror or error}") from error
