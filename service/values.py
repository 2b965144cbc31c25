"""``GET /v1/tracks/{id}/value``: what a track is worth now, from the sink of ``audio-engine stream run``."""

from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field

from audio_engine import TrackValuesError
from audio_engine.streaming.track_values import Exploration, LiveValues, TrackValue
from service.context import Context
from service.errors import LOOKED_UP
from service.settings import variable
from service.tracks import TrackId

MAX_WEIGHT = 1_000.0  # of the bonus


class ValueRequest(BaseModel):
    """As of when, and which bonus; what is misspelt is refused, not left out."""

    model_config = ConfigDict(extra="forbid")

    at_day: float | None = Field(None, allow_inf_nan=False, description="As of the latest record otherwise.")
    weight: float = Field(1.0, ge=0, le=MAX_WEIGHT, description="Of the exploration bonus; that of UCB1 is 1.")
    enough: int = Field(100, ge=0, le=2**53, description="Plays after which a track gets no bonus.")


class ValueResponse(BaseModel):
    """The value of a track."""

    track_id: str
    at_day: float  # days since 1970, or since whatever the log counts from
    decayed_plays: float  # plays, each halved every half-life
    plays: int
    likes: int
    dislikes: int
    skips: int
    favourites: int
    shares: int
    purchases: int
    subscribes: int
    all_plays: int  # of all tracks
    smoothed_rate: float  # of likes
    explored_value: float  # with the bonus for few plays

    @classmethod
    def of(cls, value: TrackValue) -> "ValueResponse":
        """Make a response of a value."""
        return cls(
            track_id=value.track, **{name: getattr(value, name) for name in cls.model_fields if name != "track_id"}
        )


def values_routes(context: Context) -> APIRouter:
    """Make the route."""
    may_read = Depends(context.tokens.may_read)
    router = APIRouter(prefix="/v1/tracks", tags=["tracks"], dependencies=[may_read], responses=LOOKED_UP)

    @router.get("/{track_id}/value")
    async def value(track_id: TrackId, asked: Annotated[ValueRequest, Query()]) -> ValueResponse:
        """Tell what a track is worth by the plays and events so far; one that nobody played has the bonus alone."""
        if context.values is None:
            raise TrackValuesError(f"{variable('values')} must name the sink of a stream, got none")
        found = await context.lookups.run(partial(_value, context, context.values, track_id, asked))
        return ValueResponse.of(found)

    return router


def _value(context: Context, values: LiveValues, track_id: str, asked: ValueRequest) -> TrackValue:
    """Look a track up; one that neither the stream nor the catalogue has is unknown."""
    if not values.has(track_id):
        context.engine.track(track_id)
    try:
        exploration = Exploration(weight=asked.weight, enough=asked.enough)
        return values.value(track_id, at_day=asked.at_day, exploration=exploration)
    except ValueError as error:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
