"""``POST /v1/recall`` and ``POST /v1/users-for``: tracks for a user, and users for a track."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator

from audio_engine import Play, RecalledTrack, RecalledUser, TrackVector, UnknownTrackError
from audio_engine.catalogue.track import DIM
from audio_engine.recall.recommendations import MAX_INTERESTS
from service.context import Context
from service.errors import ASKED, DECODED
from service.requests import MAX_K, FilterFields, IdText, describe_body, media_type_of, parse_body, read_json
from service.responses import EXAMPLE, TrackResponse
from service.uploads import MULTIPART

MAX_PLAYS = 1_000
MAX_DAYS = 36_500.0


class PlayOf(BaseModel):
    """One line of a user's history."""

    model_config = ConfigDict(extra="forbid")

    track_id: IdText
    action: Literal["none", "like", "dislike", "skip"] = "like"
    completion: float | None = Field(None, ge=0, le=1, description="Share of the track that was heard.")
    days_ago: float = Field(0.0, ge=0, le=MAX_DAYS)


class RecallRequest(FilterFields):
    """Tracks for a user: one of `plays`, `user`, `vector`."""

    plays: list[PlayOf] | None = Field(None, min_length=1, max_length=MAX_PLAYS)
    user: str | None = Field(None, min_length=1, max_length=200, description="A name in the play log that was learned.")
    vector: list[float] | None = Field(None, min_length=DIM, max_length=DIM, description="The user's, any length.")
    k: int = Field(100, ge=1, le=MAX_K)
    max_per_artist: int | None = Field(None, ge=1, le=MAX_K)
    only_new: bool = Field(False, description="Only tracks that nobody in the play log has played.")
    fresh_days: float | None = Field(None, gt=0, le=MAX_DAYS, description="Only tracks that came in so lately.")
    interests: Annotated[int, Field(ge=1, le=MAX_INTERESTS)] | Literal["auto"] = Field(
        1, description="Into how many groups of sound the likes are divided; auto: as many as are clearly seen."
    )
    diversity: float = Field(0.0, ge=0, le=1, description="How much tracks must differ from those before them.")

    @model_validator(mode="after")
    def _is_one_user(self) -> "RecallRequest":
        if sum(given is not None for given in (self.plays, self.user, self.vector)) != 1:
            raise ValueError("one of plays, user and vector must be given")
        if self.vector is not None and not 1e-6 < float(np.linalg.norm(self.vector)) < 1e6:
            raise ValueError("vector must have a length, got one of (nearly) none, or more than a million")
        return self


class UsersForRequest(BaseModel):
    """Users for a track."""

    model_config = ConfigDict(extra="forbid")

    k: int = Field(100, ge=1, le=MAX_K)


class UsersForTrackRequest(UsersForRequest):
    """Users for a track of the catalogue."""

    track_id: IdText


class RecalledTrackResponse(BaseModel):
    """A track to show."""

    rank: int  # from 1
    score: float  # more is closer
    track: TrackResponse
    reasons: list[str]  # ids of liked tracks that it sounds like, of its interest
    interest: int  # of the user's interests, the one it was found for: 1 is the largest
    method: str | None  # how the user's vector was made: "user tower", "sound" or both; null where it was given


class RecallResponse(BaseModel):
    """Tracks for a user, the best first."""

    tracks: list[RecalledTrackResponse]


class RecalledUserResponse(BaseModel):
    """A user to show the track to."""

    rank: int  # from 1
    user: str
    similarity: float
    reasons: list[str]  # ids of liked tracks that it sounds like
    method: str | None  # how the users' vectors were made: "user tower and sound" or "sound"


class UsersForResponse(BaseModel):
    """Users for a track, the closest first."""

    users: list[RecalledUserResponse]


def recall_routes(context: Context) -> APIRouter:
    """Make the routes."""
    engine = context.engine
    router = APIRouter(prefix="/v1", tags=["recall"], dependencies=[Depends(context.tokens.may_read)])

    def tracks_for(body: RecallRequest) -> RecallResponse:
        plays = _plays(body)
        with _refusing():
            recalled = engine.recommender.tracks_for(
                plays=plays,
                user=body.user,
                vector=_unit(body.vector),
                k=body.k,
                where=body.where(),
                max_per_artist=body.max_per_artist,
                only_new=body.only_new,
                fresh_days=body.fresh_days,
                interests=body.interests,
                diversity=body.diversity,
            )
        return RecallResponse(tracks=[_track(each) for each in recalled])

    def _plays(body: RecallRequest) -> list[Play] | None:
        """Make plays of tracks that are known by their id; over HTTP nobody names a path."""
        if body.plays is None:
            return None
        seeds = analysed([play.track_id for play in body.plays])
        return [
            Play(track=seeds[each.track_id], action=each.action, completion=each.completion, days_ago=each.days_ago)
            for each in body.plays
        ]

    def users_for(track_id: str, k: int) -> UsersForResponse:
        return of_users(analysed([track_id])[track_id], k)

    def of_users(track: TrackVector | Path, k: int) -> UsersForResponse:
        with _refusing():
            recalled = engine.recommender.users_for(track, k=k)
        return UsersForResponse(users=[_user(each) for each in recalled])

    def analysed(track_ids: list[str]) -> dict[str, TrackVector]:
        """Find tracks with the vectors that the catalogue has: a look-up decodes nothing, whatever lies on the disk."""
        seeds = engine.search.track_vectors(track_ids)
        for track_id in track_ids:
            if track_id not in seeds:
                engine.track(track_id)  # raises where there is none
                raise UnknownTrackError(f"track_id must be of a track that has been analysed, got {track_id!r}")
        return seeds

    play = {"track_id": EXAMPLE["track_id"], "action": "like", "completion": 0.9, "days_ago": 3}

    @router.post(
        "/recall",
        responses=ASKED,
        openapi_extra=describe_body(json_body=RecallRequest, example={"plays": [play], "k": 20, "only_new": True}),
    )
    async def recall(request: Request) -> RecallResponse:
        """Find tracks for a user: by plays, by their name in the play log that was learned, or by a vector."""
        return await context.lookups.run(tracks_for, await read_json(request, RecallRequest))

    @router.post(
        "/users-for",
        responses=DECODED,
        openapi_extra=describe_body(
            json_body=UsersForTrackRequest, form=UsersForRequest, example={"track_id": EXAMPLE["track_id"], "k": 20}
        ),
    )
    async def users_for_track(request: Request) -> UsersForResponse:
        """Find the users to show a track to: one of the catalogue (JSON), or a sound file (a form)."""
        if media_type_of(request) != MULTIPART:
            body = await read_json(request, UsersForTrackRequest)
            return await context.lookups.run(users_for, body.track_id, body.k)
        async with context.upload(request) as upload:
            k = parse_body(upload.fields, UsersForRequest).k
            return await context.decode(request, upload, lambda: of_users(upload.path, k))

    return router


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn what the engine finds wrong with a request, and a track that went while it was answered, into problems."""
    try:
        yield
    except (ValueError, LookupError) as error:
        if type(error) is ValueError:
            raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
        if type(error) is LookupError:
            detail = f"the catalogue changed meanwhile ({error}): ask again"
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, detail, {"Retry-After": "1"}) from error
        raise


def _unit(vector: list[float] | None) -> "np.ndarray[tuple[int], np.dtype[np.float32]] | None":
    """Bring a vector to unit length."""
    if vector is None:
        return None
    numbers = np.asarray(vector, dtype=np.float64)
    return (numbers / np.linalg.norm(numbers)).astype(np.float32)


def _track(each: RecalledTrack) -> RecalledTrackResponse:
    reasons = [track.track_id for track in each.reasons]
    return RecalledTrackResponse(
        rank=each.rank,
        score=each.score,
        track=TrackResponse.of(each.track),
        reasons=reasons,
        interest=each.interest,
        method=each.method,
    )


def _user(each: RecalledUser) -> RecalledUserResponse:
    reasons = [track.track_id for track in each.reasons]
    return RecalledUserResponse(
        rank=each.rank, user=each.user, similarity=each.similarity, reasons=reasons, method=each.method
    )
