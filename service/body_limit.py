"""Limit on the size of request bodies: whatever length a client announces, no more is read or stored.

FastAPI reads a whole form before it calls a route, and its own limit answers in plain text; here exceeding the limit is
an error like any other, answered as a problem.
"""

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """ASGI middleware that counts what is received.

    Parameters
    ----------
    app
        Whom it stands before.
    max_bytes
        Of a body, with all that multipart adds.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        n_bytes = 0

        async def counted() -> Message:
            nonlocal n_bytes
            if _announced(scope) > self.max_bytes:
                raise self._too_large()
            message = await receive()
            n_bytes += len(message.get("body", b""))
            if n_bytes > self.max_bytes:
                raise self._too_large()
            return message

        await self.app(scope, counted if scope["type"] == "http" else receive, send)

    def _too_large(self) -> HTTPException:
        return HTTPException(413, f"body must have at most {self.max_bytes} bytes")


def _announced(scope: Scope) -> int:
    """Read the length that the sender announces; 0 where there is none, or none that is a number."""
    length = Headers(scope=scope).get("content-length", "")
    return int(length) if length.isdecimal() else 0
