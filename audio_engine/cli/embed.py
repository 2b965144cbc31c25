"""The long commands, embed and ``errors --retry``: progress, summary, and what to do next."""

import shlex
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from audio_engine.cli.printing import printable, put, put_json, say, short_path
from audio_engine.cli.progress import Tally, follow

if TYPE_CHECKING:
    from audio_engine.embedding.embedding import EmbedResult
    from audio_engine.embedding.plan import EmbedPlan
    from audio_engine.engine import Engine

DONE, SOME_FAILED, MISUSE, INTERRUPTED = 0, 1, 2, 130  # exit statuses
STATUSES = ("embedded", "moved", "failed", "gone", "pruned", "missing")  # in the order of the summary


@contextmanager
def open_to_embed(directory: Path | None, *, only_look: bool) -> "Iterator[Engine]":
    """Open a catalogue, or create it; with `only_look`, an empty temporary one stands for one that is missing."""
    from audio_engine.engine import Engine  # noqa: PLC0415  (loads NumPy)

    with ExitStack() as stack:
        try:
            engine = Engine.open(directory, create=not only_look)
        except FileNotFoundError:
            if not only_look:
                raise
            engine = Engine.open(stack.enter_context(TemporaryDirectory()))
        yield stack.enter_context(engine)


def put_plan(plan: "EmbedPlan", *, as_json: bool) -> int:
    """Put on stdout what an embed would do; returns the exit status."""
    counts = {
        "new": len(plan.new),
        "changed": len(plan.changed),
        "outdated": len(plan.outdated),
        "unchanged": len(plan.unchanged),
        "failed_before": len(plan.failed_before),
        "missing": len(plan.missing),
    }
    if as_json:
        put_json(counts)
    else:
        put(f"{in_words(counts) or 'no sound files'} (dry run: nothing was done)")
    return _say_unreadable(plan)


def run_plan(
    engine: "Engine", plan: "EmbedPlan", results: "Generator[EmbedResult, None, None]", *, as_json: bool
) -> int:
    """Draw the results of an embed to their end; returns the exit status."""
    tally = follow(results, total=len(plan.to_embed), as_json=as_json)
    counts = {status: tally.counts[status] for status in STATUSES} | {"unchanged": len(plan.unchanged)}
    nothing = "nothing done" if plan.to_embed else "no sound files there"
    (say if as_json else put)(in_words(counts) or nothing)
    if plan.failed_before:
        say(f"{len(plan.failed_before)} failed before and were skipped: {command(engine, 'errors')} [--retry]")
    if tally.n_with_warnings:
        say(f"{tally.n_with_warnings} with warnings: {command(engine, 'errors --warnings')} says what decoding lost")
    if tally.counts["gone"]:
        say(f"{tally.counts['gone']} gone before being read; run the same command again for what took their place")
    if tally.counts["missing"]:
        say(f"{tally.counts['missing']} missing: tracks whose file is gone are kept; --prune removes them")
    if engine.genres.is_outdated:
        say(f"the genre classifier belongs to another model and was not used: {command(engine, 'genre train')}")
    status = max(_status(engine, tally), _say_unreadable(plan))
    if tally.embedded and not tally.interrupted and not as_json:
        say(f"next: {command(engine, f'similar {_typed(tally.embedded)}')}")
    return status


def run_retry(engine: "Engine", *, n_failed: int, as_json: bool) -> int:
    """Try failed files once more; returns the exit status."""
    tally = follow(engine.retry(), total=n_failed, as_json=as_json)
    (say if as_json else put)(in_words({status: tally.counts[status] for status in STATUSES}))
    return _status(engine, tally)


def command(engine: "Engine", words: str) -> str:
    """Write a command that a person can type next, for the catalogue that is open."""
    from audio_engine.catalogue.paths import default_directory  # noqa: PLC0415  (loads NumPy)

    is_default = engine.directory == default_directory()
    return f"audio-engine {words}" + ("" if is_default else f" -c {shlex.quote(printable(engine.directory))}")


def _typed(track: Path) -> str:
    """Write a path as a shell takes it, or TRACK where it cannot be written on a terminal."""
    path = short_path(track)
    if printable(path) != path:
        return "TRACK"
    return shlex.quote(f"./{path}" if path.startswith("-") else path)


def _status(engine: "Engine", tally: Tally) -> int:
    """Say how to go on after a run that did not go well; returns the exit status."""
    if tally.interrupted:
        say(f"stopped: {tally.n_done} done and kept; run the same command again to continue")
        return INTERRUPTED
    if tally.counts["failed"]:
        say(f"{tally.counts['failed']} failed: {command(engine, 'errors')} says why")
        return SOME_FAILED
    return DONE


def _say_unreadable(plan: "EmbedPlan") -> int:
    """Name the folders that could not be listed; returns the exit status."""
    for path, reason in plan.unreadable:
        say(f"failed: {printable(short_path(path))}: {printable(reason)}")
    return SOME_FAILED if plan.unreadable else DONE


def in_words(counts: dict[str, int]) -> str:
    """List the counts that are not zero."""
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count)
