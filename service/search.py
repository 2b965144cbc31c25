"""``GET /v1/map``, ``GET /v1/tracks/{id}/waveform`` and ``GET /v1/search``: the data for the page's map and search box.

A map of very many tracks is sent in parts: a limited number of those inside a box. They are taken in the order of the
track ids, which are hashes: the same box always shows the same tracks, and a smaller box shows them again and more.
"""

import asyncio
from http import HTTPStatus
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from audio_engine import CatalogueMap, DecodeError, Engine, Track
from audio_engine.catalogue.tags import one_line
from service.context import Context
from service.errors import DECODED, LOOKED_UP, problems
from service.requests import IdText
from service.responses import TrackResponse
from service.tracks import TrackId

MAX_POINTS = 5_000
MAX_TRACKS = 500  # in an answer to a text, or to be on the map in any case
PATIENCE_S = 0.3  # seconds that a request waits for the map, which may lie on the disk, before it is sent a draft

Coordinate = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]


class MapRequest(BaseModel):
    """A box on the map, and how much of it."""

    model_config = ConfigDict(extra="forbid")

    x_min: Coordinate = -2.0
    x_max: Coordinate = 2.0
    y_min: Coordinate = -2.0
    y_max: Coordinate = 2.0
    limit: int = Field(1_500, ge=0, le=MAX_POINTS, description="Tracks to send of those in the box.")
    track_id: list[IdText] = Field([], max_length=MAX_TRACKS, description="Tracks to send in any case.")


class MapPoint(BaseModel):
    """A track on the map: text is as its tags have it, and is to be shown as text."""

    track_id: str
    x: float
    y: float
    title: str
    artist: str
    file: str  # its name


class MapResponse(BaseModel):
    """A part of the map; it reaches from -1 to 1 in both directions."""

    projection: str  # "umap" or "pca"
    n_tracks: int  # in all
    n_inside: int  # in the box
    is_draft: bool  # the map is still being laid out: ask again for it in some seconds
    points: list[MapPoint]


class SearchRequest(BaseModel):
    """Words, and how many tracks."""

    model_config = ConfigDict(extra="forbid")

    q: str = Field(max_length=200, description="Words, whatever their case and accents.")
    k: int = Field(20, ge=1, le=MAX_TRACKS)


class SearchResponse(BaseModel):
    """Tracks that a text fits, the best first."""

    tracks: list[TrackResponse]


class WaveformResponse(BaseModel):
    """The outline of a track."""

    duration_s: float
    peaks: list[float]  # the largest absolute sample of each equal part


def search_routes(context: Context) -> APIRouter:
    """Make the routes."""
    engine = context.engine
    router = APIRouter(prefix="/v1", tags=["search"], dependencies=[Depends(context.tokens.may_read)])
    maker = _MapMaker(engine)

    def outlined(track: Track) -> WaveformResponse:
        try:
            outline = engine.search.waveform(track.track_id)
        except DecodeError as error:  # where the file lies is nobody's business
            raise DecodeError(str(error).removeprefix(f"{track.path}: ")) from error
        peaks = [round(float(peak), 3) for peak in outline.peaks]
        return WaveformResponse(duration_s=outline.duration_s, peaks=peaks)

    @router.get("/map", responses=LOOKED_UP)
    async def map_(box: Annotated[MapRequest, Query()]) -> MapResponse:
        """Send where tracks lie on the map of the catalogue: what sounds alike lies close together."""
        whole, is_draft = await maker.map()
        return await context.lookups.run(_part_of, whole, engine, box, is_draft)

    @router.get("/tracks/{track_id}/waveform", responses=DECODED | problems(410))
    async def waveform(track_id: TrackId, request: Request, response: Response) -> WaveformResponse:
        """Send the outline of a track, for drawing."""
        track = await context.lookups.run(engine.track, track_id)
        if not await context.lookups.run(track.path.is_file):
            raise HTTPException(HTTPStatus.GONE, f"the file of track {track_id} is no longer where it was")
        async with context.place(request):
            outline = await context.decode_queue.run(lambda: outlined(track), request=request)
        response.headers["cache-control"] = "private, max-age=600"
        return outline

    @router.get("/search", responses=LOOKED_UP)
    async def search(asked: Annotated[SearchRequest, Query()]) -> SearchResponse:
        """Find tracks with every word in title, artist, album, genre or path; whole words come first."""
        tracks = await context.lookups.run(engine.search.by_text, asked.q, asked.k)
        return SearchResponse(tracks=[TrackResponse.of(track) for track in tracks])

    return router


class _MapMaker:
    """Lays the map out in a thread of its own: it may take half a minute, and one is enough."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._making: asyncio.Task[CatalogueMap] | None = None

    async def map(self) -> tuple[CatalogueMap, bool]:
        """Give the map of the catalogue as it is now, or a draft of it, and whether it is one."""
        if self._making is None:
            self._making = asyncio.create_task(asyncio.to_thread(self._engine.search.map))
        making = self._making
        await asyncio.wait({making}, timeout=PATIENCE_S)
        if not making.done():
            return await asyncio.to_thread(self._engine.search.draft_map), True
        if self._making is making:
            self._making = None
        return making.result(), False


def _part_of(whole: CatalogueMap, engine: Engine, box: MapRequest, is_draft: bool) -> MapResponse:
    """Choose what is sent: tracks that were named, and tracks in the box."""
    low, high = (box.x_min, box.y_min), (box.x_max, box.y_max)
    is_inside = np.all((whole.xy >= low) & (whole.xy <= high), axis=1)
    rows = whole.rows(np.array(box.track_id, np.str_))
    rows = np.unique(np.concatenate([rows[rows >= 0], np.flatnonzero(is_inside)[: box.limit]]))
    track_ids = [str(track_id) for track_id in whole.track_ids[rows]]
    found = engine.search.track_vectors(track_ids)
    return MapResponse(
        projection=whole.projection,
        n_tracks=len(whole.track_ids),
        n_inside=int(is_inside.sum()),
        is_draft=is_draft,
        points=[
            MapPoint(
                track_id=track_id,
                x=round(float(x), 4),
                y=round(float(y), 4),
                title=found[track_id].track.tags.title,
                artist=found[track_id].track.tags.artist,
                file=one_line(found[track_id].track.path.name),
            )
            for track_id, (x, y) in zip(track_ids, whole.xy[rows], strict=True)
            if track_id in found  # else it has gone meanwhile
        ],
    )
