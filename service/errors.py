"""Errors in, problems out (RFC 9457, ``application/problem+json``): one table for all routes.

References
----------
M. Nottingham, E. Wilde, S. Dalal, Problem details for HTTP APIs, RFC 9457, 2023. The ``type`` is ``about:blank``, so
that the title is the status in words; an extension member ``code`` tells programs what it was.
"""

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from audio_engine import CatalogueError, DecodeError, NotTrainedError, RecipeMismatchError, UnknownTrackError

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

# Every error of the engine that a request can meet; what is not here is a fault of ours, status 500.
PROBLEMS: dict[type[Exception], tuple[HTTPStatus, str]] = {
    UnknownTrackError: (HTTPStatus.NOT_FOUND, "unknown_track"),
    NotTrainedError: (HTTPStatus.CONFLICT, "not_trained"),
    RecipeMismatchError: (HTTPStatus.CONFLICT, "recipe_mismatch"),
    DecodeError: (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "undecodable"),
    CatalogueError: (HTTPStatus.SERVICE_UNAVAILABLE, "catalogue"),
}
HTTP_CODES = {  # of what is refused before a route is asked
    HTTPStatus.BAD_REQUEST: "bad_request",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too_large",
}
PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {  # for the OpenAPI page
    int(status): {"description": status.phrase, "content": {MEDIA_TYPE: {}}}
    for status in (
        HTTPStatus.CONFLICT,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    )
}


def answer_errors(app: FastAPI) -> None:
    """Let every error be answered as a problem."""
    for kind in PROBLEMS:
        app.add_exception_handler(kind, _of_engine)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(Exception, _of_fault)


def _of_engine(_: Request, error: Exception) -> JSONResponse:
    """Look an error of the engine up in the table; what is wrong with the server stays in its log."""
    status, code = next(PROBLEMS[kind] for kind in type(error).__mro__ if kind in PROBLEMS)
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return _problem(status, str(error), code=code)
    logger.error("%s", error)
    return _problem(status, "the log of the service says why", code=code)


def _of_http(_: Request, error: Exception) -> JSONResponse:
    """Answer what is refused before a route is asked: no such path, a body that is too large and the like."""
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    return _problem(status, str(error.detail), code=HTTP_CODES.get(status, "http"), headers=error.headers)


def _of_validation(_: Request, error: Exception) -> JSONResponse:
    """Answer a request that lacks something, naming it."""
    if not isinstance(error, RequestValidationError):
        raise error
    detail = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
    return _problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, code="invalid_request")


def _of_fault(_: Request, __: Exception) -> JSONResponse:
    """Answer a fault of ours; the server logs it."""
    return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "the log of the service says why", code="fault")


def _problem(status: HTTPStatus, detail: str, *, code: str, headers: Any = None) -> JSONResponse:
    content = {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": detail, "code": code}
    return JSONResponse(content, status_code=status, headers=headers, media_type=MEDIA_TYPE)
