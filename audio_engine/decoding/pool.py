"""Decoder processes: a pool that survives crashes and hangs; each costs one file."""

import os
import pickle
import queue
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Lock, Timer
from types import TracebackType
from typing import IO, Literal, Self, cast

from audio_engine.decoding.audio_file import SoundRead
from features.decode_errors import DecodeError, TooLongError
from features.description import Description
from features.peaks import Peaks, read_peaks
from features.recipe import MelRecipe

Question = MelRecipe | Literal["outline", "description"]  # what is asked of a file
Reply = SoundRead | Peaks | Description | str | TooLongError  # what was asked for, or the reason it could not be read
WORKER_COMMAND = (
    sys.executable,
    "-P",
    "-m",
    "audio_engine.decoding.worker",
)  # -P: never import from the current folder, which may hold tracks
KEPT_BYTES = str(32 << 20)  # the most that glibc allows
KEEPING_MEMORY = {  # a decoder keeps what the next file will need again: else a tenth of its time goes to page faults
    "MALLOC_TRIM_THRESHOLD_": KEPT_BYTES,
    "MALLOC_MMAP_THRESHOLD_": KEPT_BYTES,
}
TIMEOUT_S = 120.0  # seconds for one file, after which its decoder counts as hung


class DecoderPool:
    """A pool of decoder processes, started on demand and restarted after each crash.

    Parameters
    ----------
    recipe
        Which segments to decode.
    n_workers
        Maximum number of processes; as many threads may call `read` at once.
    timeout_s
        Seconds for one file.
    command
        The command of a process; tests pass a decoder that crashes.
    max_duration_s
        Maximum length of a file, seconds; unlimited by default.
    """

    def __init__(
        self,
        recipe: MelRecipe,
        *,
        n_workers: int,
        timeout_s: float = TIMEOUT_S,
        command: tuple[str, ...] = WORKER_COMMAND,
        max_duration_s: float | None = None,
    ) -> None:
        if n_workers < 1:
            raise ValueError(f"n_workers must be at least 1, got {n_workers}")
        self.n_workers = n_workers
        self._recipe, self._timeout_s = recipe, timeout_s
        self._command = command if max_duration_s is None else (*command, f"{max_duration_s:g}")
        self._at_work: dict[Path, _Worker] = {}
        self._giving_up = Lock()  # a process is killed only while it still reads that file, never when it has moved on
        self._idle: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        for _ in range(n_workers):
            self._idle.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self, n_files: int) -> None:
        """Start the processes that so many files will keep busy, before the first is read: they load their decoders."""
        idle = [self._idle.get() for _ in range(min(n_files, self.n_workers))]
        for worker in idle:
            self._idle.put(worker or _Worker(self._command))

    def read(self, path: Path, recipe: MelRecipe | None = None) -> SoundRead:
        """Read one file in a separate process, optionally by another recipe; thread-safe.

        Raises
        ------
        TooLongError
            When it exceeds `max_duration_s`.
        DecodeError
            When it cannot be read, or its decoder crashed or hung; the message says which, in one line.
        """
        reply = self._ask(path, recipe or self._recipe)
        if isinstance(reply, SoundRead):
            return reply
        raise _refusal(reply)

    def outline(self, path: Path) -> Peaks:
        """Read the waveform outline of one file, as `features.peaks.read_peaks` does; otherwise as `read`."""
        reply = self._ask(path, "outline")
        if isinstance(reply, Peaks):
            return reply
        raise _refusal(reply)

    def describe(self, path: Path) -> Description:
        """Measure tempo, key and loudness of one file, as `features.describe.describe_file`; otherwise as `read`."""
        reply = self._ask(path, "description")
        if isinstance(reply, Description):
            return reply
        raise _refusal(reply)

    def _ask(self, path: Path, question: Question) -> Reply:
        """Send a request to an idle process of the pool, waiting for one."""
        worker = self._idle.get()
        try:
            worker = worker if worker and worker.is_alive else _Worker(self._command)
            self._at_work[path] = worker
            return worker.ask((path, question), self._timeout_s)
        finally:
            with self._giving_up:
                self._at_work.pop(path, None)
            self._idle.put(worker)

    def give_up(self, path: Path) -> None:
        """Stop reading a file: kills its process, and its caller gets a `DecodeError`."""
        with self._giving_up:
            worker = self._at_work.get(path)
            if worker:
                worker.kill()

    def close(self) -> None:
        """Stop every idle process, without waiting for busy ones."""
        workers = [self._idle.get_nowait() for _ in range(self._idle.qsize())]
        for worker in workers:
            if worker:
                worker.stop()


class _Worker:
    """One decoder process."""

    def __init__(self, command: tuple[str, ...]) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # decoders print warnings
            env=_environment(),
            start_new_session=True,  # Ctrl-C is for the parent, which stops its workers itself
        )

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, request: tuple[Path, Question], timeout_s: float) -> Reply:
        """Send a request and wait for the reply; a crash or a hang becomes an error reply."""
        requests, replies = cast(IO[bytes], self._process.stdin), cast(IO[bytes], self._process.stdout)
        has_hung = False

        def kill() -> None:
            nonlocal has_hung
            has_hung = True
            self._process.kill()

        timer = Timer(timeout_s, kill)
        timer.start()
        try:
            pickle.dump(request, requests)
            requests.flush()
            return cast(Reply, pickle.load(replies))
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            exit_status = self._process.wait()
            self.stop()
            if has_hung:
                return f"its decoder hung: no answer in {timeout_s:g} s"
            return f"its decoder died: {_how_it_died(exit_status)}"
        finally:
            timer.cancel()

    def kill(self) -> None:
        """Kill the process; the thread in `ask` notices."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Kill the process, if it still runs, and close its pipes."""
        self._process.kill()
        with suppress(BrokenPipeError):
            self._process.communicate()


def _refusal(reply: Reply) -> DecodeError:
    """Turn an error reply into an exception."""
    return reply if isinstance(reply, TooLongError) else DecodeError(str(reply))


def _how_it_died(exit_status: int) -> str:
    """Name the signal, as in "SIGSEGV"."""
    return signal.Signals(-exit_status).name if exit_status < 0 else f"exit status {exit_status}"


def _environment() -> dict[str, str]:
    """Copy the parent's environment, with its import path, one thread for each library, and memory that is kept."""
    import_path = os.pathsep.join(path or os.getcwd() for path in sys.path)  # noqa: PTH109
    return {**KEEPING_MEMORY, **os.environ, "PYTHONPATH": import_path, "OMP_NUM_THREADS": "1"}


def n_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Decoders:
    """The decoder processes of one engine."""

    def __init__(self) -> None:
        self._kept: DecoderPool | None = None

    def keep(
        self, recipe: MelRecipe, *, n_workers: int, timeout_s: float = TIMEOUT_S, max_duration_s: float | None = None
    ) -> None:
        """Keep a pool of processes from now on, until `close`.

        Parameters
        ----------
        recipe, n_workers, timeout_s, max_duration_s
            As for a `DecoderPool`.
        """
        self.close()
        self._kept = DecoderPool(recipe, n_workers=n_workers, timeout_s=timeout_s, max_duration_s=max_duration_s)

    def read(self, path: Path, recipe: MelRecipe) -> SoundRead:
        """Read one file; thread-safe.

        Raises
        ------
        DecodeError
            As `DecoderPool.read`.
        """
        if self._kept is not None:
            return self._kept.read(path, recipe)
        with DecoderPool(recipe, n_workers=1) as pool:
            return pool.read(path)

    def outline(self, path: Path) -> Peaks:
        """Read the waveform outline of one file: in the pool, or in this process if there is none.

        Raises
        ------
        DecodeError, OSError
            As `DecoderPool.outline`, or `features.peaks.read_peaks`.
        """
        return read_peaks(path) if self._kept is None else self._kept.outline(path)

    def give_up(self, path: Path) -> None:
        """Stop reading a file in the pool, if a process reads it."""
        if self._kept is not None:
            self._kept.give_up(path)

    def close(self) -> None:
        """Stop the pool."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None
