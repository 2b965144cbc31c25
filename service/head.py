"""HEAD for whatever GET gives: the same head, no body.

References
----------
R. Fielding, M. Nottingham, J. Reschke, HTTP Semantics, RFC 9110, 2022: section 9.3.2, and 14.2 (ranges are for GET).
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

SENDS_FILES = "http.response.pathsend"  # ASGI extension: a file is named, not read


class AnswerHead:
    """ASGI middleware that passes HEAD on as GET.

    Parameters
    ----------
    app
        Whom it stands before.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def bare(message: Message) -> None:
            if message["type"] == SENDS_FILES:
                message = {"type": "http.response.body"}
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
        extensions = {**(scope.get("extensions") or {}), SENDS_FILES: {}}
        asked = {**scope, "method": "GET", "headers": headers, "extensions": extensions}
        try:
            await self.app(asked, receive, bare)
        finally:
            scope["route"] = asked.get("route")  # requests are counted by it
