"""Client of Jellyfin's API: log in, list songs, write playlists.

References
----------
Jellyfin API 10.11, https://api.jellyfin.org: ``AuthenticateUserByName``, ``GetItems``, ``CreatePlaylist``,
``UpdatePlaylist`` (since 10.9), ``AddItemToPlaylist``, ``GetPlaylistItems``.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from audio_engine.errors import MediaServerError
from audio_engine.media_servers.accounts import Account
from audio_engine.media_servers.connection import Connection, as_object, as_objects, as_seconds, as_text, required
from audio_engine.media_servers.server import ServerSong

PAGE = 500  # songs
ADDED_TOGETHER = 50  # songs in one address
TICK_S = 1e-7  # unit of Jellyfin's lengths
CLIENT = 'MediaBrowser Client="audio-engine", Device="audio-engine", DeviceId="audio-engine", Version="1"'


class JellyfinServer:
    """A Jellyfin server.

    Parameters
    ----------
    account
        Its secrets are ``token``, an access token or an API key, and ``user_id``.
    """

    def __init__(self, account: Account) -> None:
        self._account, self._secrets = account, account.secrets
        self._connection = Connection(account.url)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def log_in(self, secret: str, *, is_token: bool) -> Mapping[str, str]:
        """Exchange a password for an access token, or find the user that an API key is used for."""
        user = self._account.user
        if is_token:
            self._secrets = {"token": secret}
            users = as_objects(self._ask("GET", "/Users"))
            found = next((each for each in users if as_text(each.get("Name")).lower() == user.lower()), None)
            if found is None:
                raise MediaServerError(f"user must be one of {self._connection.url}, got {user!r}")
            self._secrets = {"token": secret, "user_id": required(found, "Id")}
        else:
            answer = as_object(self._ask("POST", "/Users/AuthenticateByName", body={"Username": user, "Pw": secret}))
            self._secrets = {"token": required(answer, "AccessToken"), "user_id": required(answer.get("User"), "Id")}
        return self._secrets

    def songs(self) -> Iterator[ServerSong]:
        """Walk the library."""
        query = {"includeItemTypes": "Audio", "fields": "Path,ProviderIds", "sortBy": "SortName"}
        seen: set[str] = set()
        start = 0
        while True:
            answer = self._listed(query | {"startIndex": str(start), "limit": str(PAGE)})
            page = as_objects(answer.get("Items"))
            new = [item for item in page if required(item, "Id") not in seen]
            if not new:
                break
            seen.update(as_text(item["Id"]) for item in new)
            yield from map(_song_of, new)
            start += len(page)
        if len(seen) < answer.get("TotalRecordCount", 0):
            raise MediaServerError(f"server {self._connection.url} must list all songs, got {len(seen)}: try again")

    def playlists(self, name: str) -> list[str]:
        """List the playlists of a name that the user sees."""
        found = as_objects(self._listed({"includeItemTypes": "Playlist"}).get("Items"))
        return [required(item, "Id") for item in found if item.get("Name") == name]

    def create_playlist(self, name: str, song_ids: Sequence[str]) -> str:
        """Make a playlist."""
        body = {"Name": name, "Ids": list(song_ids), "UserId": self._secrets["user_id"], "MediaType": "Audio"}
        return required(self._ask("POST", "/Playlists", body=body), "Id")

    def replace_playlist(self, playlist_id: str, song_ids: Sequence[str]) -> None:
        """Put songs in place of those that a playlist has."""
        self._ask("POST", f"/Playlists/{playlist_id}", body={"Ids": list(song_ids)})

    def add_to_playlist(self, playlist_id: str, song_ids: Sequence[str]) -> None:
        """Put songs at the end of a playlist."""
        for start in range(0, len(song_ids), ADDED_TOGETHER):
            query = {"ids": ",".join(song_ids[start : start + ADDED_TOGETHER]), "userId": self._secrets["user_id"]}
            self._ask("POST", f"/Playlists/{playlist_id}/Items", query=query)

    def playlist_songs(self, playlist_id: str) -> list[str]:
        """List the songs of a playlist."""
        found = self._ask("GET", f"/Playlists/{playlist_id}/Items", query={"userId": self._secrets["user_id"]})
        return [required(item, "Id") for item in as_objects(as_object(found).get("Items"))]

    def _listed(self, query: Mapping[str, str]) -> dict[str, Any]:
        usual = {"userId": self._secrets["user_id"], "recursive": "true", "enableImages": "false"}
        return as_object(self._ask("GET", "/Items", query={**usual, **query}))

    def _ask(self, method: str, path: str, **content: Mapping[str, Any]) -> Any:
        token = self._secrets.get("token")
        authorization = f'{CLIENT}, Token="{token}"' if token else CLIENT
        return self._connection.ask(method, path, headers={"Authorization": authorization}, **content)


def _song_of(item: dict[str, Any]) -> ServerSong:
    """Read a ``BaseItemDto`` of the API."""
    artists = as_objects(item.get("ArtistItems"))
    names = [as_text(artist.get("Name")) for artist in artists] or [as_text(item.get("AlbumArtist"))]
    ids = as_object(item.get("ProviderIds"))
    return ServerSong(
        song_id=required(item, "Id"),
        title=as_text(item.get("Name")),
        artist="; ".join(filter(None, names)),
        album=as_text(item.get("Album")),
        artist_id=as_text(artists[0].get("Id")) if artists else "",
        duration_s=as_seconds(item.get("RunTimeTicks"), TICK_S),
        path=as_text(item.get("Path")),
        recording_ids=frozenset(
            as_text(value).lower()
            for name, value in ids.items()
            if name in {"MusicBrainzTrack", "MusicBrainzRecording"}
        ),
    )
