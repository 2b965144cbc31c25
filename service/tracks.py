"""``/v1/tracks``: list the catalogue, play audio, add and delete tracks."""

import mimetypes
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from audio_engine import Track
from service.context import Context
from service.errors import DECODED, LOOKED_UP, problems
from service.requests import FileOnly, describe_body, parse_body
from service.responses import TrackResponse
from service.sent_file import SentFile

MAX_PAGE = 500
MAX_OFFSET = 1_000_000_000
UNKNOWN_KIND = "application/octet-stream"
TrackId = Annotated[str, Path(max_length=64, examples=["5b1f0a9c7e21"])]
WORDS = "Words in title, artist, album, genre or path, whatever their case and accents."


class TracksRequest(BaseModel):
    """A page, and what its tracks must fit; what is misspelt is refused, not left out."""

    model_config = ConfigDict(extra="forbid")

    q: str = Field("", max_length=200, description=WORDS)
    limit: int = Field(50, ge=1, le=MAX_PAGE)
    offset: int = Field(0, ge=0, le=MAX_OFFSET)


class TracksResponse(BaseModel):
    """A page of tracks, in the order of their paths."""

    n_tracks: int  # in all
    tracks: list[TrackResponse]


def tracks_routes(context: Context) -> APIRouter:
    """Make the routes."""
    engine = context.engine
    reading, writing = [Depends(context.tokens.may_read)], [Depends(context.tokens.may_write)]
    router = APIRouter(prefix="/v1/tracks", tags=["tracks"])

    @router.get("", dependencies=reading, responses=LOOKED_UP)
    async def tracks(asked: Annotated[TracksRequest, Query()]) -> TracksResponse:
        """List the tracks that can be found, or those that a text fits."""
        find = partial(engine.search.page, asked.q, limit=asked.limit, offset=asked.offset)
        page, n_tracks = await context.lookups.run(find)
        return TracksResponse(n_tracks=n_tracks, tracks=[TrackResponse.of(track) for track in page])

    @router.get("/{track_id}", dependencies=reading, responses=LOOKED_UP)
    async def track(track_id: TrackId) -> TrackResponse:
        """Tell what is known of a track."""
        return TrackResponse.of(await context.lookups.run(engine.track, track_id))

    @router.get(
        "/{track_id}/audio",
        dependencies=reading,
        response_class=SentFile,
        responses=LOOKED_UP
        | problems(410, 412, 416)
        | {
            200: {"description": "The whole file.", "content": {"audio/*": {}}},
            206: {"description": "The part that the header Range asks for.", "content": {"audio/*": {}}},
            304: {"description": "The client has the file as it is."},
        },
    )
    async def audio(track_id: TrackId) -> SentFile:
        """Send a track's file, or a part of it (`Range: bytes=0-65535`)."""
        return _TrackFile(await context.lookups.run(engine.track, track_id))

    @router.post(
        "",
        status_code=HTTPStatus.CREATED,
        dependencies=writing,
        responses=DECODED,
        openapi_extra=describe_body(form=FileOnly),
    )
    async def add(request: Request, response: Response) -> TrackResponse:
        """Take a sound file into the catalogue, which keeps it; 409 where a track has these bytes already."""
        async with context.upload(request) as upload:
            parse_body(upload.fields, FileOnly)
            track = await context.decode(request, upload, lambda: engine.uploads.add(upload.path, name=upload.name))
        response.headers["Location"] = f"{request.scope['root_path']}/v1/tracks/{track.track_id}"
        return TrackResponse.of(track)

    @router.delete("/{track_id}", status_code=HTTPStatus.NO_CONTENT, dependencies=writing, responses=LOOKED_UP)
    async def remove(track_id: TrackId) -> None:
        """Take a track out of the catalogue; its file is deleted only if it was brought in by POST."""
        await context.lookups.run(engine.uploads.remove, track_id)

    return router


class _TrackFile(SentFile):
    """A track's file."""

    def __init__(self, track: Track) -> None:
        kind = mimetypes.guess_type(track.path.name)[0] or UNKNOWN_KIND
        is_sound = kind.startswith(("audio/", "video/"))
        super().__init__(track.path, media_type=kind if is_sound else UNKNOWN_KIND)
        self.gone = f"the file of track {track.track_id} is no longer where it was"
