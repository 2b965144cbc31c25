"""The commands: each parses its options, calls one public function, and prints the result.

With ``--json``, stdout has one object per line, and messages go to stderr. Heavy rooms are imported inside the
commands, so that help is instant.
"""
# ruff: noqa: PLC0415, PLR0913, PLR0917  (imports inside commands; a command has as many parameters as it has options)

import logging
import sys
from typing import Annotated, Literal

import typer

from audio_engine.cli import catalogue, cluster, media_servers, metrics, recall, recall_all, score, serve, train
from audio_engine.cli.cpu import give_way, put_profile, share_of
from audio_engine.cli.describe import describe, run_describe, write_tags
from audio_engine.cli.embed import INTERRUPTED, open_to_embed, put_plan, run_plan
from audio_engine.cli.evaluate.app import evaluate_app
from audio_engine.cli.evaluate.genre import benchmark_app
from audio_engine.cli.export_model import export_model
from audio_engine.cli.federated import federated_app
from audio_engine.cli.genre import genre_app
from audio_engine.cli.modules import modules_app
from audio_engine.cli.options import AsJson, CatalogueDir, CpuBudget, M3u, Workers
from audio_engine.cli.printing import printable, put, put_neighbours, say
from audio_engine.cli.rank import rank_app
from audio_engine.cli.represent import represent_app
from audio_engine.cli.similar import say_far_steps, similar, write_m3u
from audio_engine.cli.stream import stream_app
from audio_engine.cli.token import token_app
from audio_engine.cli.transfer import transfer
from audio_engine.cli.users import users_app
from audio_engine.cli.watch import watch
from audio_engine.version import installed_version

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
        put(f"audio-engine {installed_version() or '(not installed)'}")
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
        put_neighbours(neighbours, as_json=as_json, asked=track)
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
    with open_to_embed(directory, only_look=dry_run or profile) as engine:
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
    start: Annotated[str, typer.Argument(metavar="A", help="The first track, of the catalogue: its id or its file.")],
    end: Annotated[str, typer.Argument(metavar="B", help="The last track, another of the catalogue.")],
    directory: CatalogueDir = None,
    n: Annotated[int, typer.Option("-n", min=2, help="Number of tracks, including both ends.")] = 12,
    m3u: M3u = None,
    as_json: AsJson = False,
) -> None:
    """Make a playlist that leads from one track to another."""
    from audio_engine.engine import Engine

    with Engine.open(directory, create=False) as engine:
        steps = engine.path(start, end, n)
    put_neighbours(steps, as_json=as_json)
    say_far_steps(steps)
    write_m3u(m3u, [step.track for step in steps])


app.command("tracks")(catalogue.tracks)
app.command("info")(catalogue.info)
app.command("errors")(catalogue.errors)
app.command("remove")(catalogue.remove)
app.command("use-model")(catalogue.use_model)
app.command("export-model")(export_model)
app.command("describe")(describe)
app.command("write-tags")(write_tags)
app.command("watch")(watch)
app.command("export")(cluster.export)
app.command("import")(cluster.import_)
app.command("learn-users")(recall_all.learn_users)
app.command("recall")(recall.recall)
app.command("recall-all")(recall_all.recall_all)
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
