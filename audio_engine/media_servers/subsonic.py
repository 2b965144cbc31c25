"""Client of Subsonic's API, as Navidrome, Gonic, Airsonic, Supysonic and others speak it.

Every request is a POST form, so that the token stands in no address. Songs are listed by a search for nothing, which
OpenSubsonic defines to find everything, and where a server finds nothing by that, album by album.

References
----------
Subsonic API 1.16.1, and OpenSubsonic API, https://opensubsonic.netlify.app: ``search3``, ``getAlbumList2``,
``createPlaylist``, ``apiKeyAuthentication``, ``formPost``.
"""

import hashlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from audio_engine.errors import MediaServerError
from audio_engine.media_servers.accounts import Account
from audio_engine.media_servers.connection import Connection, as_object, as_objects, as_seconds, as_text, required
from audio_engine.media_servers.server import ServerSong

PAGE = 500  # songs or albums, the most that the API allows for albums
API_VERSION = "1.16.1"
CLIENT = "audio-engine"
SALT_BYTES = 16
WRONG_LOGIN = frozenset({40, 44})  # error codes
NO_TOKENS = frozenset({41, 42})
MISSING = 10


class SubsonicServer:
    """A server that speaks Subsonic's API.

    Parameters
    ----------
    account
        Its secrets are ``t`` and ``s``, or ``apiKey``, or, where the server takes neither, ``p``.
    """

    def __init__(self, account: Account) -> None:
        self._account, self._secrets = account, account.secrets
        self._connection = Connection(account.url.rstrip("/").removesuffix("/rest"))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def log_in(self, secret: str, *, is_token: bool) -> Mapping[str, str]:
        """Try an API key, or a password by its salted hash; the password itself is kept where only that is taken."""
        if is_token:
            return self._try({"apiKey": secret})
        salt = secrets.token_hex(SALT_BYTES)
        token = hashlib.md5(f"{secret}{salt}".encode(), usedforsecurity=False).hexdigest()  # as the API defines it
        try:
            return self._try({"t": token, "s": salt})
        except _TokensNotTakenError:
            if not _is_private(self._connection.url):
                raise
            return self._try({"p": f"enc:{secret.encode().hex()}"})

    def songs(self) -> Iterator[ServerSong]:
        """Walk the library."""
        songs = self._paged(self._found, "search3")
        first = next(songs, None)
        if first is None:
            songs = (song for album in self._paged(self._albums, "getAlbumList2") for song in self._of_album(album))
        else:
            yield _song_of(first)
        yield from map(_song_of, songs)

    def playlists(self, name: str) -> list[str]:
        """List the user's own playlists of a name."""
        found = as_objects(as_object(self._ask("getPlaylists").get("playlists")).get("playlist"))
        user = self._account.user.casefold()
        mine = (each for each in found if not user or as_text(each.get("owner")).casefold() in {"", user})
        return [required(each, "id") for each in mine if each.get("name") == name]

    def create_playlist(self, name: str, song_ids: Sequence[str]) -> str:
        """Make a playlist; servers before 1.14 do not say its id, which is looked up then."""
        made = as_object(self._ask("createPlaylist", name=name, songId=song_ids).get("playlist"))
        found = [as_text(made["id"])] if made.get("id") else self.playlists(name)
        if not found:
            raise MediaServerError(f"server {self._connection.url} must keep the playlist, got none of this name")
        return found[-1]

    def replace_playlist(self, playlist_id: str, song_ids: Sequence[str]) -> None:
        """Put songs in place of those that a playlist has."""
        self._ask("createPlaylist", playlistId=playlist_id, songId=song_ids)

    def add_to_playlist(self, playlist_id: str, song_ids: Sequence[str]) -> None:
        """Put songs at the end of a playlist."""
        self._ask("updatePlaylist", playlistId=playlist_id, songIdToAdd=song_ids)

    def playlist_songs(self, playlist_id: str) -> list[str]:
        """List the songs of a playlist."""
        playlist = as_object(self._ask("getPlaylist", id=playlist_id).get("playlist"))
        return [required(song, "id") for song in as_objects(playlist.get("entry"))]

    def _try(self, kept: Mapping[str, str]) -> Mapping[str, str]:
        self._secrets = kept
        self._ask("ping")
        return kept

    def _paged(self, page_at: Any, name: str) -> Iterator[dict[str, Any]]:
        """Yield the entries of all pages, each once: a library may change while it is walked."""
        seen: set[str] = set()
        offset = 0
        while page := page_at(offset):
            new = [entry for entry in page if required(entry, "id") not in seen]
            if not new:
                raise MediaServerError(f"server {self._connection.url} must page, got one page of {name} twice")
            seen.update(as_text(entry["id"]) for entry in new)
            yield from new
            offset += len(page)

    def _found(self, offset: int) -> list[dict[str, Any]]:
        counts = {"artistCount": "0", "albumCount": "0", "songCount": str(PAGE), "songOffset": str(offset)}
        found = self._ask("search3", query="", **counts).get("searchResult3")
        return as_objects(as_object(found).get("song"))

    def _albums(self, offset: int) -> list[dict[str, Any]]:
        listed = self._ask("getAlbumList2", type="alphabeticalByName", size=str(PAGE), offset=str(offset))
        return as_objects(as_object(listed.get("albumList2")).get("album"))

    def _of_album(self, album: dict[str, Any]) -> list[dict[str, Any]]:
        return as_objects(as_object(self._ask("getAlbum", id=required(album, "id")).get("album")).get("song"))

    def _ask(self, endpoint: str, /, **parameters: str | Sequence[str]) -> dict[str, Any]:
        """Ask an endpoint; the content of its envelope."""
        who = {} if "apiKey" in self._secrets else {"u": self._account.user}
        form = {"v": API_VERSION, "c": CLIENT, "f": "json", **who, **self._secrets, **parameters}
        answer = self._connection.post_form(f"/rest/{endpoint}", form)
        envelope = as_object(as_object(answer).get("subsonic-response"))
        if not envelope:
            raise MediaServerError(f"server {self._connection.url} must speak Subsonic's API, got another answer")
        if envelope.get("status") != "ok":
            raise self._error(endpoint, as_object(envelope.get("error")))
        return envelope

    def _error(self, name: str, error: Mapping[str, Any]) -> MediaServerError:
        """Say what an error of the API means."""
        code, url = error.get("code"), self._connection.url
        if code in NO_TOKENS or (code == MISSING and "t" in self._secrets and name == "ping"):
            return _TokensNotTakenError(
                f"server {url} must take salted tokens or API keys, got: {as_text(error.get('message')) or code} "
                "(a password as it is goes over https only)"
            )
        if code in WRONG_LOGIN:
            return MediaServerError(f"server {url} refuses the login: is the user and password or token right?")
        return MediaServerError(f"server {url} refuses {name}: {as_text(error.get('message')) or code}")


class _TokensNotTakenError(MediaServerError):
    """The server takes no salted tokens."""


def _is_private(url: str) -> bool:
    """Return whether nobody on the way can read what is sent."""
    address = urlsplit(url)
    return address.scheme == "https" or address.hostname in {"localhost", "127.0.0.1", "::1"}


def _song_of(song: dict[str, Any]) -> ServerSong:
    """Read a ``Child`` of the API."""
    artists = as_objects(song.get("artists"))
    return ServerSong(
        song_id=required(song, "id"),
        title=as_text(song.get("title")),
        artist="; ".join(as_text(artist.get("name")) for artist in artists) or as_text(song.get("artist")),
        album=as_text(song.get("album")),
        artist_id=as_text(artists[0].get("id") if artists else song.get("artistId")),
        duration_s=as_seconds(song.get("duration")),
        path=as_text(song.get("path")),
        recording_ids=frozenset(filter(None, [as_text(song.get("musicBrainzId")).lower()])),
    )
