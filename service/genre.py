"""``POST /v1/genre``: predicts the genres of an uploaded audio file, with probabilities."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from service.context import Context
from service.errors import DECODED
from service.requests import FileOnly, describe_body, parse_body

MAX_GENRES = 100  # in one answer


class GenreProbability(BaseModel):
    """One genre."""

    genre: str
    probability: float


class GenreResponse(BaseModel):
    """What a sound is."""

    genre: str  # the most probable one, or "unknown"
    is_unknown: bool
    probabilities: list[GenreProbability]  # the most probable first; none where it is unknown
    similarity: float  # to what the classifier learned from
    min_similarity: float  # below it: "unknown"


def genre_routes(context: Context) -> APIRouter:
    """Make the route."""
    may_read = Depends(context.tokens.may_read)
    router = APIRouter(prefix="/v1", tags=["genre"], responses=DECODED, dependencies=[may_read])

    @router.post("/genre", openapi_extra=describe_body(form=FileOnly))
    async def genre(request: Request, k: Annotated[int, Query(ge=1, le=MAX_GENRES)] = 3) -> GenreResponse:
        """Tell the genre of a sound file: at most `k` genres with probabilities, or "unknown"."""
        async with context.upload(request) as upload:
            parse_body(upload.fields, FileOnly)
            answer = await context.decode(request, upload, lambda: context.engine.genres.predict(upload.path, k=k))
        return GenreResponse(
            genre=answer.genre,
            is_unknown=answer.is_unknown,
            probabilities=[GenreProbability(genre=name, probability=share) for name, share in answer.probabilities],
            similarity=answer.similarity,
            min_similarity=answer.min_similarity,
        )

    return router
