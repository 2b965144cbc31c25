"""The commands about what a catalogue holds: its tracks and failures, taking tracks out, its model."""
# ruff: noqa: PLC0415  (imports inside commands: help is instant)

from pathlib import Path
from typing import Annotated

import typer

from audio_engine.cli.embed import command, run_retry
from audio_engine.cli.options import AsJson, CatalogueDir
from audio_engine.cli.printing import printable, put_errors, put_info, put_tracks, put_warnings, say
from audio_engine.cli.similar import say_nothing_here


def tracks(
    directory: CatalogueDir = None,
    genre: Annotated[
        str | None, typer.Option(metavar="NAME", help='Only those predicted to be of a genre, or "unknown".')
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the tracks of the catalogue."""
    from audio_engine.engine import Engine

    with Engine.open(directory, create=False) as engine:
        found = engine.tracks(genre=genre)
        if found:
            put_tracks(found, as_json=as_json)
        elif genre is None or not engine.n_tracks:
            say_nothing_here(engine)
        else:
            say(f"no track is predicted to be {printable(genre)} ({command(engine, 'genre train')} learns genres)")


def info(directory: CatalogueDir = None, as_json: AsJson = False) -> None:
    """Say what the catalogue holds: tracks, model and index."""
    from audio_engine.engine import Engine

    with Engine.open(directory, create=False) as engine:
        put_info(engine.info(), as_json=as_json)


def errors(
    directory: CatalogueDir = None,
    retry: Annotated[bool, typer.Option("--retry", help="Try the failed files once more.")] = False,
    warnings: Annotated[
        bool, typer.Option("--warnings", help="List instead what decoding lost or mended in embedded files.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the files that could not be embedded, and why."""
    from audio_engine.engine import Engine

    with Engine.open(directory, create=False) as engine:
        if warnings:
            put_warnings(engine.warnings(), as_json=as_json)
            return
        failed = engine.errors()
        if not failed:
            say("no file has failed")
        elif retry:
            raise typer.Exit(run_retry(engine, n_failed=len(failed), as_json=as_json))
        else:
            put_errors(failed, as_json=as_json)


def remove(
    tracks: Annotated[list[str], typer.Argument(metavar="TRACK", help="Track ids, or paths.")],
    directory: CatalogueDir = None,
    as_json: AsJson = False,
) -> None:
    """Take tracks out of the catalogue, not off the disk."""
    from audio_engine.engine import Engine

    with Engine.open(directory, create=False) as engine:
        removed = engine.remove(*tracks)
    put_tracks(removed, as_json=as_json)
    say(f"{len(removed)} taken out of the catalogue")


def use_model(
    model_dir: Annotated[
        Path | None, typer.Argument(metavar="MODEL_DIR", help="Weights and recipe; the model that ships otherwise.")
    ] = None,
    directory: CatalogueDir = None,
) -> None:
    """Move the catalogue to another model.

    The old vectors answer until the last track has a new one.
    """
    from audio_engine.engine import Engine

    with Engine.open(directory) as engine:
        model_id = engine.use_model(model_dir)
        n_pending = engine.info().n_pending
        again = command(engine, "embed")
    say(f"the catalogue {'moves to' if n_pending else 'uses'} model {model_id}")
    if n_pending:
        say(f"{n_pending} tracks to embed again: {again}")
