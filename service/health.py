"""``/healthz`` (liveness), ``/readyz`` (readiness) and ``/metrics`` (for Prometheus)."""

from http import HTTPStatus

from fastapi import APIRouter, Depends, HTTPException, Response
from pydantic import BaseModel

from service.context import Context
from service.errors import problems

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


class Health(BaseModel):
    """It lives."""

    status: str = "ok"


class Readiness(BaseModel):
    """It can answer."""

    status: str = "ready"
    model_id: str
    n_tracks: int


def health_routes(context: Context) -> APIRouter:
    """Make the routes."""
    router = APIRouter(tags=["health"])
    engine = context.engine

    @router.get("/healthz")
    async def healthz() -> Health:
        """Say that the service lives."""
        return Health()

    @router.get("/readyz", responses=problems(503))
    async def readyz() -> Readiness:
        """Say whether index and tracks are in memory, and whether the catalogue can be read."""
        if not context.is_ready.is_set():
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "the index is still being loaded", {"Retry-After": "1"})
        n_tracks = await context.lookups.run(lambda: engine.n_tracks)
        return Readiness(model_id=await context.lookups.run(lambda: engine.models.active_id), n_tracks=n_tracks)

    @router.get(
        "/metrics",
        response_class=Response,
        dependencies=[Depends(context.tokens.may_read)],
        responses=problems(401, 503) | {200: {"content": {"text/plain": {}}}},
    )
    async def metrics() -> Response:
        """Say what was counted."""
        context.metrics.queue_depth.labels("decode").set(context.decode_queue.n_under_way)
        context.metrics.queue_depth.labels("look up").set(context.lookups.n_under_way)
        context.metrics.index_size.set(await context.lookups.run(lambda: engine.n_tracks))
        return Response(context.metrics.text(), media_type=PROMETHEUS)

    return router
