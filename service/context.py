"""Context shared by the routes: the engine, the work queues, authorisation and settings."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import TypeVar

from fastapi import Request

from audio_engine import Engine
from audio_engine.streaming.track_values import LiveValues
from service.decode_queue import DecodeQueue
from service.lookup_pool import LookupPool
from service.metrics import Metrics
from service.scanning import Scan
from service.settings import Settings
from service.tokens import Tokens
from service.uploads import Upload, received

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Context:
    """Handed to each module of routes: ``xxx_routes(context)`` gives its router."""

    engine: Engine
    settings: Settings
    lookups: LookupPool  # for look-ups in catalogue and index
    decode_queue: DecodeQueue  # for what decodes or encodes
    scan: Scan  # of the server's own music
    tokens: Tokens
    metrics: Metrics
    values: LiveValues | None = None  # of a stream, where the settings name its sink
    is_ready: Event = field(default_factory=Event)  # set once decoders, index and tracks are at hand

    @asynccontextmanager
    async def place(self, request: Request) -> AsyncIterator[None]:
        """Take a place for decoding; see `DecodeQueue.place`."""
        async with self.decode_queue.place(request.state.client):
            yield

    @asynccontextmanager
    async def upload(self, request: Request) -> AsyncIterator[Upload]:
        """Take a place for decoding, and receive the file that is to be decoded."""
        folder, timeout_s = self.engine.uploads.incoming, self.settings.upload_timeout_s
        async with self.place(request), received(request, folder, timeout_s=timeout_s) as upload:
            yield upload

    async def decode(self, request: Request, upload: Upload, function: Callable[[], T]) -> T:
        """Do with an upload what decodes it; given up when the client hangs up."""

        def work() -> T:
            with upload.decoding():
                return function()

        def give_up() -> None:
            upload.is_given_up.set()
            self.engine.decoders.give_up(upload.path)

        return await self.decode_queue.run(work, request=request, give_up=give_up)
