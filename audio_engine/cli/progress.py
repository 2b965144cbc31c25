"""Progress of a long run: a bar on a terminal, a plain line every few seconds if the output is piped.

It is printed to stderr; with ``--json`` each result is printed to stdout too.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from audio_engine.cli.printing import length, printable, put_json, say, short_path

if TYPE_CHECKING:
    from rich.progress import Progress

    from audio_engine.description.descriptions import DescribeResult
    from audio_engine.embedding.embedding import EmbedResult

LINE_EVERY_S = 5.0  # seconds between the plain lines
SETTLED = 20  # tracks; before that many are done, starting up is most of the time, and a rate says little
FIELDS = ("status", "path", "track_id", "error", "warnings")  # of a result in JSON
WORK = ("embedded", "moved", "failed", "gone", "described")  # the results that are counted as done


@dataclass(kw_only=True)
class Tally:
    """The counts of a run."""

    counts: Counter[str] = field(default_factory=Counter)  # by status
    n_with_warnings: int = 0
    embedded: Path | None = None  # the first file that was
    interrupted: bool = False
    started_s: float = field(default_factory=time.monotonic)

    @property
    def n_done(self) -> int:
        """Tracks that were worked on, failures among them."""
        return sum(self.counts[status] for status in WORK)

    @property
    def rate(self) -> float:
        """Tracks a second."""
        return self.n_done / max(time.monotonic() - self.started_s, 1e-9)


class Display(Protocol):
    """Where a run is shown."""

    def show(self, tally: Tally) -> None:
        """Show how far the run is."""

    def say(self, words: str) -> None:
        """Say something beside it."""


def values_of(result: "EmbedResult") -> dict[str, object]:
    """Lay out a result of an embed for a program."""
    return {name: getattr(result, name) for name in FIELDS}


def follow(
    results: "Generator[EmbedResult | DescribeResult, None, None]",
    *,
    total: int,
    as_json: bool,
    values: "Callable[[Any], Mapping[str, object]]" = values_of,
    task: str = "embedding",
) -> Tally:
    """Draw results to their end, showing how far it is; Ctrl-C ends the run, not the program.

    Parameters
    ----------
    results
        Closed at the end, whatever happens.
    total
        Tracks that will be worked on.
    as_json
        Put each result on stdout as a line of JSON.
    values
        What of it.
    task
        What is done.
    """
    tally = Tally()
    with closing(results), _display(total, task) as display:
        try:
            for result in results:
                tally.counts[result.status] += 1
                if result.status == "embedded":
                    tally.embedded = tally.embedded or result.path
                tally.n_with_warnings += bool(result.warnings)
                if as_json:
                    put_json(values(result))
                    sys.stdout.flush()  # whoever reads along sees each result once it is kept
                elif result.status == "failed":
                    display.say(f"failed: {printable(short_path(result.path))}: {printable(result.error)}")
                elif result.warnings:
                    display.say(
                        f"warning: {printable(short_path(result.path))}: {printable('; '.join(result.warnings))}"
                    )
                display.show(tally)
        except KeyboardInterrupt:
            tally.interrupted = True
    return tally


class Lines:
    """Plain lines, for logs and pipes."""

    def __init__(self, total: int, task: str) -> None:
        self.total = total
        if total:
            self.say(f"{task}: {total} to do")
        self.said_s = time.monotonic()

    def show(self, tally: Tally) -> None:
        """Say how far it is, if that was not said just now."""
        if time.monotonic() - self.said_s >= LINE_EVERY_S:
            self.said_s = time.monotonic()
            self.say(", ".join(filter(None, (f"{tally.n_done} of {self.total} done", _pace(tally, self.total)))))

    def say(self, words: str) -> None:
        """Say it on a line."""
        say(words)


class Bar:
    """A bar that redraws itself on a terminal."""

    def __init__(self, total: int, task: str, *, progress: "Progress") -> None:
        self.progress = progress
        self.total = total
        self.task = progress.add_task(task, total=total, pace="")

    def show(self, tally: Tally) -> None:
        """Move the bar."""
        self.progress.update(self.task, completed=tally.n_done, pace=_pace(tally, self.total))

    def say(self, words: str) -> None:
        """Say it above the bar."""
        self.progress.console.print(words, markup=False, emoji=False, highlight=False, soft_wrap=True)


def _pace(tally: Tally, total: int) -> str:
    """Say how fast it goes, how long it will still take, and how much has failed."""
    words = [f"{tally.counts['failed']} failed"] if tally.counts["failed"] else []
    if tally.n_done >= SETTLED:
        words = [f"{tally.rate:.1f} tracks/s", f"{length((total - tally.n_done) / tally.rate)} left", *words]
    return ", ".join(words)


@contextmanager
def _display(total: int, task: str) -> Iterator[Display]:
    """Choose the bar where a person looks at a terminal, the lines elsewhere."""
    from rich.console import Console  # noqa: PLC0415  (so that help is instant)
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415

    console = Console(stderr=True)
    if not console.is_terminal or console.is_dumb_terminal:
        yield Lines(total, task)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}"),  # rich's own estimate takes the bursts in which batches end for the pace
    )
    # stdout is left alone: rich would send it to stderr, and JSON with it
    with Progress(*columns, console=console, redirect_stdout=False, redirect_stderr=False, transient=True) as progress:
        yield Bar(total, task, progress=progress)
