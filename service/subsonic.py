"""``/rest/…``: OpenSubsonic's sonic similarity, for players that support it.

A song goes by the id that a linked media server has for it, and is answered with songs of that server by its ids; a
track may also go by its id in the catalogue, and is answered with such ids. Where an id is both, it is the server's. If
tokens are required, a player sends one as ``apiKey`` or as the password ``p``;
salted passwords (``t`` and ``s``) cannot be checked against hashes, and are refused with the error that the standard
defines.

References
----------
OpenSubsonic API, extensions ``sonicSimilarity``, ``apiKeyAuthentication`` and ``formPost`` (each version 1).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from fastapi import APIRouter, Request, Response

from audio_engine import Neighbour, Track, UnknownTrackError
from service.context import Context
from service.requests import read_form
from service.subsonic_format import answer, child
from service.version import VERSION

COUNT, PATH_COUNT, MAX_COUNT = 10, 25, 500
GENERIC, MISSING, NO_SALT, NO_WAY, CONFLICT, BAD_KEY, NOT_FOUND = 0, 10, 41, 42, 43, 44, 70  # error codes
EXTENSIONS = [{"name": name, "versions": [1]} for name in ("sonicSimilarity", "apiKeyAuthentication", "formPost")]
HELP = "A token of this service is its API key: audio-engine token add NAME"


@dataclass
class RefusedError(Exception):
    """An error response."""

    code: int
    message: str


def subsonic_routes(context: Context) -> APIRouter:
    """Make the routes: each by its name and by its older one, ``….view``."""
    router = APIRouter(prefix="/rest", include_in_schema=False)
    sonic = _Sonic(context)
    endpoints: dict[str, Callable[[dict[str, str]], dict[str, Any]]] = {
        "ping": lambda _: {},
        "getOpenSubsonicExtensions": lambda _: {"openSubsonicExtensions": EXTENSIONS},
        "getSonicSimilarTracks": sonic.similar_tracks,
        "findSonicPath": sonic.path,
    }

    async def rest(request: Request, name: str) -> Response:
        query = {**request.query_params, **(await read_form(request) if request.method == "POST" else {})}
        endpoint = endpoints.get(name.removesuffix(".view"))
        try:
            if endpoint is None:
                raise RefusedError(GENERIC, "this server has sonic similarity only")
            if name.removesuffix(".view") != "getOpenSubsonicExtensions":  # which all may ask for
                await context.lookups.run(sonic.authorise, query)
            content = await context.lookups.run(endpoint, query)
        except RefusedError as refused:
            error = {"code": refused.code, "message": refused.message}
            return answer(query.get("f", "xml"), {"error": error}, version=VERSION, status="failed")
        return answer(query.get("f", "xml"), content, version=VERSION)

    router.add_api_route("/{name}", rest, methods=["GET", "POST"])
    return router


class _Sonic:
    """The endpoints that answer from the catalogue."""

    def __init__(self, context: Context) -> None:
        self._engine, self._tokens = context.engine, context.tokens.file

    def authorise(self, query: dict[str, str]) -> None:
        """Check what the client shows, if tokens are needed."""
        if not self._tokens.exists:
            return
        if "apiKey" in query and not query.keys().isdisjoint({"u", "p", "t", "s"}):
            raise RefusedError(CONFLICT, "Multiple conflicting authentication mechanisms provided")
        if "t" in query or "s" in query:
            raise RefusedError(NO_SALT, f"Token authentication not supported. {HELP}")
        secret = query.get("apiKey") or _password(query.get("p", ""))
        if not secret:
            raise RefusedError(NO_WAY, f"Authentication needed. {HELP}")
        if self._tokens.find(secret) is None:
            raise RefusedError(BAD_KEY, "Invalid API key")

    def similar_tracks(self, query: dict[str, str]) -> dict[str, Any]:
        """Answer ``getSonicSimilarTracks``: ``id``, ``count``; none where the song has not been analysed."""
        song_id, count = _required(query, "id"), _count(query, COUNT)
        try:
            server, track = self._engine.media_servers.find(song_id)
            seeds = self._engine.search.track_vectors([track.track_id])
        except UnknownTrackError as error:
            raise RefusedError(NOT_FOUND, "Song not found") from error
        found = server.neighbours(list(seeds.values()), count) if seeds else []
        return {"sonicMatch": [_match(song_id, each.track, each.similarity) for song_id, each in found]}

    def path(self, query: dict[str, str]) -> dict[str, Any]:
        """Answer ``findSonicPath``: ``startSongId``, ``endSongId``, ``count``; similarities are to the start."""
        asked = _required(query, "startSongId"), _required(query, "endSongId")
        count = max(2, _count(query, PATH_COUNT))
        try:
            (server, start), (_, end) = map(self._engine.media_servers.find, asked)
            steps = server.called(self._steps(start, end, count))
        except UnknownTrackError as error:
            raise RefusedError(NOT_FOUND, "Song not found, or not analysed") from error
        return {"sonicMatch": [_match(song_id, each.track, each.similarity) for song_id, each in steps]}

    def _steps(self, start: Track, end: Track, count: int) -> list[Neighbour]:
        """Walk, with similarities to the start; a walk from a song to itself is that song."""
        if start.track_id == end.track_id:
            return [Neighbour(rank=1, similarity=1.0, track=start)]
        path = self._engine.search.path(start, end, count)
        seeds = self._engine.search.track_vectors([step.track.track_id for step in path])
        if start.track_id not in seeds:
            raise UnknownTrackError(f"id must be of a track with a vector, got {start.track_id!r}")
        first = seeds[start.track_id].vector
        return [
            replace(step, similarity=float(first @ seeds[step.track.track_id].vector))
            for step in path
            if step.track.track_id in seeds
        ]


def _match(song_id: str, track: Track, similarity: float) -> dict[str, Any]:
    """Describe a match: the scale ends at 0, for vectors at right angles or further."""
    return {"entry": child(track, song_id), "similarity": round(min(1.0, max(0.0, similarity)), 6)}


def _required(query: dict[str, str], name: str) -> str:
    if not query.get(name):
        raise RefusedError(MISSING, f"Required parameter is missing: {name}")
    return query[name]


def _count(query: dict[str, str], otherwise: int) -> int:
    """Read ``count``; what is no number is refused, what is too large is cut."""
    text = query.get("count") or str(otherwise)
    if not (text.isascii() and text.isdecimal()):
        raise RefusedError(GENERIC, f"count must be a number, got {text[:20]!r}")
    return min(MAX_COUNT, max(1, int(text[:9])))


def _password(shown: str) -> str:
    """Read a password, which may come as ``enc:`` and hexadecimal."""
    if not shown.startswith("enc:"):
        return shown
    try:
        return bytes.fromhex(shown.removeprefix("enc:")).decode("utf-8", "replace")
    except ValueError:
        return ""
