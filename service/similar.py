"""``POST /v1/similar`` and ``POST /v1/embed``: neighbours of tracks or an uploaded file, and vectors of files."""

import logging
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from audio_engine import DecodeError, Engine, Match, Neighbour, TrackVector, UnknownTrackError
from audio_engine.search.steering import signed_weights
from service.context import Context
from service.errors import DECODED
from service.requests import (
    MAX_SEEDS,
    FileOnly,
    IdText,
    SimilarOptions,
    describe_body,
    media_type_of,
    parse_body,
    read_json,
)
from service.responses import EXAMPLE, TrackResponse, track_fields
from service.uploads import MULTIPART, Upload

logger = logging.getLogger(__name__)

MAX_EXPLAINED = 50  # places that are explained: five seconds' work
LIGHT = 20  # places and seeds up to which a look-up does not hold up the event loop


class SimilarFileRequest(SimilarOptions):
    """What sounds like a file."""

    explanation: bool = Field(
        False, description="Say which seconds match best: reads the files of the first 50, 0.1 s each."
    )


class SimilarRequest(SimilarFileRequest):
    """What sounds like these tracks, taken together."""

    track_ids: list[IdText] = Field(
        min_length=1, max_length=MAX_SEEDS, description="Several: near the mean of their vectors."
    )


Fields = dict[str, Any]  # of a response
Seed = tuple[Fields, TrackVector | None, float]  # a track with its vector, where it has one, and its weight


class MatchResponse(BaseModel):
    """Which seconds sound most alike, of the segments that the vectors are made of."""

    query_start_s: float
    query_end_s: float
    neighbour_start_s: float
    neighbour_end_s: float
    similarity: float  # cosine of these two segments

    @classmethod
    def of(cls, match: Match) -> "MatchResponse":
        """Make a response of a match."""
        return cls(**vars(match))


class NeighbourResponse(BaseModel):
    """A place in the answer."""

    rank: int  # from 1
    similarity: float  # cosine, at most 1
    track: TrackResponse
    copies: list[str]  # ids of tracks that are the same recording
    explanation: MatchResponse | None = None  # if it was asked for; none where a file is not there any more


class SimilarResponse(BaseModel):
    """What sounds alike, the most similar first unless steered."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model_id": "7889b2b52a16",
                    "seeds": [EXAMPLE],
                    "unlike": [],
                    "neighbours": [{"rank": 1, "similarity": 0.93, "track": EXAMPLE, "copies": []}],
                    "flags": [],
                }
            ]
        }
    )

    model_id: str  # whose vectors were compared
    seeds: list[TrackResponse]  # what was asked about, and what is liked; an uploaded file has no id
    unlike: list[TrackResponse]  # what is unliked
    neighbours: list[NeighbourResponse]
    flags: list[Literal["seed_not_analysed", "too_few_results"]]  # a seed has no vector; less than was asked for


class EmbedResponse(BaseModel):
    """The vector of a sound."""

    model_id: str
    vector: list[float]  # 40 numbers, of unit length
    tags: TrackResponse  # what the file says of itself


class PlainRoute(APIRoute):
    """A route that FastAPI describes, and whose function reads the request and writes the response by itself."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Give the function as it is."""
        return self.endpoint


def similar_routes(context: Context) -> APIRouter:
    """Make the routes."""
    engine = context.engine
    router = APIRouter(prefix="/v1", tags=["similar"], responses=DECODED)

    def of_tracks(body: SimilarRequest, is_given_up: Event | None = None) -> Response:
        """Answer from catalogue and index alone, but for explanations."""
        track_ids = list(dict.fromkeys(body.track_ids))
        fields = answer(_seeds([(each, 1.0) for each in track_ids], engine), body)
        return _sent(_with_explanations(fields, track_ids[0], engine, is_given_up) if body.explanation else fields)

    def of_file(upload: Upload, body: SimilarFileRequest) -> Response:
        """Answer for a file that is decoded first."""
        seed = engine.search.seed_of(upload.path)
        fields = answer([(_of_upload(seed, upload), seed, 1.0)], body)
        explained = partial(_with_explanations, fields, upload.path, engine, upload.is_given_up)
        return _sent(explained() if body.explanation else fields)

    def answer(asked_about: list[Seed], options: SimilarOptions) -> Fields:
        others = _seeds(signed_weights(options.like, options.unlike), engine)
        seeds = [(vector, weight) for _, vector, weight in (*asked_about, *others) if vector is not None]
        where, steering = options.where(), options.steering()
        neighbours = []
        if any(weight > 0 for _, weight in seeds):
            neighbours = engine.search.neighbours(
                [vector for vector, _ in seeds],
                options.k,
                weights=[weight for _, weight in seeds] if others else None,
                steering=steering,
                where=where,
                not_same_artist=options.not_same_artist,
                max_per_artist=options.max_per_artist,
            )
        is_bounded = where or options.not_same_artist or options.max_per_artist or steering
        is_filled = steering.is_filled_by([neighbour.track for neighbour in neighbours], options.k)
        flags = []
        if len(seeds) < len(asked_about) + len(others):
            flags.append("seed_not_analysed")
        if seeds and is_bounded and not is_filled:
            flags.append("too_few_results")
        return {
            "model_id": engine.models.active_id,
            "seeds": [track for track, _, weight in (*asked_about, *others) if weight > 0],
            "unlike": [track for track, _, weight in others if weight < 0],
            "neighbours": [_neighbour(neighbour) for neighbour in neighbours],
            "flags": flags,
        }

    example = {"track_ids": [EXAMPLE["track_id"]], "k": 10, "genre": "ambient", "max_per_artist": 2}

    described = describe_body(json_body=SimilarRequest, form=SimilarFileRequest, example=example)

    async def similar(request: Request) -> Response:
        """Find what sounds like one or several tracks of the catalogue (JSON), or like a sound file (a form)."""
        context.tokens.authorise(request, "read")  # no dependency, which costs more than asking does
        if media_type_of(request) != MULTIPART:
            body = await read_json(request, SimilarRequest)
            if body.explanation:
                is_given_up = Event()
                async with context.place(request):
                    explained = partial(of_tracks, body, is_given_up)
                    return await context.decode_queue.run(explained, request=request, give_up=is_given_up.set)
            with engine.catalogue.at_one_moment():
                if _is_light(body) and engine.search.is_at_hand(body.where()):
                    return of_tracks(body)  # a millisecond, less than it takes to hand it to a thread and back
            return await context.lookups.run(of_tracks, body)
        async with context.upload(request) as upload:
            form = parse_body(upload.fields, SimilarFileRequest)
            return await context.decode(request, upload, lambda: of_file(upload, form))

    router.add_api_route(
        "/similar",
        similar,
        methods=["POST"],
        response_model=SimilarResponse,
        openapi_extra=described,
        route_class_override=PlainRoute,
    )

    @router.post("/embed", openapi_extra=describe_body(form=FileOnly))
    async def embed(request: Request) -> EmbedResponse:
        """Turn a sound file into the vector that it is compared by."""
        context.tokens.authorise(request, "read")
        async with context.upload(request) as upload:
            parse_body(upload.fields, FileOnly)
            seed = await context.decode(request, upload, lambda: engine.search.seed_of(upload.path))
            vector = [float(number) for number in seed.vector]
            tags = TrackResponse(**_of_upload(seed, upload))
            return EmbedResponse(model_id=engine.models.active_id, vector=vector, tags=tags)

    return router


def _is_light(body: SimilarRequest) -> bool:
    """Tell whether a look-up takes a millisecond or two, once all that it needs is in memory."""
    is_steered = body.like or body.unlike or body.steering()
    is_choosy = body.where() and (body.not_same_artist or body.max_per_artist)  # it may need many hits for an answer
    return (body.k or 0) <= LIGHT and len(body.track_ids) <= LIGHT and not is_steered and not is_choosy


def _seeds(weights: Sequence[tuple[str, float]], engine: Engine) -> list[Seed]:
    """Look seeds up by id; raises `UnknownTrackError` for an id that the catalogue does not have."""
    known = engine.search.track_vectors([each for each, _ in weights]) if weights else {}
    return [
        (track_fields(known[each].track if each in known else engine.track(each)), known.get(each), weight)
        for each, weight in weights
    ]


def _with_explanations(response: Fields, seed: str | Path, engine: Engine, is_given_up: Event | None) -> Fields:
    """Add which seconds of the first seed and of each neighbour match best, as far as anyone will look."""
    for neighbour in response["neighbours"][:MAX_EXPLAINED]:
        if is_given_up is not None and is_given_up.is_set():
            break
        try:
            match = engine.search.explain(seed, neighbour["track"]["track_id"])
            neighbour["explanation"] = MatchResponse.of(match).model_dump()
        except (DecodeError, UnknownTrackError) as error:  # it has gone from the disk, or from the catalogue, meanwhile
            logger.info("no match is told: %s", error)
    return response


def _of_upload(seed: TrackVector, upload: Upload) -> Fields:
    """Echo what was uploaded, by the sender's own name for it."""
    return track_fields(seed.track) | {"file": upload.shown_name}


def _neighbour(neighbour: Neighbour) -> Fields:
    """Give the fields of a `NeighbourResponse`."""
    return {
        "rank": neighbour.rank,
        "similarity": neighbour.similarity,
        "track": track_fields(neighbour.track),
        "copies": [copy.track_id for copy in neighbour.copies],
        "explanation": None,
    }


def _sent(fields: Fields) -> Response:
    """Write an answer at once: to make and check a model of each of its tracks takes longer than to find them."""
    return Response(to_json(fields, inf_nan_mode="null"), media_type="application/json")
