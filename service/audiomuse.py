"""``/api/…``: the routes by which AudioMuse-AI's plugins for Navidrome and Jellyfin ask for similar songs and artists.

Their parameters, answers and errors are AudioMuse-AI's, so that a plugin works as it is, with this service as its
server. Ids are those of a linked media server, or of the catalogue, as in `service.subsonic`; a plugin may name the
server (``server``). What steers AudioMuse-AI's own methods (``radius_similarity``, ``mood_similarity``) is not looked
at. Distances are one less the cosine for songs, and Euclidean between unit vectors for artists: less is nearer.

References
----------
What the plugins send and read: docs/media_servers.md says which of their files were read.
"""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from audio_engine import Engine, Track, UnknownTrackError
from audio_engine.media_servers.server_tracks import ServerTracks
from service.context import Context
from service.subsonic_format import clean

N_SONGS, N_STEPS, N_FOUND, MAX_N = 10, 25, 20, 500
MAX_PER_ARTIST = 3  # where "eliminate_duplicates" is not "false", AudioMuse-AI's own number
UNKNOWN = "unknown"  # an album that is not known

Query = Mapping[str, str]


class LacksError(Exception):
    """A request lacks something, or says what cannot be."""


class Named(NamedTuple):
    """A track that a text has found."""

    track: Track


def audiomuse_routes(context: Context) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/api", include_in_schema=False)
    answers = _Answers(context.engine)
    reading = [Depends(context.tokens.may_read)]

    def route(name: str, answer: Callable[[Query], Any]) -> None:
        async def endpoint(request: Request) -> Response:
            try:
                return JSONResponse(await context.lookups.run(answer, dict(request.query_params)))
            except LacksError as error:
                return JSONResponse({"error": str(error)}, status_code=HTTPStatus.BAD_REQUEST)
            except UnknownTrackError as error:
                return JSONResponse({"error": str(error)}, status_code=HTTPStatus.NOT_FOUND)

        router.add_api_route(f"/{name}", endpoint, methods=["GET"], dependencies=reading)

    route("similar_tracks", answers.similar_tracks)
    route("find_path", answers.path)
    route("similar_artists", answers.similar_artists)
    route("search_tracks", answers.search)

    @router.get("/health")
    async def health() -> dict[str, str]:
        """Say that the service lives."""
        return {"status": "ok"}

    return router


class _Answers:
    """The answers, from the catalogue."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._servers = engine, engine.media_servers

    def similar_tracks(self, query: Query) -> list[dict[str, Any]]:
        """Answer by ``item_id``, or by ``title`` and ``artist``."""
        server, track = self._seed(query)
        seeds = self._engine.search.track_vectors([track.track_id])
        if not seeds:
            raise UnknownTrackError("the song has not been analysed")
        limit = None if query.get("eliminate_duplicates", "").lower() == "false" else MAX_PER_ARTIST
        found = server.neighbours(list(seeds.values()), _number(query, "n", N_SONGS), max_per_artist=limit)
        return [_song(song_id, each.track) | {"distance": _distance(each.similarity)} for song_id, each in found]

    def path(self, query: Query) -> dict[str, Any]:
        """Answer by ``start_song_id``, ``end_song_id`` and ``max_steps``, the number of songs."""
        asked = query.get("start_song_id"), query.get("end_song_id")
        if not asked[0] or not asked[1]:
            raise LacksError("start_song_id and end_song_id must be given")
        server, start = self._servers.find(asked[0], self._server(query))
        _, end = self._servers.find(asked[1], self._server(query))
        if start.track_id == end.track_id:
            raise LacksError("start_song_id and end_song_id must differ")
        steps = self._engine.search.path(start, end, max(2, _number(query, "max_steps", N_STEPS)))
        vectors = self._engine.search.track_vectors([step.track.track_id for step in steps])
        songs = [
            _song(song_id, step.track) | {"embedding_vector": vectors[step.track.track_id].vector.tolist()}
            for song_id, step in server.called(steps)
            if step.track.track_id in vectors
        ]
        return {"path": songs, "total_distance": sum(_distance(step.similarity) for step in steps)}

    def similar_artists(self, query: Query) -> list[dict[str, Any]]:
        """Answer by ``artist`` or ``artist_id``, either of which may be an id or a name."""
        artist = query.get("artist") or query.get("artist_id")
        if not artist:
            raise LacksError("artist or artist_id must be given")
        found = self._servers.similar_artists(artist, _number(query, "n", N_SONGS), server=self._server(query))
        with_songs = query.get("include_component_matches", "").lower() == "true"
        return [
            {"artist": each.name, "artist_id": each.artist_id, "divergence": round(each.distance, 6)}
            | ({"component_matches": [_matches(each.other_songs, each.songs, each.distance)]} if with_songs else {})
            for each in found
        ]

    def search(self, query: Query) -> list[dict[str, Any]]:
        """Answer by ``search_query``, or by ``title`` and ``artist``; ``start`` and ``end`` are those of a page."""
        text = query.get("search_query") or f"{query.get('artist', '')} {query.get('title', '')}"
        start = _number(query, "start", 0, least=0)
        end = _number(query, "end", start + N_FOUND, least=0)
        if not text.strip() or end <= start:
            return []
        server = self._servers.usual(self._server(query))
        found = server.best(lambda n: [Named(track) for track in self._engine.search.by_text(text, n)], end)
        return [_song(song_id, each.track) for song_id, each in found[start:]]

    def _seed(self, query: Query) -> tuple[ServerTracks, Track]:
        """Find the song that is asked about."""
        if query.get("item_id"):
            return self._servers.find(query["item_id"], self._server(query))
        if not query.get("title") or not query.get("artist"):
            raise LacksError("item_id, or title and artist, must be given")
        title = query["title"].casefold()
        found = self._engine.search.by_text(f"{query['artist']} {title}", MAX_N)
        track = next((each for each in found if each.tags.title.casefold() == title), None)
        if track is None:
            raise UnknownTrackError(f"no song is called {query['title']!r} by {query['artist']!r}")
        return self._servers.usual(self._server(query)), track

    def _server(self, query: Query) -> str | None:
        """Return the server that the plugin names, if it names one."""
        name = query.get("server") or None
        if name is not None and name not in self._servers.links.names():
            raise LacksError(f"server must be linked, got {name!r}")
        return name


def _song(song_id: str, track: Track) -> dict[str, Any]:
    """Describe a song."""
    tags = track.tags
    names = {"title": tags.title or track.path.stem, "author": tags.artist, "album": tags.album or UNKNOWN}
    return {"item_id": song_id} | {name: clean(text) for name, text in names.items()}


def _matches(
    songs: Sequence[tuple[str, str]], other_songs: Sequence[tuple[str, str]], distance: float
) -> dict[str, Any]:
    """Describe why two artists are similar, by songs of both: one component of each, since we model no more."""
    described = [
        [{"item_id": song_id, "title": clean(title)} for song_id, title in each] for each in (songs, other_songs)
    ]
    return {
        "component1_index": 0,
        "component2_index": 0,
        "distance": round(distance, 6),
        "artist1_representative_songs": described[0],
        "artist2_representative_songs": described[1],
    }


def _distance(similarity: float) -> float:
    return round(max(0.0, 1.0 - similarity), 6)


def _number(query: Query, name: str, otherwise: int, *, least: int = 1) -> int:
    """Read a number; what is none counts as not given, and what is out of range is cut, as AudioMuse-AI does."""
    text = query.get(name, "")
    return min(MAX_N, max(least, int(text[:9]))) if text.isascii() and text.isdecimal() else otherwise
