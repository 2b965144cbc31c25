"""Error responses as problem details (RFC 9457, ``application/problem+json``): one table for all routes.

References
----------
M. Nottingham, E. Wilde, S. Dalal, Problem details for HTTP APIs, RFC 9457, 2023. The ``type`` is ``about:blank``, so
that the title is the status in words; an extension member ``code`` tells programs what it was.
"""

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from audio_engine import (
    CatalogueError,
    DecodeError,
    DuplicateTrackError,
    NotTrainedError,
    RecipeMismatchError,
    TooLongError,
    TrackValuesError,
    UnknownTrackError,
    UnknownUserError,
)
from audio_engine.atomic_files import is_full_disk
from service.decode_queue import HungUpError
from service.metrics import Metrics

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
HUNG_UP = 499  # as nginx logs it; nobody reads it

# Every error of the engine that a request can meet; what is not here is a fault of ours, status 500.
PROBLEMS: dict[type[Exception], tuple[HTTPStatus, str]] = {
    UnknownTrackError: (HTTPStatus.NOT_FOUND, "unknown_track"),
    UnknownUserError: (HTTPStatus.NOT_FOUND, "unknown_user"),
    NotTrainedError: (HTTPStatus.CONFLICT, "not_trained"),
    RecipeMismatchError: (HTTPStatus.CONFLICT, "recipe_mismatch"),
    DuplicateTrackError: (HTTPStatus.CONFLICT, "duplicate"),
    TooLongError: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_long"),
    DecodeError: (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "undecodable"),
    CatalogueError: (HTTPStatus.SERVICE_UNAVAILABLE, "catalogue"),
    TrackValuesError: (HTTPStatus.SERVICE_UNAVAILABLE, "no_values"),
}
HTTP_CODES = {  # of what is refused before the engine is asked
    HTTPStatus.BAD_REQUEST: "bad_request",
    HTTPStatus.UNAUTHORIZED: "unauthorized",
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.REQUEST_TIMEOUT: "too_slow",
    HTTPStatus.CONFLICT: "already_running",
    HTTPStatus.GONE: "gone",
    HTTPStatus.PRECONDITION_FAILED: "changed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too_large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "unsupported_media_type",
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: "no_such_range",
    HTTPStatus.UNPROCESSABLE_ENTITY: "invalid_request",
    HTTPStatus.TOO_MANY_REQUESTS: "too_many_requests",
    HTTPStatus.SERVICE_UNAVAILABLE: "busy",
}


class Problem(BaseModel):
    """What went wrong."""

    type: str = "about:blank"
    title: str  # the status in words
    status: int
    detail: str
    code: str  # for programs


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Say in the OpenAPI page which problems a route can answer with."""
    return {
        int(status): {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": SCHEMA}}}
        for status in statuses
    }


SCHEMA = Problem.model_json_schema()
LOOKED_UP = problems(400, 401, 403, 404, 409, 422, 503)  # of a route that looks up
ASKED = LOOKED_UP | problems(413, 415)  # by a body of JSON
DECODED = problems(400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 503, 507)  # of a route that decodes


def problem(status: HTTPStatus, detail: str, *, code: str = "", headers: Any = None) -> JSONResponse:
    """Answer with a problem; its code is that of the status, unless said."""
    content = Problem(
        title=status.phrase, status=int(status), detail=detail, code=code or HTTP_CODES.get(status, "http")
    )
    return JSONResponse(content.model_dump(), status_code=status, headers=headers, media_type=MEDIA_TYPE)


def answer_errors(app: FastAPI, metrics: Metrics) -> None:
    """Let every error be answered as a problem."""

    def of_engine(_: Request, error: Exception) -> JSONResponse:
        metrics.decode_failures.inc(isinstance(error, DecodeError))
        return _of_engine(error)

    for kind in PROBLEMS:
        app.add_exception_handler(kind, of_engine)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(OSError, _of_disk)
    for kind in (HungUpError, ClientDisconnect):
        app.add_exception_handler(kind, lambda _, __: Response(status_code=HUNG_UP))
    app.add_exception_handler(Exception, _of_fault)


def _of_engine(error: Exception) -> JSONResponse:
    """Look an error of the engine up in the table; what is wrong with the server stays in its log."""
    status, code = next(PROBLEMS[kind] for kind in type(error).__mro__ if kind in PROBLEMS)
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return problem(status, str(error), code=code)
    logger.error("%s", error)
    return problem(status, "the log of the service says why", code=code)


def _of_disk(_: Request, error: Exception) -> JSONResponse:
    """Answer that a disk is full; where, is in the log. What else a system refuses is a fault."""
    if not is_full_disk(error):
        raise error
    logger.error("%s", error)
    detail = "there is no space left: the log of the service says where"
    return problem(HTTPStatus.INSUFFICIENT_STORAGE, detail, code="disk_full")


def _of_http(_: Request, error: Exception) -> JSONResponse:
    """Answer what is refused before the engine is asked: no such path, a body that is too large and the like."""
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    return problem(status, str(error.detail), headers=error.headers)


def _of_validation(_: Request, error: Exception) -> JSONResponse:
    """Answer a request that lacks something, naming it."""
    if not isinstance(error, RequestValidationError):
        raise error
    detail = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, code="invalid_request")


def _of_fault(_: Request, __: Exception) -> JSONResponse:
    """Answer a fault of ours; the server logs it."""
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "the log of the service says why", code="fault")
