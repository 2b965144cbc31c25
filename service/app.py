"""The application: assembles the routers of all modules, from an engine and settings.

Slow work (decoding, the network) runs in a thread, never on the event loop, and never more of it at once than there are
cores.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi_offline import FastAPIOffline

from audio_engine import Engine
from audio_engine.decoding.pool import n_cores
from audio_engine.streaming.track_values import LiveValues
from service.audiomuse import audiomuse_routes
from service.body_limit import BodyLimit
from service.context import Context
from service.decode_queue import DecodeQueue
from service.errors import answer_errors
from service.genre import genre_routes
from service.head import AnswerHead
from service.health import health_routes
from service.lookup_pool import LookupPool
from service.metrics import Metered, Metrics
from service.page import page_routes
from service.recall import recall_routes
from service.root_path import RootPath
from service.scan import scan_routes
from service.scanning import Scan
from service.search import search_routes
from service.security_headers import OwnSite, SafeHeaders
from service.settings import Settings
from service.similar import similar_routes
from service.space import space_routes
from service.subsonic import subsonic_routes
from service.tokens import SCHEMES, SECURITY, Tokens
from service.tracks import tracks_routes
from service.users import users_routes
from service.values import values_routes
from service.version import VERSION

logger = logging.getLogger(__name__)

ROUTES = (
    similar_routes,
    tracks_routes,
    values_routes,
    search_routes,
    recall_routes,
    users_routes,
    genre_routes,
    space_routes,
    scan_routes,
    subsonic_routes,
    audiomuse_routes,
    health_routes,
    page_routes,
)
DOCS_FILES = "/docs-files"  # Swagger UI, out of the package fastapi-offline
DESCRIPTION = "What sounds like what: vectors of sound, the nearest of them, and the users who may like them."


def create_app(
    engine: Engine, settings: Settings | None = None, *, when_ready: Callable[[], None] | None = None
) -> FastAPI:
    """Make the service.

    Parameters
    ----------
    engine
        Answers the requests; closed when the service stops.
    settings
        Limits and the like; the usual ones by default. Its catalogue is not looked at.
    when_ready
        Called once, when index and tracks are in memory.
    """
    settings = settings or Settings()
    context = _context_of(engine, settings)
    app = FastAPIOffline(
        title="audio-engine",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=_lifespan(context, when_ready),
        redoc_url=None,
        static_url=DOCS_FILES,
        favicon_url="page/icon.svg",
    )
    app.add_middleware(AnswerHead)
    app.add_middleware(OwnSite, origins=settings.cors_origins, hosts=settings.hosts)
    app.add_middleware(BodyLimit, max_bytes=settings.max_upload_bytes)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=settings.cors_origins, allow_methods=["*"], allow_headers=["*"]
        )
    app.add_middleware(SafeHeaders)
    app.add_middleware(Metered, metrics=context.metrics)
    app.add_middleware(RootPath, prefix=settings.root_path)
    answer_errors(app, context.metrics)
    for routes in ROUTES:
        app.include_router(routes(context))
    described = app.openapi()  # made once, kept by the app
    described.setdefault("components", {})["securitySchemes"] = SCHEMES
    described["security"] = SECURITY
    return app


def _context_of(engine: Engine, settings: Settings) -> Context:
    """Make what the routes share."""
    n_workers = settings.n_workers or n_cores()
    begin = engine.search.keep_to_one_thread
    return Context(
        engine=engine,
        settings=settings,
        lookups=LookupPool(n_cores(), begin=begin),
        decode_queue=DecodeQueue(
            n_workers=n_workers,
            max_waiting=settings.max_waiting,
            max_per_client=settings.max_per_client,
            begin=begin,
        ),
        scan=Scan(engine, settings),
        tokens=Tokens(engine.directory),
        metrics=Metrics(),
        values=None if settings.values is None else LiveValues(settings.values),
    )


def _lifespan(
    context: Context, when_ready: Callable[[], None] | None
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Warm up beside the first requests; at the end let what has begun finish, then close the engine."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with context.engine:
            context.engine.search.keep_to_one_thread()  # the event loop's, which answers what is at hand
            warming = asyncio.create_task(context.lookups.run(_warm_up, context, when_ready))
            warming.add_done_callback(_log_failure)
            try:
                yield
            finally:
                await asyncio.wait({warming})
                await asyncio.to_thread(context.scan.close)
                await asyncio.to_thread(context.decode_queue.close)
                await asyncio.to_thread(context.lookups.close)

    return lifespan


def _log_failure(warming: asyncio.Task[None]) -> None:
    """Say why the service does not get ready."""
    if not warming.cancelled() and (error := warming.exception()) is not None:
        logger.error("the service cannot get ready: %s", error)


def _warm_up(context: Context, when_ready: Callable[[], None] | None) -> None:
    """Get the engine ready for many requests at once, then say so."""
    settings = context.settings
    context.engine.serve_many(
        n_workers=settings.n_workers or None,
        timeout_s=settings.decode_timeout_s,
        max_duration_s=settings.max_duration_s,
    )
    if settings.load_model:
        context.engine.models.active()
    if when_ready is not None:
        when_ready()
    context.is_ready.set()
