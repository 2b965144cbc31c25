"""Authorisation by bearer tokens, if there are any (``audio-engine token add``)."""

from http import HTTPStatus
from pathlib import Path

from fastapi import HTTPException, Request

from audio_engine.catalogue.api_tokens import Scope, TokenFile

BEARER = "bearer"  # the scheme's name in the OpenAPI page
SCHEMES = {
    BEARER: {
        "type": "http",
        "scheme": "bearer",
        "description": "A token that `audio-engine token add` made; needed once there is one.",
    }
}
SECURITY = [{}, {BEARER: list[str]()}]  # with one, or without


class Tokens:
    """The doors of a service; each is a dependency of routes, asked before a body is read.

    Parameters
    ----------
    directory
        The catalogue's folder.
    """

    def __init__(self, directory: Path) -> None:
        self.file = TokenFile(directory)

    async def may_read(self, request: Request) -> None:
        """Let in who may ask."""
        self.authorise(request, "read")

    async def may_write(self, request: Request) -> None:
        """Let in who may change the catalogue."""
        self.authorise(request, "write")

    def authorise(self, request: Request, scope: Scope) -> None:
        """Note whose request this is, or refuse it."""
        request.state.client = request.client.host if request.client else ""
        if not self.file.exists:
            return
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        token = self.file.find(secret.strip()) if scheme.lower() == BEARER else None
        if token is None:
            challenge = {"WWW-Authenticate": "Bearer" + (' error="invalid_token"' if secret else "")}
            raise HTTPException(HTTPStatus.UNAUTHORIZED, "a token is needed: Authorization: Bearer …", challenge)
        if scope == "write" and token.scope != "write":
            challenge = {"WWW-Authenticate": 'Bearer error="insufficient_scope", scope="write"'}
            raise HTTPException(HTTPStatus.FORBIDDEN, "the token must have the scope write, got read", challenge)
        request.state.client = f"token {token.name}"
