"""The commands: each parses its options, calls one public function, and prints the result.

With ``--json``, stdout has one object per line, and messages go to stderr. Heavy rooms are imported inside the
commands, so that help is instant.
"""
# ruff: noqa: PLC0415, PLR0913, PLR0917  (imports inside commands; a command has as many parameters as it has options)

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from audio_engine.cli import cluster, media_servers, metrics, recall, score, serve, train
from audio_engine.cli.cpu import give_way, put_profile, share_of
from audio_engine.cli.describe import describe, run_describe, write_tags
from audio_engine.cli.embed import INTERRUPTED, command, put_plan, run_plan, run_retry
from audio_engine.cli.evaluate.app import evaluate_app
from audio_engine.cli.evaluate.genre import benchmark_app
from audio_engine.cli.export_model import export_model
from audio_engine.cli.federated import federated_app
from audio_engine.cli.genre import genre_app
from audio_engine.cli.modules import modules_app
from audio_engine.cli.options import AsJson, CatalogueDir, CpuBudget, M3u, Workers
from audio_engine.cli.printing import (
    printable,
    put,
    put_errors,
    put_info,
    put_neighbours,
    put_tracks,
    put_warnings,
    say,
)
from audio_engine.cli.rank import rank_app
from audio_engine.cli.represent import represent_app
from audio_engine.cli.similar import say_far_steps, say_nothing_here, similar, write_m3u
from audio_engine.cli.stream import stream_app
from audio_engine.cli.token import token_app
from audio_engine.cli.transfer import transfer
from audio_engine.cli.users import users_app
from audio_engine.cli.watch import watch

if TYPE_CHECKING:
    from audio_engine.engine import Engine

ROOMS = ("audio_engine", "features", "index", "metric_learning")  # whose loggers "--debug" enables

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _say_version(wanted: bool) -> None:
    """Say which version is installed, and stop."""
    if wanted:
        from importlib import metadata

        try:
            version = metadata.version("audio-content-engine")
        except metadata.PackageNotFoundError:  # run from a checkout
            version = "(not installed)"
        put(f"audio-engine {version}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_say_version, help="Print the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Log, and show where an error came from.")] = False,
) -> None:
    """Point it at a folder of songs, and it knows what sounds like what."""
    if debug:
        logging.basicConfig(format="%(name)s: %(message)s")
        for room in ROOMS:
            logging.getLogger(room).setLevel(logging.DEBUG)


@app.command()
def demo(as_json: AsJson = False) -> None:
    """Try the engine on a few synthesised tracks."""
    from audio_engine.demo.demo import run_demo

    say("synthesising and embedding a small catalogue …")
    shown = run_demo()
    say(f"{shown.n_tracks} tracks embedded from {printable(shown.music)}")
    for track, neighbours in shown.answers:
        say(f"what sounds like {printable(f'{track.tags.title} ({track.tags.artist})')}?")
        put_neighbours(neighbours, as_json=as_json)
        sys.stdout.flush()  # before the next question, which goes to stderr
    say("next, your own music: audio-engine embed FOLDER && audio-engine similar TRACK")


@app.command()
def embed(
    folders: Annotated[
        list[str] | None, typer.Argument(metavar="FOLDER", help="Folders of music, or single files.")
    ] = None,
    directory: CatalogueDir = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Embed again what has not changed too.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Take out tracks whose file has gone.")] = False,
    force_prune: Annotated[
        bool, typer.Option("--force-prune", help="With --prune: even if a folder is empty, or most of its tracks go.")
    ] = False,
    workers: Workers = None,
    runner: Annotated[
        Literal["local", "ray"], typer.Option("--engine", help="ray: on a cluster; FOLDER may be a listing or a URI.")
    ] = "local",
    out: Annotated[
        str | None, typer.Option(metavar="DIR", help='With ray: where the vectors go, for "import".')
    ] = None,
    cpu_budget: CpuBudget = "100%",
    nice: Annotated[bool, typer.Option("--nice", help="Give way to whatever else wants the processors.")] = False,
    described: Annotated[bool, typer.Option("--describe", help="Then measure tempo, key and loudness too.")] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Say where the time would go, and do nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Embed what is new or changed in folders of music.

    Without a folder: embed again the tracks that are pending after "use-model".

    Ctrl-C stops it at any time; finished tracks are kept, and the same command continues from there.
    """
    if runner == "ray":
        local_only = (dry_run, force, prune, force_prune, workers, nice, described, profile, cpu_budget != "100%")
        if not folders or not out or any(local_only):
            raise typer.BadParameter("give sources, --out, and no other option than --catalogue and --json")
        raise typer.Exit(cluster.embed_on_cluster(folders, out, directory=directory, as_json=as_json))
    if out:
        raise typer.BadParameter("goes with --engine ray", param_hint="--out")
    if force_prune and not prune:
        raise typer.BadParameter("goes with --prune", param_hint="--force-prune")
    with _open(directory) as engine:
        plan = engine.plan(*folders or (), force=force)
        if not folders and not plan.to_embed and not described:
            raise typer.BadParameter("name a folder of music", param_hint="FOLDER")
        if dry_run:
            raise typer.Exit(put_plan(plan, as_json=as_json))
        if profile:
            raise typer.Exit(put_profile(engine, plan, as_json=as_json))
        if nice:
            give_way()
        share = share_of(cpu_budget)
        results = engine.ingest.embed(plan, n_workers=workers, prune=prune, force_prune=force_prune, cpu_budget=share)
        status = run_plan(engine, plan, results, as_json=as_json)
        if described and status != INTERRUPTED:
            lacking = engine.descriptions.pending(*folders or ())
            status = max(status, run_describe(engine, lacking, n_workers=workers, cpu_budget=share, as_json=as_json))
        raise typer.Exit(status)


app.command("similar")(similar)


@app.command()
def path(
    start: Annotated[str, typer.Argument(metavar="A", help="The first track: a track id or a sound file.")],
    end: Annotated[str, typer.Argument(metavar="B", help="The last track.")],
    directory: CatalogueDir = None,
    n: Annotated[int, typer.Option("-n", min=2, help="Number of tracks, including both ends.")] = 12,
    m3u: M3u = None,
    as_json: AsJson = False,
) -> None:
    """Make a playlist that leads from one track to another."""
    with _open(directory) as engine:
        steps = engine.path(start, end, n)
    put_neighbours(steps, as_json=as_json)
    say_far_steps(steps)
    write_m3u(m3u, [step.track for step in steps])


@app.command()
def tracks(
    directory: CatalogueDir = None,
    genre: Annotated[
        str | None, typer.Option(metavar="NAME", help='Only those predicted to be of a genre, or "unknown".')
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the tracks of the catalogue."""
    with _open(directory) as engine:
        found = engine.tracks(genre=genre)
        if found:
            put_tracks(found, as_json=as_json)
        elif genre is None or not engine.n_tracks:
            say_nothing_here(engine)
        else:
            say(f"no track is predicted to be {printable(genre)} ({command(engine, 'genre train')} learns genres)")


@app.command()
def info(directory: CatalogueDir = None, as_json: AsJson = False) -> None:
    """Say what the catalogue holds: tracks, model and index."""
    with _open(directory) as engine:
        put_info(engine.info(), as_json=as_json)


@app.command()
def errors(
    directory: CatalogueDir = None,
    retry: Annotated[bool, typer.Option("--retry", help="Try the failed files once more.")] = False,
    warnings: Annotated[
        bool, typer.Option("--warnings", help="List instead what decoding lost or mended in embedded files.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the files that could not be embedded, and why."""
    with _open(directory) as engine:
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


@app.command()
def remove(
    tracks: Annotated[list[str], typer.Argument(metavar="TRACK", help="Track ids, or paths.")],
    directory: CatalogueDir = None,
    as_json: AsJson = False,
) -> None:
    """Take tracks out of the catalogue, not off the disk."""
    with _open(directory) as engine:
        removed = engine.remove(*tracks)
    put_tracks(removed, as_json=as_json)
    say(f"{len(removed)} taken out of the catalogue")


@app.command()
def export(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="A Parquet file, for Polars, Spark, DuckDB or pandas.")],
    directory: CatalogueDir = None,
) -> None:
    """Write tracks, tags and vectors to a Parquet file."""
    with _open(directory) as engine:
        n_rows = engine.export(out)
    say(f"{n_rows} tracks written to {printable(out)}")


@app.command("use-model")
def use_model(
    model_dir: Annotated[
        Path | None, typer.Argument(metavar="MODEL_DIR", help="Weights and recipe; the model that ships otherwise.")
    ] = None,
    directory: CatalogueDir = None,
) -> None:
    """Move the catalogue to another model.

    The old vectors answer until the last track has a new one.
    """
    with _open(directory) as engine:
        model_id = engine.use_model(model_dir)
        n_pending = engine.info().n_pending
        again = command(engine, "embed")
    say(f"the catalogue moves to model {model_id}")
    if n_pending:
        say(f"{n_pending} tracks to embed again: {again}")


app.command("export-model")(export_model)
app.command("describe")(describe)
app.command("write-tags")(write_tags)
app.command("watch")(watch)
app.command("import")(cluster.import_)
app.command("learn-users")(recall.learn_users)
app.command("recall")(recall.recall)
app.command("recall-all")(recall.recall_all)
app.command("users-for")(recall.users_for)
app.command("transfer")(transfer)
app.command("metrics")(metrics.metrics)
app.command("link")(media_servers.link)
app.command("links")(media_servers.links)
app.command("unlink")(media_servers.unlink)
app.command("playlist")(media_servers.playlist)
app.command("serve")(serve.serve)
app.command("pretrain")(train.pretrain)
app.command("train")(train.train)
app.add_typer(evaluate_app, name="evaluate")
app.add_typer(genre_app, name="genre")
app.add_typer(benchmark_app, name="benchmark")
app.add_typer(score.score_app, name="score")
app.add_typer(stream_app, name="stream")
app.add_typer(token_app, name="token")
app.add_typer(rank_app, name="rank")
app.add_typer(federated_app, name="federated")
app.add_typer(users_app, name="users")
app.add_typer(represent_app, name="represent")
app.add_typer(modules_app, name="modules")


@contextmanager
def _open(directory: Path | None) -> Iterator["Engine"]:
    """Open the engine on a catalogue, and close the catalogue in the end."""
    from audio_engine.engine import Engine

    with Engine.open(directory) as engine:
        yield engine
