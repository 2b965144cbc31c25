"""``/v1/tracks``: list the catalogue, play audio, add and delete tracks."""

import asyncio
import mimetypes
import os
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from audio_engine import Track
from service.context import Context
from service.errors import DECODED, LOOKED_UP, problems
from service.requests import FileOnly, describe_body, parse_body
from service.responses import TrackResponse

MAX_PAGE = 500
MAX_OFFSET = 1_000_000_000
UNKNOWN_KIND = "application/octet-stream"
TrackId = Annotated[str, Path(max_length=64, examples=["5b1f0a9c7e21"])]
Text = Annotated[
    str,
    Query(max_length=200, description="Words in title, artist, album, genre or path, whatever their case and accents."),
]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]
Offset = Annotated[int, Query(ge=0, le=MAX_OFFSET)]


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
    async def tracks(q: Text = "", limit: Limit = 50, offset: Offset = 0) -> TracksResponse:
        """List the tracks that can be found, or those that a text fits."""
        page, n_tracks = await context.lookups.run(lambda: engine.search.page(q, limit=limit, offset=offset))
        return TracksResponse(n_tracks=n_tracks, tracks=[TrackResponse.of(track) for track in page])

    @router.get("/{track_id}", dependencies=reading, responses=LOOKED_UP)
    async def track(track_id: TrackId) -> TrackResponse:
        """Tell what is known of a track."""
        return TrackResponse.of(await context.lookups.run(engine.track, track_id))

    @router.get(
        "/{track_id}/audio",
        dependencies=reading,
        response_class=FileResponse,
        responses=LOOKED_UP
        | problems(410)
        | {
            200: {"description": "The whole file.", "content": {"audio/*": {}}},
            206: {"description": "The part that the header Range asks for.", "content": {"audio/*": {}}},
            416: {"description": "The file has no such part.", "content": {"text/plain": {}}},
        },
    )
    async def audio(track_id: TrackId) -> FileResponse:
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
        response.headers["Location"] = f"/v1/tracks/{track.track_id}"
        return TrackResponse.of(track)

    @router.delete("/{track_id}", status_code=HTTPStatus.NO_CONTENT, dependencies=writing, responses=LOOKED_UP)
    async def remove(track_id: TrackId) -> None:
        """Take a track out of the catalogue; its file is deleted only if it was brought in by POST."""
        await context.lookups.run(engine.uploads.remove, track_id)

    return router


class _TrackFile(FileResponse):
    """A track's file, looked for at the moment when it is sent: it may go at any time."""

    def __init__(self, track: Track) -> None:
        kind = mimetypes.guess_type(track.path.name)[0] or UNKNOWN_KIND
        is_sound = kind.startswith(("audio/", "video/"))
        super().__init__(track.path, media_type=kind if is_sound else UNKNOWN_KIND)
        self._track_id = track.track_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, or say that it is gone."""
        try:
            status = await asyncio.to_thread(os.stat, self.path)
        except OSError as error:
            detail = f"the file of track {self._track_id} is no longer where it was"
            raise HTTPException(HTTPStatus.GONE, detail) from error
        self.stat_result = status
        self.set_stat_headers(status)
        await super().__call__(scope, receive, send)
