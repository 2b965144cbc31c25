"""``/v1/users/{user}``: what a user likes (profile), how they listen (persona), and the card of that."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

import polars as pl
from fastapi import APIRouter, Depends, HTTPException, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from service.context import Context
from service.errors import LOOKED_UP, problems

if TYPE_CHECKING:
    from audio_engine.users.persona_stars import Persona
    from audio_engine.users.user_profiles import UserProfiles

MAX_VALUES = 500
UserName = Annotated[str, Path(max_length=200, examples=["ann"])]
PNG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {}}, "description": "1080 by 1350 pixels"}}
LACKING = "the card needs matplotlib: pip install 'audio-content-engine[card]'"


class ProfileRequest(BaseModel):
    """How much of a profile."""

    model_config = ConfigDict(extra="forbid")

    k: int = Field(10, ge=1, le=MAX_VALUES, description="Values of each dimension, liked and disliked each.")


class PreferenceResponse(BaseModel):
    """What a user thinks of one value, such as a genre."""

    value: str  # of a track: its id
    n_plays: int
    share: float  # of the user's plays, as of the last day, 0 to 1
    weight: float  # liked minus disliked, in likes as of the last day
    preference: float  # -1 to 1, smoothed
    everyone: float  # the same of all users together
    confidence: float  # 0 to 1


class DimensionResponse(BaseModel):
    """What a user thinks of the values of one dimension."""

    liked: list[PreferenceResponse]  # the most first
    disliked: list[PreferenceResponse]  # the most first


class ProfileResponse(BaseModel):
    """What a user likes and dislikes."""

    user: str
    dimensions: dict[str, DimensionResponse]  # genre, language, region, artist, sound, track: those that are known


class TraitResponse(BaseModel):
    """One measure of how a user listens."""

    name: str
    title: str
    value: float
    percentile: float  # share of users below, 0 to 1
    stars: int  # 1 to 5
    sentence: str


class PersonaResponse(BaseModel):
    """How a user listens."""

    user: str
    n_plays: int
    headline: str
    traits: list[TraitResponse]
    favourites: dict[str, list[str]]  # what they like most, by dimension, in words

    @classmethod
    def of(cls, persona: "Persona", favourites: dict[str, list[str]]) -> "PersonaResponse":
        """Lay a persona out."""
        traits = [TraitResponse(**vars(trait)) for trait in persona.traits]
        return cls(
            user=persona.user,
            n_plays=persona.n_plays,
            headline=persona.headline,
            traits=traits,
            favourites=favourites,
        )


def users_routes(context: Context) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1/users/{user:path}", tags=["users"], dependencies=[Depends(context.tokens.may_read)])

    @cache
    def profiles() -> "UserProfiles":
        from audio_engine.users.user_profiles import UserProfiles  # noqa: PLC0415  (loads SciPy)

        return UserProfiles(context.engine.catalogue, context.engine.models)

    def profile_of(user: str, k: int) -> ProfileResponse:
        table = profiles().profile(user)
        parts = {str(name): part for (name,), part in table.partition_by("dimension", as_dict=True).items()}
        return ProfileResponse(user=user, dimensions={name: _dimension(part, k) for name, part in parts.items()})

    def persona_of(user: str) -> PersonaResponse:
        with _refusing():
            return PersonaResponse.of(profiles().persona(user), profiles().favourites(user))

    def card_of(user: str) -> bytes:
        from audio_engine.users.persona_card import draw_card  # noqa: PLC0415  (loads SciPy)

        with _refusing():
            return draw_card(profiles().persona(user), favourites=profiles().favourites(user), name=user)

    @router.get("/profile", responses=LOOKED_UP)
    async def profile(user: UserName, asked: Annotated[ProfileRequest, Query()]) -> ProfileResponse:
        """Tell what a user likes and dislikes, by genre, language, region, artist, sound and track."""
        return await context.lookups.run(profile_of, user, asked.k)

    @router.get("/persona", responses=LOOKED_UP)
    async def persona(user: UserName) -> PersonaResponse:
        """Tell how a user listens: five measures, with stars and in words."""
        return await context.lookups.run(persona_of, user)

    @router.get("/card", responses=LOOKED_UP | problems(501) | PNG, response_class=Response)
    async def card(user: UserName) -> Response:
        """Draw how a user listens as a picture."""
        return Response(await context.lookups.run(card_of, user), media_type="image/png")

    return router


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn a user who has no persona yet, and a library that is lacking, into problems."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise HTTPException(HTTPStatus.NOT_IMPLEMENTED, LACKING) from error
    except ValueError as error:
        if type(error) is ValueError:
            raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
        raise


def _dimension(part: pl.DataFrame, k: int) -> DimensionResponse:
    """Lay one dimension out, which is ordered from the most liked to the most disliked."""
    liked, disliked = part.filter(pl.col("weight") > 0).head(k), part.filter(pl.col("weight") < 0).reverse().head(k)
    return DimensionResponse(liked=_rows(liked), disliked=_rows(disliked))


def _rows(part: pl.DataFrame) -> list[PreferenceResponse]:
    """Lay values out."""
    names = list(PreferenceResponse.model_fields)
    return [PreferenceResponse(**row) for row in part.select(names).iter_rows(named=True)]
