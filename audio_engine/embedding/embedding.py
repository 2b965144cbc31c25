"""Embedding run: reads and encodes the planned files in parallel and writes vectors to the catalogue in batches.

On a CPU each of a few threads processes one track at a time from start to end: it hashes the file, waits for a decoder
process, and encodes on a single thread of torch; so many cores are busy, and decoding and network do not compete for
them. On a GPU the threads only read, and batches are encoded across tracks. Only a few tracks are in memory at a time,
however long the list.

A result is yielded once it is committed. Closing the iterator (as Ctrl-C does) stops the decoders and keeps what was
yielded.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.catalogue.track import Change, Embedded, Failed, Moved
from audio_engine.catalogue.writes import check_change
from audio_engine.decoding.pool import DecoderPool
from audio_engine.embedding.plan import EmbedPlan
from audio_engine.embedding.pruning import check_prune
from audio_engine.embedding.reading import FileReading, Gone, Outcome, Sound, failed
from audio_engine.errors import CatalogueError

if TYPE_CHECKING:
    from metric_learning.embedder import Embedder

BATCH_TRACKS = 8  # committed together, on a GPU encoded together too
READ_AHEAD = 2  # files in progress per decoder process: memory stays constant however long the list
BATCH_S = 2.0  # seconds after which a batch proceeds even if not full

Item = TypeVar("Item")
Result = TypeVar("Result")
ResultStatus = Literal["embedded", "moved", "described", "failed", "gone", "missing", "pruned"]


@dataclass(frozen=True, kw_only=True)
class EmbedResult:
    """The result for one file."""

    path: Path
    status: ResultStatus
    track_id: str | None = None
    error: str = ""  # one line
    warnings: tuple[str, ...] = ()  # what decoding lost or mended, a line each


def embed_plan(
    plan: EmbedPlan,
    *,
    catalogue: Catalogue,
    embedder: "Embedder",
    pool: DecoderPool,
    rest: float = 0.0,
) -> Iterator[EmbedResult]:
    """Embed the planned files.

    Parameters
    ----------
    plan
        From `audio_engine.embedding.plan`.
    catalogue
        The destination of the vectors; written from this thread only.
    embedder
        Computes the vectors.
    pool
        The decoder processes; closed when the iterator ends or is closed.
    rest
        Seconds that a thread sleeps per second of work on a track.

    Yields
    ------
    result
        One for each file, as soon as it is committed; in no order.
    """
    reading = FileReading(catalogue, model_id=embedder.model_id, pool=pool, force=plan.force)
    threads = ThreadPoolExecutor(pool.n_workers, thread_name_prefix="read")

    def work(path: Path) -> Outcome | Gone:
        began = monotonic()
        outcome = reading.read(path)
        if not embedder.wants_batches and not isinstance(outcome, Gone):
            outcome = _encode([outcome], embedder)[0]
        sleep(rest * (monotonic() - began))
        return outcome

    try:
        with embedder.one_thread_a_track():
            outcomes = in_parallel(threads, work, plan.to_embed, ahead=READ_AHEAD * pool.n_workers)
            for batch in _batches(outcomes):
                yield from (EmbedResult(path=file.path, status="gone") for file in batch if isinstance(file, Gone))
                there = [outcome for outcome in batch if not isinstance(outcome, Gone)]
                if there:
                    yield from _write(_encode(there, embedder), catalogue)
    finally:
        threads.shutdown(wait=True, cancel_futures=True)
        pool.close()


def share_out(n_cores: int, cpu_budget: float) -> tuple[int, float]:
    """Convert a share of some cores to a number of busy cores, and the rest of each per second of work.

    Raises
    ------
    ValueError
        When the share is not above 0 and at most 1.

    Examples
    --------
    >>> share_out(16, 0.5), share_out(2, 0.25)
    ((8, 0.0), (1, 1.0))
    """
    if not 0 < cpu_budget <= 1:
        raise ValueError(f"cpu_budget must be above 0 and at most 1, got {cpu_budget:g} (is it in per cent?)")
    n_busy = math.ceil(n_cores * cpu_budget)
    return n_busy, n_busy / (n_cores * cpu_budget) - 1.0


def in_parallel(
    threads: ThreadPoolExecutor, work: Callable[[Item], Result], items: Iterable[Item], *, ahead: int
) -> Iterator[Result]:
    """Yield the result of each item as it completes, with a bounded number in progress."""
    waiting = iter(items)
    running = {threads.submit(work, item) for item in islice(waiting, ahead)}
    while running:
        done, running = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            yield future.result()
            running |= {threads.submit(work, item) for item in islice(waiting, 1)}


def _batches(outcomes: Iterable[Item]) -> Iterator[list[Item]]:
    """Group outcomes into batches, by number or once the first has waited long enough."""
    batch: list[Item] = []
    began = monotonic()
    for outcome in outcomes:
        batch.append(outcome)
        if len(batch) == BATCH_TRACKS or monotonic() - began > BATCH_S:
            yield batch
            batch, began = [], monotonic()
    if batch:
        yield batch


def _encode(batch: list[Outcome], embedder: "Embedder") -> list[Change]:
    """Encode the sounds of a batch; entries that are changes already stay as they are."""
    sounds = [outcome for outcome in batch if isinstance(outcome, Sound)]
    changes: list[Change] = [outcome for outcome in batch if not isinstance(outcome, Sound)]
    return changes + (_encode_sounds(sounds, embedder) if sounds else [])


def _encode_sounds(sounds: list[Sound], embedder: "Embedder") -> list[Change]:
    """Encode sounds together; if that fails, one by one, so that only what cannot be encoded is a failure."""
    try:
        segments = [sound.read.segments[np.newaxis] for sound in sounds]
        vectors = embedder.embed(segments[0] if len(segments) == 1 else np.concatenate(segments))  # one is not copied
        made = [_embedded(sound, vector, embedder.model_id) for sound, vector in zip(sounds, vectors, strict=True)]
        for change in made:
            check_change(change)
    except Exception as error:  # noqa: BLE001  (torch raises anything)
        if len(sounds) > 1:
            return [change for sound in sounds for change in _encode_sounds([sound], embedder)]
        return [failed(sounds[0], error)]
    return [*made]


def _embedded(sound: Sound, vector: NDArray[np.float32], model_id: str) -> Embedded:
    return Embedded(
        path=sound.path,
        content_hash=sound.content_hash,
        file_size=sound.file_size,
        mtime_ns=sound.mtime_ns,
        tags=sound.read.tags,
        model_id=model_id,
        vector=vector,
        warnings=sound.read.warnings,
    )


def _write(changes: list[Change], catalogue: Catalogue) -> Iterator[EmbedResult]:
    """Write changes together; where that fails, one by one, so that only what cannot be written is a failure."""
    try:
        track_ids = catalogue.write(changes)
    except CatalogueError:
        raise
    except Exception as error:
        if len(changes) > 1:
            for change in changes:
                yield from _write([change], catalogue)
            return
        if isinstance(changes[0], Failed):
            raise
        yield from _write([failed(changes[0], error)], catalogue)
        return
    yield from map(_result, changes, track_ids)


def _result(change: Change, track_id: str) -> EmbedResult:
    if isinstance(change, Failed):
        return EmbedResult(path=change.path, status="failed", track_id=track_id, error=change.error)
    status: ResultStatus = "moved" if isinstance(change, Moved) else "embedded"
    warnings = change.warnings if isinstance(change, Embedded) else ()
    return EmbedResult(path=change.path, status=status, track_id=track_id, warnings=warnings)


def report_missing(plan: EmbedPlan, catalogue: Catalogue, *, prune: bool, force: bool) -> Iterator[EmbedResult]:
    """Report tracks whose file is gone (and was not found elsewhere); with `prune`, remove them.

    Raises
    ------
    ValueError
        As `check_prune`, unless forced.
    """
    tracks = [track for path in plan.missing if (track := catalogue.track_at(path))]
    if prune and not force:
        check_prune(plan, [track.path for track in tracks])
    if prune:
        catalogue.remove([track.track_id for track in tracks])
    for track in tracks:
        yield EmbedResult(path=track.path, status="pruned" if prune else "missing", track_id=track.track_id)
