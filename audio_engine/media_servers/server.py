"""What is asked of a media server, whichever kind it is, and the songs and playlists that it answers with."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerSong:
    """A song as a media server describes it."""

    song_id: str
    title: str = ""
    artist: str = ""  # several are joined by "; ", as in the tags of the catalogue
    album: str = ""
    artist_id: str = ""  # of the first artist
    duration_s: float | None = None  # Subsonic gives whole seconds
    path: str = ""  # on the server, or below its music folder; not every server tells
    recording_ids: frozenset[str] = frozenset()  # of MusicBrainz: of the recording, or of its place on a release


class MediaServer(Protocol):
    """A connection to a media server. Every method may raise a ``MediaServerError``."""

    def log_in(self, secret: str, *, is_token: bool) -> Mapping[str, str]:
        """Try a password or a token, and return what is to be kept of it."""

    def songs(self) -> Iterator[ServerSong]:
        """Walk the whole library, page by page."""

    def playlists(self, name: str) -> list[str]:
        """List the ids of the user's playlists of a name."""

    def create_playlist(self, name: str, song_ids: Sequence[str]) -> str:
        """Make a playlist and return its id."""

    def replace_playlist(self, playlist_id: str, song_ids: Sequence[str]) -> None:
        """Put songs in place of those that a playlist has."""

    def add_to_playlist(self, playlist_id: str, song_ids: Sequence[str]) -> None:
        """Put songs at the end of a playlist."""

    def playlist_songs(self, playlist_id: str) -> list[str]:
        """List the ids of the songs of a playlist, in order."""

    def close(self) -> None:
        """Close the connection."""
