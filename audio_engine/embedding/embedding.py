"""Embedding run: reads and encodes the planned files in parallel and writes vectors to the catalogue in batches.

On a CPU each of a few threads processes one track at a time from start to end: it hashes the file, waits for a decoder
process, and encodes on a single thread of torch; so many cores are busy, and decoding and network do not compete for
them. On a GPU the threads only read, and batches are encoded across tracks. Only a few tracks are in memory at a time,
however long the list.

A result is yielded once it is committed. Closing the iterator (as Ctrl-C does) stops the decoders and keeps what was
yielded.
"""

import hashlib
import math
import os
import stat
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Lock
from time import monotonic, sleep
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from audio_engine.catalogue.catalogue import Catalogue, Change, Embedded, Failed, KnownFile, Moved
from audio_engine.decoding.audio_file import SoundRead
from audio_engine.decoding.pool import DecoderPool
from audio_engine.embedding.plan import EmbedPlan
from features.decode import DecodeError

if TYPE_CHECKING:
    from metric_learning.embedder import Embedder

BATCH_TRACKS = 8  # committed together, on a GPU encoded together too
READ_AHEAD = 2  # files in progress per decoder process: memory stays constant however long the list
BATCH_S = 2.0  # seconds after which a batch proceeds even if not full

ResultStatus = Literal["embedded", "moved", "failed", "missing", "pruned"]


@dataclass(frozen=True, kw_only=True)
class EmbedResult:
    """The result for one file."""

    path: Path
    status: ResultStatus
    track_id: str | None = None
    error: str = ""  # one line
    warnings: tuple[str, ...] = ()  # what decoding lost or mended, a line each


@dataclass(frozen=True, kw_only=True)
class _Sound:
    """A file that has been read and is waiting for the encoder."""

    path: Path
    content_hash: str
    file_size: int
    mtime_ns: int
    read: SoundRead


Outcome = Change | _Sound  # of reading one file


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
    reading = _Reading(catalogue, model_id=embedder.model_id, pool=pool, force=plan.force)
    threads = ThreadPoolExecutor(pool.n_workers, thread_name_prefix="read")

    def work(path: Path) -> Outcome:
        began = monotonic()
        outcome = reading.read(path)
        if not embedder.wants_batches:
            outcome = _encode([outcome], embedder)[0]
        sleep(rest * (monotonic() - began))
        return outcome

    try:
        with embedder.one_thread_a_track():
            outcomes = _in_parallel(threads, work, plan.to_embed, ahead=READ_AHEAD * pool.n_workers)
            for batch in _batches(outcomes):
                changes = _encode(batch, embedder)
                track_ids = catalogue.write(changes)
                yield from map(_result, changes, track_ids)
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


class _Reading:
    """Reads one file at a time in each of several threads, and recognises duplicates and moved files by content."""

    def __init__(self, catalogue: Catalogue, *, model_id: str, pool: DecoderPool, force: bool) -> None:
        self._catalogue, self._model_id, self._pool, self._force = catalogue, model_id, pool, force
        self._gone: dict[str, list[KnownFile]] = defaultdict(list)  # by content: tracks whose file no longer exists
        self._lock = Lock()
        self._known = catalogue.known_files()
        for path, file in self._known.items():
            if file.content_hash and model_id in file.model_ids and not os.path.lexists(path):
                self._gone[file.content_hash].append(file)

    def read(self, path: Path) -> Outcome:
        """Read a file, unless its content is known; a failure is recorded as a change like any other."""
        content_hash, size, mtime_ns = None, 0, 0
        try:
            status = path.stat()
            size, mtime_ns = status.st_size, status.st_mtime_ns
            if not stat.S_ISREG(status.st_mode):
                raise DecodeError("it is not a regular file")
            content_hash = content_hash_of(path)
            known = None if self._force else self._by_content(path, content_hash, size=size, mtime_ns=mtime_ns)
            if known:
                return known
            sound = self._pool.read(path)
        except (DecodeError, OSError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            return Failed(path=path, content_hash=content_hash, file_size=size, mtime_ns=mtime_ns, error=reason)
        return _Sound(path=path, content_hash=content_hash, file_size=size, mtime_ns=mtime_ns, read=sound)

    def _by_content(self, path: Path, content_hash: str, *, size: int, mtime_ns: int) -> Change | None:
        """Find the vector of these bytes in the catalogue: of a track whose file moved here, or of a duplicate."""
        moved = self._take_gone(content_hash) if path not in self._known else None
        if moved:
            return Moved(track_id=moved.track_id, path=path, file_size=size, mtime_ns=mtime_ns)
        known = self._catalogue.vector_of_content(content_hash, self._model_id)
        if known is None:
            return None
        vector, tags, warnings = known
        return Embedded(
            path=path,
            content_hash=content_hash,
            file_size=size,
            mtime_ns=mtime_ns,
            tags=tags,
            model_id=self._model_id,
            vector=vector,
            warnings=warnings,
        )

    def _take_gone(self, content_hash: str) -> KnownFile | None:
        """Find a track of these bytes whose file is gone; each is used once."""
        with self._lock:
            gone = self._gone.get(content_hash)
            return gone.pop() if gone else None


def content_hash_of(path: Path) -> str:
    """Hash all bytes of a file (BLAKE2b, 128 bits, hexadecimal)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _in_parallel(
    threads: ThreadPoolExecutor, read: Callable[[Path], Outcome], paths: Iterable[Path], *, ahead: int
) -> Iterator[Outcome]:
    """Yield the outcome of each path as it completes, with a bounded number in progress."""
    waiting = iter(paths)
    running = {threads.submit(read, path) for path in islice(waiting, ahead)}
    while running:
        done, running = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            yield future.result()
            running |= {threads.submit(read, path) for path in islice(waiting, 1)}


def _batches(outcomes: Iterable[Outcome]) -> Iterator[list[Outcome]]:
    """Group outcomes into batches, by number or once the first has waited long enough."""
    batch: list[Outcome] = []
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
    sounds = [outcome for outcome in batch if isinstance(outcome, _Sound)]
    changes: list[Change] = [outcome for outcome in batch if not isinstance(outcome, _Sound)]
    if sounds:
        vectors = embedder.embed(np.stack([sound.read.segments for sound in sounds]))
        changes += [_embedded(sound, vector, embedder.model_id) for sound, vector in zip(sounds, vectors, strict=True)]
    return changes


def _embedded(sound: _Sound, vector: NDArray[np.float32], model_id: str) -> Embedded:
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


def _result(change: Change, track_id: str) -> EmbedResult:
    if isinstance(change, Failed):
        return EmbedResult(path=change.path, status="failed", track_id=track_id, error=change.error)
    status: ResultStatus = "moved" if isinstance(change, Moved) else "embedded"
    warnings = change.warnings if isinstance(change, Embedded) else ()
    return EmbedResult(path=change.path, status=status, track_id=track_id, warnings=warnings)


def report_missing(plan: EmbedPlan, catalogue: Catalogue, *, prune: bool) -> Iterator[EmbedResult]:
    """Report tracks whose file is gone (and was not found elsewhere); with `prune`, remove them."""
    tracks = [track for path in plan.missing if (track := catalogue.track_at(path))]
    if prune:
        catalogue.remove([track.track_id for track in tracks])
    for track in tracks:
        yield EmbedResult(path=track.path, status="pruned" if prune else "missing", track_id=track.track_id)
