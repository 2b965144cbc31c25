"""The commands ``audio-engine token …``: tokens that allow reading from a service, or changing its catalogue."""
# ruff: noqa: PLC0415  (imports inside commands)

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from audio_engine.cli.options import CatalogueDir
from audio_engine.cli.printing import put, say

if TYPE_CHECKING:
    from audio_engine.catalogue.api_tokens import TokenFile

token_app = typer.Typer(no_args_is_help=True, help="Give and take access tokens of the service.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="What the token goes by: a person, a player.")]


@token_app.command()
def add(
    name: Name,
    scope: Annotated[Literal["read", "write"], typer.Option(help="To ask; to add and delete tracks, too.")] = "read",
    directory: CatalogueDir = None,
) -> None:
    """Make a token, and print it this once.

    Only its hash is kept.
    """
    put(_tokens(directory).add(name, scope))
    say("from now on a service of this catalogue lets nobody in without a token")


@token_app.command("list")
def list_(directory: CatalogueDir = None) -> None:
    """List the tokens by name, with what they allow."""
    for token in _tokens(directory).all():
        put(f"{token.name}\t{token.scope}")


@token_app.command()
def remove(name: Name, directory: CatalogueDir = None) -> None:
    """Take a token back, at once."""
    tokens = _tokens(directory)
    tokens.remove(name)
    if not tokens.all():
        say(f"no token is left, so nobody gets in; delete {tokens.path} to let everybody in")


def _tokens(directory: Path | None) -> "TokenFile":
    from audio_engine.catalogue.api_tokens import TokenFile
    from audio_engine.catalogue.paths import default_directory

    return TokenFile(directory or default_directory())
