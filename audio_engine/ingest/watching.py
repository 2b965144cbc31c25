"""Watching folders: what comes into them is embedded, and what goes is noted.

What the system tells of a change says only where to look; what is then done is planned as for `Engine.embed`, of those
files alone. A file is left alone until it has stopped growing. A folder that vanishes (a disk that is unmounted) is
away, and so are its tracks: nothing is noted of them, and the whole folder is looked through when it is back.
"""

import os
import stat
from collections.abc import Collection, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Literal

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.catalogue.filters import TrackFilter
from audio_engine.catalogue.paths import absolute
from audio_engine.decoding.file_scan import find_audio_files, is_discarded, is_wanted
from audio_engine.description.descriptions import DescribeResult, Descriptions
from audio_engine.embedding.embedding import EmbedResult
from audio_engine.embedding.plan import EmbedPlan
from audio_engine.errors import CatalogueError
from audio_engine.ingest.ingest import Ingest

SETTLE_S = 2.0  # seconds for which a file must have kept its size and time
TICK_S = 1.0  # seconds after which folders and growing files are looked at again
DEBOUNCE_MS = 1_000  # for which changes are gathered while more come
Stamp = tuple[int, int]  # of a folder: device and inode; of a file: bytes and time


@dataclass(frozen=True, kw_only=True)
class WatchOptions:
    """How folders are watched."""

    prune: bool = False  # remove tracks whose file goes
    describe: bool = False  # measure tempo, key and loudness too
    poll: bool = False  # look again and again: on network shares the system tells nothing
    n_workers: int | None = None  # as for `Engine.embed`
    cpu_budget: float = 1.0
    settle_s: float = SETTLE_S


@dataclass(frozen=True, kw_only=True)
class WatchEvent:
    """Something that happened to a watched folder or to a file in it."""

    kind: Literal["watching", "away", "kept", "embedded", "moved", "described", "failed", "missing", "pruned"]
    path: Path
    track_id: str | None = None
    error: str = ""  # one line


class Watcher:
    """Watches folders for one catalogue."""

    def __init__(self, catalogue: Catalogue, ingest: Ingest, descriptions: Descriptions) -> None:
        self._catalogue, self._ingest, self._descriptions = catalogue, ingest, descriptions

    def watch(
        self, *folders: str | Path, stop: Event | None = None, options: WatchOptions | None = None
    ) -> Generator[WatchEvent, None, None]:
        """Bring the catalogue up to date with folders, and keep it so until it is stopped.

        Parameters
        ----------
        folders
            They need not be there yet.
        stop
            Set it to end; what is being embedded is left undone.
        options
            The usual ones by default.

        Yields
        ------
        event
            What was done, once it is committed, and what was noted.

        Raises
        ------
        CatalogueError
            When the catalogue cannot be written.
        """
        self._catalogue.check_writable()
        roots = list(dict.fromkeys(absolute(folder) for folder in folders))
        return self._watch(roots, stop or Event(), options or WatchOptions())

    def _watch(self, roots: list[Path], stop: Event, options: WatchOptions) -> Generator[WatchEvent, None, None]:
        """Watch what is there of the folders; begin anew whenever one of them goes or comes."""
        changes = _Changes(options.settle_s)
        there: dict[Path, Stamp] | None = None
        while not stop.is_set():
            before, there = there, self._present(roots)
            new = [root for root in there if before is None or there[root] != before.get(root)]
            for root in roots:
                if root in new:
                    yield WatchEvent(kind="watching", path=root)
                elif root not in there and (before is None or root in before):
                    changes.forget(root)
                    yield WatchEvent(kind="away", path=root)
            with closing(_ticks(there, poll=options.poll, stop=stop)) as ticks:
                for paths in ticks:
                    if new:  # the system tells of changes by now: none is missed
                        changes.note(self._differences(new))
                        new = []
                    changes.note(paths)
                    arrived, gone = changes.settled()
                    if self._present(roots) != there:
                        break
                    if arrived or gone:
                        plan = self._ingest.plan_files(arrived, gone=gone, roots=there)
                        yield from self._follow(plan, there, stop=stop, options=options)

    def _present(self, roots: Iterable[Path]) -> dict[Path, Stamp]:
        """Find the folders that are there: not those that are empty though they had tracks (a disk not mounted)."""
        stamps = {root: stamp for root in roots if (stamp := _folder_stamp(root))}
        return {
            root: stamp
            for root, stamp in stamps.items()
            if _holds_something(root) or not self._catalogue.track_ids(TrackFilter(folder=root))
        }

    def _differences(self, roots: list[Path]) -> list[Path]:
        """List the files of folders that are new, changed or gone since the catalogue was last brought up to date."""
        try:
            plan = self._ingest.plan(*roots)
        except FileNotFoundError:  # it has gone again already
            return []
        return [*plan.to_embed, *plan.missing]

    def _follow(
        self, plan: EmbedPlan, roots: Iterable[Path], *, stop: Event, options: WatchOptions
    ) -> Generator[WatchEvent, None, None]:
        """Do what is planned: first what came, for it may be what went elsewhere."""
        n_workers, share = options.n_workers, options.cpu_budget
        if plan.to_embed:
            came = replace(plan, missing=())
            yield from _events(self._ingest.embed(came, n_workers=n_workers, cpu_budget=share), stop)
            if options.describe and not stop.is_set():
                lacking = self._descriptions.pending(*roots)
                yield from _events(self._descriptions.describe(lacking, n_workers=n_workers, cpu_budget=share), stop)
        missing = tuple(path for path in plan.missing if self._catalogue.track_at(path))
        if missing and not stop.is_set():
            lost = replace(plan, new=(), changed=(), outdated=(), missing=missing)
            yield from self._note_missing(lost, stop, prune=options.prune)

    def _note_missing(self, plan: EmbedPlan, stop: Event, *, prune: bool) -> Generator[WatchEvent, None, None]:
        """Tell what has gone, and take it out if that is wanted, and if no disk seems to be missing."""
        try:
            yield from _events(self._ingest.embed(plan, prune=prune), stop)
        except CatalogueError:
            raise
        except ValueError as error:
            yield WatchEvent(kind="kept", path=plan.missing[0].parent, error=str(error))


class _Changes:
    """Files that have come or changed, and wait until they keep still; and what has gone, which waits as long."""

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._waiting: dict[Path, tuple[Stamp | None, float]] = {}  # no stamp: it is gone; since when

    def note(self, paths: Iterable[Path]) -> None:
        """Note that something happened to files or folders."""
        now = monotonic()
        for path in paths:
            if path.is_dir():
                self._waiting |= {file: (_file_stamp(file), now) for file in find_audio_files(path)}
            else:
                self._waiting[path] = (_file_stamp(path), now)

    def forget(self, root: Path) -> None:
        """Forget what is below a folder."""
        self._waiting = {path: since for path, since in self._waiting.items() if not path.is_relative_to(root)}

    def settled(self) -> tuple[list[Path], list[Path]]:
        """Take the audio files that have kept still, and what is still gone."""
        now = monotonic()
        arrived, gone = [], []
        for path, (stamp, since) in [*self._waiting.items()]:
            if (stamp_now := _file_stamp(path)) != stamp:
                self._waiting[path] = (stamp_now, now)
            elif now - since >= self._settle_s:
                del self._waiting[path]
                if stamp is None:
                    gone.append(path)
                elif is_wanted(path) and not is_discarded(path):
                    arrived.append(path)
        return arrived, gone


def _ticks(folders: Collection[Path], *, poll: bool, stop: Event) -> Generator[list[Path], None, None]:
    """Tell at least every second what happened below folders, until it is to stop."""
    if not folders:
        while not stop.wait(TICK_S):
            yield []
        return
    from watchfiles import watch  # noqa: PLC0415  (only where folders are watched)

    try:
        for changes in watch(
            *folders,
            watch_filter=None,
            debounce=DEBOUNCE_MS,
            rust_timeout=round(1_000 * TICK_S),
            yield_on_timeout=True,
            stop_event=stop,
            force_polling=poll or None,
            ignore_permission_denied=True,
        ):
            yield [Path(path) for _, path in changes]
    except FileNotFoundError:  # a folder has gone just now
        return


def _events(
    results: "Generator[EmbedResult | DescribeResult, None, None]", stop: Event
) -> Generator[WatchEvent, None, None]:
    """Tell of results, until it is to stop."""
    with closing(results):
        for result in results:
            if result.status != "gone":  # while it waited to be read; the system tells what took its place
                yield WatchEvent(kind=result.status, path=result.path, track_id=result.track_id, error=result.error)
            if stop.is_set():
                return


def _folder_stamp(root: Path) -> Stamp | None:
    """Tell one folder from another that is later at the same place; None where none is."""
    try:
        status = root.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISDIR(status.st_mode) else None


def _holds_something(root: Path) -> bool:
    try:
        with os.scandir(root) as entries:
            return any(entries)
    except OSError:
        return False


def _file_stamp(path: Path) -> Stamp | None:
    """Tell a file from what it was; None where it is gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
