"""Queue for requests that decode, run in threads off the event loop: as many at once as threads, and a few waiting.

Work beyond that is refused at once (503 with how long to wait; 429 if one client has taken more than its share), so
that memory and disk use stay constant. A client that hangs up frees its place: waiting work is dropped, running work is
told to stop. Shutting down waits for running work.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import HTTPException, Request

T = TypeVar("T")

RETRY_AFTER_S = "1"  # seconds; a place is free again when a file has been decoded and encoded


class HungUpError(Exception):
    """The client went away: nobody waits for an answer."""


class DecodeQueue:
    """Some threads and the places before them.

    Parameters
    ----------
    n_workers
        Threads.
    max_waiting
        Places beside those at work.
    max_per_client
        Places that one client may take.
    begin
        What each thread does first.
    """

    def __init__(self, *, n_workers: int, max_waiting: int, max_per_client: int, begin: Callable[[], None]) -> None:
        self._threads = ThreadPoolExecutor(n_workers, thread_name_prefix="decode", initializer=begin)
        self._n_places = n_workers + max_waiting
        self._max_per_client = max_per_client
        self._n_of_client: Counter[str] = Counter()
        self.n_under_way = 0  # places taken

    @asynccontextmanager
    async def place(self, client: str) -> AsyncIterator[None]:
        """Take a place, for what is to be received and run.

        Raises
        ------
        HTTPException
            429 or 503, when there is none.
        """
        if self._n_of_client[client] >= self._max_per_client:
            detail = f"one client may have at most {self._max_per_client} requests of this kind under way"
            raise HTTPException(HTTPStatus.TOO_MANY_REQUESTS, detail, {"Retry-After": RETRY_AFTER_S})
        if self.n_under_way >= self._n_places:
            detail = f"{self.n_under_way} requests of this kind are under way already"
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, detail, {"Retry-After": RETRY_AFTER_S})
        self.n_under_way += 1
        self._n_of_client[client] += 1
        try:
            yield
        finally:
            self.n_under_way -= 1
            self._n_of_client[client] -= 1
            if not self._n_of_client[client]:
                del self._n_of_client[client]

    async def run(self, function: Callable[[], T], *, request: Request, give_up: Callable[[], None] | None = None) -> T:
        """Run a function in a thread, once one is free; within a `place`, when the request has been read.

        Parameters
        ----------
        function
            The work.
        request
            Whose client may hang up.
        give_up
            Called then if the work has begun: lets it end early.

        Raises
        ------
        HungUpError
            When the client went away; the work has ended by then.
        """
        future = self._threads.submit(function)
        result: asyncio.Future[Any] = asyncio.wrap_future(future)
        gone: asyncio.Future[Any] = asyncio.ensure_future(_gone(request))
        try:
            await asyncio.wait([result, gone], return_when=asyncio.FIRST_COMPLETED)
            if not result.done():
                await _end(future, give_up)
                raise HungUpError
            outcome: T = await result
            return outcome
        finally:
            gone.cancel()

    def close(self) -> None:
        """Wait for what has begun."""
        self._threads.shutdown(wait=True)


async def _gone(request: Request) -> None:
    """Return once the client has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _end(future: "Future[Any]", give_up: Callable[[], None] | None) -> None:
    """Drop work that waits; let work that runs come to its end, whatever that is."""
    if future.cancel():
        return
    if give_up is not None:
        give_up()
    await asyncio.wait([asyncio.wrap_future(future)])
