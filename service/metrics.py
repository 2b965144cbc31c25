"""Prometheus metrics: requests and seconds by route, work in progress, files that could not be decoded."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
NO_ROUTE = "none"  # the label of paths that lead nowhere: anyone could make up any number of them


class Metrics:
    """The numbers of one service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route")
        self._requests = Counter(
            "audio_engine_requests", "Requests answered.", (*labels, "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "audio_engine_request_seconds",
            "From a request's head to its answer's end.",
            labels,
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self.decode_failures = Counter(
            "audio_engine_decode_failures", "Uploads that could not be decoded.", registry=self.registry
        )
        self.queue_depth = Gauge(
            "audio_engine_queue_depth", "Requests that hold a place.", ("queue",), registry=self.registry
        )
        self.index_size = Gauge("audio_engine_index_size", "Tracks that can be found.", registry=self.registry)

        self._of_labels: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def note(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        labels = method, route, status
        if labels not in self._of_labels:
            self._of_labels[labels] = self._requests.labels(*labels), self._seconds.labels(method, route)
        requests, latency = self._of_labels[labels]
        requests.inc()
        latency.observe(seconds)

    def text(self) -> bytes:
        """Write everything down."""
        return generate_latest(self.registry)


class Metered:
    """ASGI middleware that notes each request.

    Parameters
    ----------
    app
        Whom it stands before.
    metrics
        Where it is noted.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun_s, status = time.perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            route = getattr(scope.get("route"), "path", NO_ROUTE)
            seconds = time.perf_counter() - begun_s
            self.metrics.note(method=_method(scope), route=route, status=status, seconds=seconds)


def _method(scope: Scope) -> str:
    """Give the method; one that nobody knows is no label."""
    known = scope["method"] in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
    return scope["method"] if known else "other"
