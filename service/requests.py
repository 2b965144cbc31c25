"""Request bodies: parsed from JSON, or from a form with a file, with the same fields."""

import json
from dataclasses import fields
from http import HTTPStatus
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl

from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from audio_engine import Steering, TrackFilter
from audio_engine.search.steering import MAX_MINUTES, MAX_WEIGHT, PLAIN
from service.uploads import MULTIPART

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MAX_K = 500
MAX_SEEDS = 100
STEERING = tuple(field.name for field in fields(Steering))
MAX_JSON_BYTES = 1_000_000  # of a body; a thousand plays take a fifth of it
MAX_FIELDS = 1_000  # of a form
BodyT = TypeVar("BodyT", bound=BaseModel)
IdText = Annotated[str, Field(max_length=64)]  # of a track; without a bound pydantic lets lone surrogates through


def _parsed(weights: Any) -> Any:
    """Read weights that stand in a form, as JSON."""
    if not isinstance(weights, str):
        return weights
    try:
        return json.loads(weights)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"must be JSON: {error}") from error


Weight = Annotated[float, Field(gt=0, le=MAX_WEIGHT)]
Weights = Annotated[dict[IdText, Weight], BeforeValidator(_parsed)]


class FilterFields(BaseModel):
    """Which tracks may stand in an answer."""

    model_config = ConfigDict(extra="forbid")

    genre: str | None = Field(None, max_length=200, description="In a tag, or predicted; in any spelling.")
    not_artist: str | None = Field(None, max_length=200, description="Not this one's.")
    year_from: int | None = Field(None, ge=1000, le=9999)
    year_to: int | None = Field(None, ge=1000, le=9999)
    min_duration_s: float | None = Field(None, ge=0, le=1e6, description="Seconds, at least.")
    max_duration_s: float | None = Field(None, ge=0, le=1e6, description="Seconds, at most.")
    bpm_from: float | None = Field(None, ge=0, le=1_000, description="Beats a minute, as measured.")
    bpm_to: float | None = Field(None, ge=0, le=1_000)
    key: str | None = Field(None, max_length=20, description="As measured; in any spelling: Am, A minor, 8A.")

    _where: TrackFilter | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _fits_together(self) -> "FilterFields":
        given = self.model_fields_set & FilterFields.model_fields.keys()
        if given:
            self._where = TrackFilter(**{name: getattr(self, name) for name in given}) or None
        return self

    def where(self) -> TrackFilter | None:
        """Give the engine's filter; None where nothing is filtered."""
        return self._where


class SimilarOptions(FilterFields):
    """How many neighbours, which, and how they are steered."""

    k: int | None = Field(None, ge=1, le=MAX_K, description="Places in the answer: 10, or as many as fill `minutes`.")
    like: Weights = Field({}, max_length=MAX_SEEDS, description="Further tracks to be like: weights by id.")
    unlike: Weights = Field({}, max_length=MAX_SEEDS, description="Tracks to be unlike: weights by id.")
    variation: float = Field(0.0, ge=0, le=1, description="How much chance reorders the answer.")
    seed: int = Field(0, ge=-(2**63), lt=2**63, description="Of that chance: the same seed, the same answer.")
    diverse: float = Field(0.0, ge=0, le=1, description="How much tracks must differ from those before them.")
    artist_gap: int = Field(0, ge=0, le=MAX_K, description="Places in which an artist does not come again.")
    minutes: float | None = Field(None, gt=0, le=MAX_MINUTES, description="Length of a playlist, at most.")
    max_per_artist: int | None = Field(None, ge=1, le=MAX_K, description="Places for one artist.")
    not_same_artist: bool = Field(False, description="Leave out the artists of the seeds.")

    def steering(self) -> Steering:
        """Give the engine's steering."""
        if self.model_fields_set.isdisjoint(STEERING):
            return PLAIN
        return Steering(**{name: getattr(self, name) for name in STEERING})


class FileOnly(BaseModel):
    """A form that has no fields but its file."""

    model_config = ConfigDict(extra="forbid")


async def read_json(request: Request, kind: type[BodyT]) -> BodyT:
    """Read a request that comes as JSON.

    Raises
    ------
    HTTPException
        415 where it is no JSON by its type, 400 by its content; 413 where there is more than any request needs.
    RequestValidationError
        When it is no such request.
    """
    if media_type_of(request) != JSON:
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"content-type must be {JSON}")
    try:
        content = json.loads(await _body(request))
    except (ValueError, RecursionError) as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"body must be JSON: {error}") from error
    return parse_body(content, kind)


async def read_form(request: Request) -> dict[str, str]:
    """Read a form that holds no file, of the kind that a page sends by default; none where the body is no such form."""
    if media_type_of(request) != FORM:
        return {}
    try:
        return dict(parse_qsl((await _body(request)).decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"body must be {FORM}: {error}") from error


async def _body(request: Request) -> bytes:
    """Read a body that is held in memory, and made sense of on the event loop."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_JSON_BYTES:
            detail = f"a body without a file must have at most {MAX_JSON_BYTES} bytes"
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
    return bytes(body)


def parse_body(content: Any, kind: type[BodyT]) -> BodyT:
    """Check what a body holds, and make a request of it; numbers may be text, as they are in forms.

    Raises
    ------
    RequestValidationError
        When it is no such request.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        errors = [
            {**each, "loc": ("body", *each["loc"])} for each in error.errors(include_url=False, include_context=False)
        ]
        raise RequestValidationError(errors) from error


def media_type_of(request: Request) -> str:
    """Give the media type of a body."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def describe_body(
    *, json_body: type[BaseModel] | None = None, form: type[BaseModel] | None = None, example: Any = None
) -> dict[str, Any]:
    """Describe a body for the OpenAPI page: JSON, a form with a file and some fields, or both."""
    content: dict[str, Any] = {}
    if json_body is not None:
        content[JSON] = {"schema": json_body.model_json_schema(), "example": example}
    if form is not None:
        schema = form.model_json_schema()
        file = {"type": "string", "format": "binary", "description": "A sound file of any usual kind."}
        content[MULTIPART] = {
            "schema": {
                **schema,
                "properties": {"file": file, **schema.get("properties", {})},
                "required": ["file", *schema.get("required", [])],
            }
        }
    return {"requestBody": {"required": True, "content": content}}
