"""Thread pool for look-ups in catalogue and index, some milliseconds each, which never wait for a decoder."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TypeVar

from fastapi import HTTPException

T = TypeVar("T")

MAX_WAITING = 1_000  # look-ups; at a thousand a second, a second's worth


class LookupPool:
    """Threads for look-ups alone.

    Parameters
    ----------
    n_workers
        Threads.
    begin
        What each does first.
    """

    def __init__(self, n_workers: int, *, begin: Callable[[], None]) -> None:
        self._threads = ThreadPoolExecutor(n_workers, thread_name_prefix="look-up", initializer=begin)
        self.n_under_way = 0

    async def run(self, function: Callable[..., T], *args: object) -> T:
        """Run a function in a thread.

        Raises
        ------
        HTTPException
            503, when too many wait.
        """
        if self.n_under_way >= MAX_WAITING:
            detail = f"{self.n_under_way} look-ups are under way already"
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, detail, {"Retry-After": "1"})
        self.n_under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)
        finally:
            self.n_under_way -= 1

    def close(self) -> None:
        """Wait for what has begun."""
        self._threads.shutdown(wait=True)
