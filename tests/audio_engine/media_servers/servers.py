"""Small media servers for the tests, over real HTTP: one speaks Subsonic's API, one Jellyfin's."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.service.serving import listening

USER, PASSWORD, KEY = "ann", "open sesame", "key-of-ann"
TICKS = 10_000_000  # of a second


@dataclass
class Library:
    """What a server holds, and what it was asked."""

    songs: list[dict[str, Any]]
    playlists: dict[str, tuple[str, str, list[str]]] = field(default_factory=dict)  # name, owner, songs, by id
    asked: list[str] = field(default_factory=list)  # addresses with their queries
    dies_at: int | None = None  # the song whose page fails
    page: int = 4  # songs at most, whatever is asked for
    searches: bool = True  # finds all songs by a search for nothing
    takes_tokens: bool = True
    ignores_offset: bool = False
    url: str = ""

    def cut(self, offset: int, count: int) -> list[dict[str, Any]] | None:
        """Give a page; None where the server dies."""
        start = 0 if self.ignores_offset else offset
        if self.dies_at is not None and start <= self.dies_at < start + self.page:
            return None
        return self.songs[start : start + min(count, self.page)]

    def playlist(self, name: str) -> list[str]:
        """The songs of the one playlist of a name."""
        [songs] = [songs for each, _, songs in self.playlists.values() if each == name]
        return songs


def song(song_id: str, title: str, artist: str, **more: Any) -> dict[str, Any]:
    return {"id": song_id, "title": title, "artist": artist, "artistId": f"ar-{artist}", **more}


@contextmanager
def subsonic(library: Library) -> Iterator[Library]:
    """Serve a library by Subsonic's API."""

    async def rest(request: Request) -> Response:
        library.asked.append(str(request.url))
        form = parse_qsl((await request.body()).decode(), keep_blank_values=True)
        reply = _subsonic(library, request.path_params["name"], form)
        return Response("gone", status_code=500) if reply is None else JSONResponse({"subsonic-response": reply})

    with listening(Starlette(routes=[Route("/rest/{name}", rest, methods=["POST"])])) as client:
        library.url = str(client.base_url).rstrip("/")
        yield library


def _subsonic(library: Library, name: str, form: list[tuple[str, str]]) -> dict[str, Any] | None:
    asked = dict(form)
    code = _refusal(library, asked)
    if code:
        return {"status": "failed", "version": "1.16.1", "error": {"code": code, "message": f"error {code}"}}
    content = _content(library, name, asked, form)
    if content is None:
        return None
    return {"status": "failed" if "error" in content else "ok", "version": "1.16.1", **content}


def _refusal(library: Library, asked: dict[str, str]) -> int:
    if "apiKey" in asked:
        return 0 if asked["apiKey"] == KEY and "u" not in asked else 44
    if "p" in asked:
        return 0 if asked["p"] == f"enc:{PASSWORD.encode().hex()}" else 40
    if not library.takes_tokens:
        return 41
    token = hashlib.md5(f"{PASSWORD}{asked.get('s', '')}".encode()).hexdigest()
    return 0 if (asked.get("u"), asked.get("t")) == (USER, token) else 40


def _content(library: Library, name: str, asked: dict[str, str], form: list[tuple[str, str]]) -> dict[str, Any] | None:
    sent = [value for key, value in form if key in {"songId", "songIdToAdd"}]
    known = {each["id"] for each in library.songs}
    if name == "search3":
        page = library.cut(int(asked["songOffset"]), int(asked["songCount"])) if library.searches else []
        return None if page is None else {"searchResult3": {"song": page} if page else {}}
    if name == "getAlbumList2":
        albums = sorted({each["album"] for each in library.songs})[int(asked["offset"]) :][:2]
        return {"albumList2": {"album": [{"id": f"al-{album}"} for album in albums]}}
    if name == "getAlbum":
        return {"album": {"song": [each for each in library.songs if f"al-{each['album']}" == asked["id"]]}}
    return _playlists(library, name, asked, sent=[each for each in sent if each in known])


def _playlists(library: Library, name: str, asked: dict[str, str], *, sent: list[str]) -> dict[str, Any]:
    if name == "getPlaylists":
        listed = [{"id": key, "name": each, "owner": owner} for key, (each, owner, _) in library.playlists.items()]
        return {"playlists": {"playlist": listed}}
    if name == "createPlaylist":
        key = asked.get("playlistId", f"pl-{len(library.playlists)}")
        name = library.playlists[key][0] if key in library.playlists else asked["name"]
        library.playlists[key] = (name, USER, sent)
        return {"playlist": {"id": key}}
    if name == "updatePlaylist":
        library.playlists[asked["playlistId"]][2].extend(sent)
    if name == "getPlaylist":
        return {"playlist": {"entry": [{"id": each} for each in library.playlists[asked["id"]][2]]}}
    return {}


@contextmanager
def jellyfin(library: Library) -> Iterator[Library]:
    """Serve a library by Jellyfin's API."""
    token, user_id = "token-of-a-session", "a1" * 16

    def allowed(request: Request) -> bool:
        shown = request.headers.get("authorization", "")
        return f'Token="{token}"' in shown or f'Token="{KEY}"' in shown

    async def log_in(request: Request) -> Response:
        library.asked.append(str(request.url))
        if await request.json() != {"Username": USER, "Pw": PASSWORD}:
            return Response(status_code=401)
        return JSONResponse({"AccessToken": token, "User": {"Id": user_id, "Name": USER}})

    async def users(request: Request) -> Response:
        return JSONResponse([{"Name": "Ann", "Id": user_id}]) if allowed(request) else Response(status_code=401)

    async def items(request: Request) -> Response:
        library.asked.append(str(request.url))
        query = request.query_params
        if not allowed(request) or query["userId"] != user_id:
            return Response(status_code=401)
        if query["includeItemTypes"] == "Playlist":
            found = [{"Id": key, "Name": name} for key, (name, _, _) in library.playlists.items()]
            return JSONResponse({"Items": found})
        page = library.cut(int(query["startIndex"]), int(query["limit"]))
        if page is None:
            return Response(status_code=503)
        return JSONResponse({"Items": [_item(each) for each in page], "TotalRecordCount": len(library.songs)})

    async def create(request: Request) -> Response:
        body = await request.json()
        assert (body["UserId"], body["MediaType"]) == (user_id, "Audio")
        key = f"pl{len(library.playlists)}"
        library.playlists[key] = (body["Name"], USER, body["Ids"])
        return JSONResponse({"Id": key})

    async def update(request: Request) -> Response:
        key = request.path_params["key"]
        library.playlists[key][2][:] = json.loads(await request.body())["Ids"]
        return Response(status_code=204)

    async def entries(request: Request) -> Response:
        songs = library.playlists[request.path_params["key"]][2]
        if request.method == "POST":
            songs.extend(request.query_params["ids"].split(","))
            return Response(status_code=204)
        return JSONResponse({"Items": [{"Id": each} for each in songs]})

    routes = [
        Route("/Users/AuthenticateByName", log_in, methods=["POST"]),
        Route("/Users", users),
        Route("/Items", items),
        Route("/Playlists", create, methods=["POST"]),
        Route("/Playlists/{key}", update, methods=["POST"]),
        Route("/Playlists/{key}/Items", entries, methods=["GET", "POST"]),
    ]
    with listening(Starlette(routes=routes)) as client:
        library.url = str(client.base_url).rstrip("/")
        yield library


def _item(each: dict[str, Any]) -> dict[str, Any]:
    ids = {"MusicBrainzTrack": each["musicBrainzId"].upper()} if "musicBrainzId" in each else {}
    return {
        "Id": each["id"],
        "Name": each["title"],
        "ArtistItems": [{"Name": each["artist"], "Id": each["artistId"]}],
        "Album": each.get("album"),
        "RunTimeTicks": int(each["duration"] * TICKS) if "duration" in each else None,
        "Path": each.get("path"),
        "ProviderIds": ids,
    }
