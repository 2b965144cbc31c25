"""``POST /v1/similar`` and ``POST /v1/embed``: neighbours of tracks or an uploaded file, and vectors of files."""

import logging
from functools import partial
from pathlib import Path
from threading import Event
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from audio_engine import DecodeError, Engine, Match, Neighbour, UnknownTrackError
from audio_engine.catalogue.track import TrackVector
from service.context import Serving
from service.errors import DECODED
from service.requests import IdText, Nothing, Question, asked, asked_in_json, body_of, kind_of
from service.responses import EXAMPLE, TrackReply
from service.uploads import MULTIPART, Upload

logger = logging.getLogger(__name__)

MAX_SEEDS = 100
MAX_WHY = 50  # places that are explained: five seconds' work
LIGHT = 20  # places and seeds up to which a look-up does not hold up the event loop


class FileQuestion(Question):
    """What sounds like a file."""

    explanation: bool = Field(
        False, description="Say which seconds match best: reads the files of the first 50, 0.1 s each."
    )


class SimilarQuestion(FileQuestion):
    """What sounds like these tracks, taken together."""

    track_ids: list[IdText] = Field(
        min_length=1, max_length=MAX_SEEDS, description="Several: near the mean of their vectors."
    )


class MatchReply(BaseModel):
    """Which seconds sound most alike, of the segments that the vectors are made of."""

    query_start_s: float
    query_end_s: float
    neighbour_start_s: float
    neighbour_end_s: float
    similarity: float  # cosine of these two segments

    @classmethod
    def of(cls, match: Match) -> "MatchReply":
        """Make a reply of a match."""
        return cls(**vars(match))


class NeighbourReply(BaseModel):
    """A place in the answer."""

    rank: int  # from 1
    similarity: float  # cosine, at most 1
    track: TrackReply
    copies: list[str]  # ids of tracks that are the same recording
    explanation: MatchReply | None = None  # if it was asked for; none where a file is not there any more


class SimilarReply(BaseModel):
    """What sounds alike, the most similar first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model_id": "f63bc81597fa",
                    "seeds": [EXAMPLE],
                    "neighbours": [{"rank": 1, "similarity": 0.93, "track": EXAMPLE, "copies": []}],
                    "flags": [],
                }
            ]
        }
    )

    model_id: str  # whose vectors were compared
    seeds: list[TrackReply]  # what was asked about; an uploaded file has no id
    neighbours: list[NeighbourReply]
    flags: list[Literal["seed_not_analysed", "too_few_results"]]  # a seed has no vector; a filter left fewer than k


class EmbedReply(BaseModel):
    """The vector of a sound."""

    model_id: str
    vector: list[float]  # 40 numbers, of unit length
    tags: TrackReply  # what the file says of itself


def similar_routes(serving: Serving) -> APIRouter:
    """Make the routes."""
    engine = serving.engine
    router = APIRouter(prefix="/v1", tags=["similar"], responses=DECODED)

    def of_tracks(question: SimilarQuestion, is_given_up: Event | None = None) -> SimilarReply:
        """Answer from catalogue and index alone, but for explanations."""
        track_ids = list(dict.fromkeys(question.track_ids))
        seeds = engine.search.seeds(track_ids)
        tracks = [seeds[each].track if each in seeds else engine.search.track(each) for each in track_ids]
        reply = answer([TrackReply.of(track) for track in tracks], list(seeds.values()), question)
        return _with_explanations(reply, track_ids[0], engine, is_given_up) if question.explanation else reply

    def of_file(upload: Upload, question: FileQuestion) -> SimilarReply:
        """Answer for a file that is decoded first."""
        seed = engine.search.seed_of(upload.path)
        reply = answer([_of_upload(seed, upload)], [seed], question)
        return _with_explanations(reply, upload.path, engine, upload.is_given_up) if question.explanation else reply

    def answer(asked_about: list[TrackReply], seeds: list[TrackVector], question: Question) -> SimilarReply:
        where = question.where()
        neighbours = []
        if seeds:
            neighbours = engine.search.neighbours(
                seeds,
                question.k,
                where=where,
                not_same_artist=question.not_same_artist,
                max_per_artist=question.max_per_artist,
            )
        is_bounded = where or question.not_same_artist or question.max_per_artist
        flags: list[Literal["seed_not_analysed", "too_few_results"]] = []
        if len(seeds) < len(asked_about):
            flags.append("seed_not_analysed")
        if seeds and is_bounded and len(neighbours) < question.k:
            flags.append("too_few_results")
        return SimilarReply(
            model_id=engine.search.model_id,
            seeds=asked_about,
            neighbours=[_reply(neighbour) for neighbour in neighbours],
            flags=flags,
        )

    def is_light(question: SimilarQuestion) -> bool:
        return question.k <= LIGHT and len(question.track_ids) <= LIGHT and not question.where()

    example = {"track_ids": [EXAMPLE["track_id"]], "k": 10, "genre": "ambient", "max_per_artist": 2}

    @router.post("/similar", openapi_extra=body_of(asked=SimilarQuestion, form=FileQuestion, example=example))
    async def similar(request: Request) -> SimilarReply:
        """Find what sounds like one or several tracks of the catalogue (JSON), or like a sound file (a form)."""
        serving.tokens.authorise(request, "read")  # no dependency, which costs more than asking does
        if kind_of(request) != MULTIPART:
            question = await asked_in_json(request, SimilarQuestion)
            if question.explanation:
                is_given_up = Event()
                async with serving.place(request):
                    explained = partial(of_tracks, question, is_given_up)
                    return await serving.work.run(explained, request=request, give_up=is_given_up.set)
            if is_light(question) and engine.search.index.is_at_hand():
                return of_tracks(question)  # a millisecond, less than it takes to hand it to a thread and back
            return await serving.lookups.run(of_tracks, question)
        async with serving.upload(request) as upload:
            wanted = asked(upload.fields, FileQuestion)
            return await serving.decode(request, upload, lambda: of_file(upload, wanted))

    @router.post("/embed", openapi_extra=body_of(form=Nothing))
    async def embed(request: Request) -> EmbedReply:
        """Turn a sound file into the vector that it is compared by."""
        serving.tokens.authorise(request, "read")
        async with serving.upload(request) as upload:
            asked(upload.fields, Nothing)
            seed = await serving.decode(request, upload, lambda: engine.search.seed_of(upload.path))
            vector = [float(number) for number in seed.vector]
            return EmbedReply(model_id=engine.search.model_id, vector=vector, tags=_of_upload(seed, upload))

    return router


def _with_explanations(
    reply: SimilarReply, seed: str | Path, engine: Engine, is_given_up: Event | None
) -> SimilarReply:
    """Add which seconds of the first seed and of each neighbour match best, as far as anyone will look."""
    for neighbour in reply.neighbours[:MAX_WHY]:
        if is_given_up is not None and is_given_up.is_set():
            break
        try:
            neighbour.explanation = MatchReply.of(engine.exploring.explain(seed, neighbour.track.track_id))
        except (DecodeError, UnknownTrackError) as error:  # it has gone from the disk, or from the catalogue, meanwhile
            logger.info("no match is told: %s", error)
    return reply


def _of_upload(seed: TrackVector, upload: Upload) -> TrackReply:
    """Echo what was uploaded, by the sender's own name for it."""
    return TrackReply.of(seed.track).model_copy(update={"file": upload.shown_name})


def _reply(neighbour: Neighbour) -> NeighbourReply:
    return NeighbourReply(
        rank=neighbour.rank,
        similarity=neighbour.similarity,
        track=TrackReply.of(neighbour.track),
        copies=[copy.track_id for copy in neighbour.copies],
    )
