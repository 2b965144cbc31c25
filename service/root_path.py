"""A service behind a proxy: a prefix of all its paths, and redirects without a host, which the proxy alone knows."""

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

ORIGIN = re.compile(rb"^https?://[^/]*/*")


class RootPath:
    """ASGI middleware that makes every path begin with the prefix, whether the proxy takes it off or passes it on.

    Parameters
    ----------
    app
        Whom it stands before.
    prefix
        As in "/music"; empty: none, and what the server says is left as it is.
    """

    def __init__(self, app: ASGIApp, *, prefix: str) -> None:
        self.app, self.prefix = app, prefix.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if self.prefix and scope["type"] == "http":
            path: str = scope["path"]
            is_whole = path == self.prefix or path.startswith(f"{self.prefix}/")
            scope = {**scope, "root_path": self.prefix, "path": path if is_whole else self.prefix + path}

        async def hostless(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    (name, ORIGIN.sub(b"/", value) if name == b"location" else value)
                    for name, value in message.get("headers", ())
                ]
            await send(message)

        await self.app(scope, receive, hostless)
