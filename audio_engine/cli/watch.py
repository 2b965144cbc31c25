"""The command ``watch``: keeps the catalogue up to date with folders until it is stopped, a line an event."""
# ruff: noqa: PLC0415, PLR0913, PLR0917  (imports inside commands; a command has as many parameters as it has options)

import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from threading import Event
from types import FrameType
from typing import Annotated

import typer

from audio_engine.cli.cpu import give_way, share_of
from audio_engine.cli.options import AsJson, CatalogueDir, CpuBudget, Workers
from audio_engine.cli.printing import printable, put, put_json, say, short_path


def watch(
    folders: Annotated[list[str], typer.Argument(metavar="FOLDER", help="Folders of music; they may come later.")],
    directory: CatalogueDir = None,
    described: Annotated[bool, typer.Option("--describe", help="Measure tempo, key and loudness too.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Take out tracks whose file goes.")] = False,
    poll: Annotated[bool, typer.Option("--poll", help="For network shares, which tell nothing: look again.")] = False,
    workers: Workers = None,
    cpu_budget: CpuBudget = "100%",
    nice: Annotated[bool, typer.Option("--nice", help="Give way to whatever else wants the processors.")] = False,
    as_json: AsJson = False,
) -> None:
    """Embed what comes into folders, and note what goes.

    Ctrl-C or SIGTERM ends it.

    A folder that vanishes, as a disk that is unmounted, is waited for; its tracks are kept.
    """
    from audio_engine.engine import Engine
    from audio_engine.ingest.watching import WatchOptions

    options = WatchOptions(
        prune=prune, describe=described, poll=poll, n_workers=workers, cpu_budget=share_of(cpu_budget)
    )
    if nice:
        give_way()
    with (
        Engine.open(directory) as engine,
        stopped_by_signals() as stop,
        closing(engine.watcher.watch(*folders, stop=stop, options=options)) as events,
    ):
        for event in events:
            if as_json:
                put_json(asdict(event))
            else:
                error = f": {printable(event.error)}" if event.error else ""
                put(f"{event.kind:<9} {printable(short_path(event.path))}{error}")
            sys.stdout.flush()  # whoever reads along sees each event once it is kept
    say("stopped")


@contextmanager
def stopped_by_signals() -> Iterator[Event]:
    """Give an event that Ctrl-C and SIGTERM set; a second one of them ends the program as ever."""
    stop = Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def on_signal(number: int, _: FrameType | None) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, on_signal)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
