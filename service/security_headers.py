"""Security headers on every response, and refusal of cross-site requests from browsers.

References
----------
Content Security Policy Level 3, W3C; Fetch Metadata, W3C (``Origin`` is older and sent by all browsers).
"""

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import problem

POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; style-src 'self' 'unsafe-inline'; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
DOCS = "/docs"  # FastAPI's page begins Swagger UI by a script within it
DOCS_POLICY = f"{POLICY}; script-src 'self' 'unsafe-inline'"
SAFE, SAFE_DOCS = (
    (
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"x-frame-options", b"DENY"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"content-security-policy", policy.encode()),
    )
    for policy in (POLICY, DOCS_POLICY)
)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class SafeHeaders:
    """ASGI middleware for the headers of answers.

    Parameters
    ----------
    app
        Whom it stands before.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        is_docs = scope.get("path") == scope.get("root_path", "") + DOCS
        headers = SAFE_DOCS if is_docs else SAFE

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *headers]
            await send(message)

        await self.app(scope, receive, guarded)


class OwnSite:
    """ASGI middleware that refuses what pages of other sites make a browser send, and names that are not ours.

    Without it any page on the web could add tracks to a service on someone's own machine, or, by a name that it lets
    resolve to 127.0.0.1, read from it.

    Parameters
    ----------
    app
        Whom it stands before.
    origins
        Other sites that may ask.
    hosts
        Names that a request may call us by; any where there are none.
    """

    def __init__(self, app: ASGIApp, *, origins: tuple[str, ...], hosts: tuple[str, ...]) -> None:
        self.app, self.origins, self.hosts = app, frozenset(origins), frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            host = headers.get("host", "")
            if self.hosts and _name(host) not in self.hosts:
                refused = problem(HTTPStatus.BAD_REQUEST, "host must be a name of this service")
                return await refused(scope, receive, send)
            origin = headers.get("origin")
            is_foreign = origin is not None and origin.partition("://")[2] != host and origin not in self.origins
            if is_foreign and scope["method"] not in SAFE_METHODS:
                refused = problem(HTTPStatus.FORBIDDEN, "origin must be this service, or a site that it knows")
                return await refused(scope, receive, send)
        return await self.app(scope, receive, send)


def _name(host: str) -> str:
    """Take the port off."""
    return host.lower().partition("]")[0] + "]" if host.startswith("[") else host.lower().partition(":")[0]
