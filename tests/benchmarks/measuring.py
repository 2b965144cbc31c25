"""Cost of a piece of work: seconds on the clock, CPU seconds, and memory, in a process of its own."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

ResultT = TypeVar("ResultT")


@dataclass(kw_only=True)
class Cost:
    """What a part of training took."""

    seconds: float = 0.0  # on the clock
    cpu_s: float = 0.0
    memory_mb: float = 0.0  # at most, of the process's own pages


def apart(function: Callable[..., ResultT], *arguments: object) -> ResultT:
    """Call a function in a new process, so that its memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


@contextmanager
def measuring() -> Iterator[Cost]:
    """Measure what happens inside."""
    cost, ended = Cost(), threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            cost.memory_mb = max(cost.memory_mb, own_memory_mb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    began, began_cpu = time.perf_counter(), time.process_time()
    try:
        yield cost
    finally:
        cost.seconds, cost.cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
        ended.set()
        watcher.join()


def own_memory_mb() -> float:
    """Read how much memory this process holds, pages of files not counted."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1e3
