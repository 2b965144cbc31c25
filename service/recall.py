"""``POST /v1/recall`` and ``POST /v1/users-for``: tracks for a user, and users for a track."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Literal

import numpy as np
from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator

from audio_engine import Play, RecalledTrack, RecalledUser, UnknownTrackError
from audio_engine.catalogue.track import DIM, TrackVector
from service.context import Serving
from service.errors import ASKED, DECODED
from service.requests import MAX_K, Filtered, IdText, asked, asked_in_json, body_of, kind_of
from service.responses import EXAMPLE, TrackReply
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


class RecallQuestion(Filtered):
    """Tracks for a user: one of `plays`, `user`, `vector`."""

    plays: list[PlayOf] | None = Field(None, min_length=1, max_length=MAX_PLAYS)
    user: str | None = Field(None, min_length=1, max_length=200, description="A name in the play log that was learned.")
    vector: list[float] | None = Field(None, min_length=DIM, max_length=DIM, description="The user's, any length.")
    k: int = Field(100, ge=1, le=MAX_K)
    max_per_artist: int | None = Field(None, ge=1, le=MAX_K)
    only_new: bool = Field(False, description="Only tracks that nobody in the play log has played.")
    fresh_days: float | None = Field(None, gt=0, le=MAX_DAYS, description="Only tracks that came in so lately.")

    @model_validator(mode="after")
    def _is_one_user(self) -> "RecallQuestion":
        if sum(given is not None for given in (self.plays, self.user, self.vector)) != 1:
            raise ValueError("one of plays, user and vector must be given")
        if self.vector is not None and not 1e-6 < float(np.linalg.norm(self.vector)) < 1e6:
            raise ValueError("vector must have a length, got one of (nearly) none, or more than a million")
        return self


class UsersForQuestion(BaseModel):
    """Users for a track."""

    model_config = ConfigDict(extra="forbid")

    k: int = Field(100, ge=1, le=MAX_K)


class UsersForTrackQuestion(UsersForQuestion):
    """Users for a track of the catalogue."""

    track_id: IdText


class RecalledTrackReply(BaseModel):
    """A track to show."""

    rank: int  # from 1
    score: float  # more is closer
    track: TrackReply
    reasons: list[str]  # ids of liked tracks that it sounds like
    method: str | None  # how the user's vector was made: "user tower", "sound" or both; null where it was given


class RecallReply(BaseModel):
    """Tracks for a user, the best first."""

    tracks: list[RecalledTrackReply]


class RecalledUserReply(BaseModel):
    """A user to show the track to."""

    rank: int  # from 1
    user: str
    similarity: float
    reasons: list[str]  # ids of liked tracks that it sounds like


class UsersForReply(BaseModel):
    """Users for a track, the closest first."""

    users: list[RecalledUserReply]


def recall_routes(serving: Serving) -> APIRouter:
    """Make the routes."""
    engine = serving.engine
    router = APIRouter(prefix="/v1", tags=["recall"], dependencies=[Depends(serving.tokens.may_read)])

    def tracks_for(question: RecallQuestion) -> RecallReply:
        plays = _plays(question)
        with _refusing():
            recalled = engine.recommender.tracks_for(
                plays=plays,
                user=question.user,
                vector=_unit(question.vector),
                k=question.k,
                where=question.where(),
                max_per_artist=question.max_per_artist,
                only_new=question.only_new,
                fresh_days=question.fresh_days,
            )
        return RecallReply(tracks=[_track(each) for each in recalled])

    def _plays(question: RecallQuestion) -> list[Play] | None:
        """Make plays of tracks that are known by their id; over HTTP nobody names a path."""
        if question.plays is None:
            return None
        seeds = analysed([play.track_id for play in question.plays])
        return [
            Play(track=seeds[each.track_id], action=each.action, completion=each.completion, days_ago=each.days_ago)
            for each in question.plays
        ]

    def users_for(track_id: str, k: int) -> UsersForReply:
        return of_users(analysed([track_id])[track_id], k)

    def of_users(track: TrackVector | Path, k: int) -> UsersForReply:
        with _refusing():
            recalled = engine.recommender.users_for(track, k=k)
        return UsersForReply(users=[_user(each) for each in recalled])

    def analysed(track_ids: list[str]) -> dict[str, TrackVector]:
        """Find tracks with the vectors that the catalogue has: a look-up decodes nothing, whatever lies on the disk."""
        seeds = engine.search.seeds(track_ids)
        for track_id in track_ids:
            if track_id not in seeds:
                raise UnknownTrackError(f"track_id must be of a track that has been analysed, got {track_id!r}")
        return seeds

    play = {"track_id": EXAMPLE["track_id"], "action": "like", "completion": 0.9, "days_ago": 3}

    @router.post(
        "/recall",
        responses=ASKED,
        openapi_extra=body_of(asked=RecallQuestion, example={"plays": [play], "k": 20, "only_new": True}),
    )
    async def recall(request: Request) -> RecallReply:
        """Find tracks for a user: by plays, by their name in the play log that was learned, or by a vector."""
        return await serving.lookups.run(tracks_for, await asked_in_json(request, RecallQuestion))

    @router.post(
        "/users-for",
        responses=DECODED,
        openapi_extra=body_of(
            asked=UsersForTrackQuestion, form=UsersForQuestion, example={"track_id": EXAMPLE["track_id"], "k": 20}
        ),
    )
    async def users_for_track(request: Request) -> UsersForReply:
        """Find the users to show a track to: one of the catalogue (JSON), or a sound file (a form)."""
        if kind_of(request) != MULTIPART:
            question = await asked_in_json(request, UsersForTrackQuestion)
            return await serving.lookups.run(users_for, question.track_id, question.k)
        async with serving.upload(request) as upload:
            k = asked(upload.fields, UsersForQuestion).k
            return await serving.decode(request, upload, lambda: of_users(upload.path, k))

    return router


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn what the engine finds wrong with a question, and a track that went while it was answered, into problems."""
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


def _track(each: RecalledTrack) -> RecalledTrackReply:
    reasons = [track.track_id for track in each.reasons]
    return RecalledTrackReply(
        rank=each.rank, score=each.score, track=TrackReply.of(each.track), reasons=reasons, method=each.method
    )


def _user(each: RecalledUser) -> RecalledUserReply:
    reasons = [track.track_id for track in each.reasons]
    return RecalledUserReply(rank=each.rank, user=each.user, similarity=each.similarity, reasons=reasons)
