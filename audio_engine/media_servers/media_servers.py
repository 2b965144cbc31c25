"""Media servers of one catalogue: link their libraries to it, answer in their ids, write playlists into them."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.catalogue.track import Track
from audio_engine.embedding.models import Models
from audio_engine.embedding.track_lookup import track_of_id
from audio_engine.errors import MediaServerError, UnknownTrackError
from audio_engine.media_servers.accounts import Account, AccountFile
from audio_engine.media_servers.artists import ArtistCache, SimilarArtist
from audio_engine.media_servers.link_store import LinkStore
from audio_engine.media_servers.matching import Link, match_songs
from audio_engine.media_servers.server import MediaServer, ServerSong
from audio_engine.media_servers.server_tracks import ServerTracks
from audio_engine.search.search import Search

Mode = Literal["new", "replace", "add"]
NO_SONGS = "server must have songs, got none: is its library being scanned? (links that there were stay as they were)"


@dataclass(frozen=True, kw_only=True)
class LinkReport:
    """What linking found."""

    name: str  # of the server
    n_songs: int  # of the server
    n_linked: int
    by: Mapping[str, int]  # links, by how they were found: path, recording, tags
    n_ambiguous: int  # songs that may be several tracks, or share one
    n_unknown: int  # songs that are no track
    n_tracks: int  # of the catalogue
    n_added: int  # links that there were not before
    n_removed: int  # links that are no more


@dataclass(frozen=True, kw_only=True)
class PlaylistReport:
    """What became of a playlist."""

    playlist_id: str  # the server's
    n_sent: int  # songs
    n_missing: int  # of those, songs that the server did not take: it has them no more


class MediaServers:
    """The servers that are linked to one catalogue; threads may share it."""

    def __init__(self, catalogue: Catalogue, models: Models, search: Search, directory: Path) -> None:
        self._catalogue, self._search = catalogue, search
        self.accounts = AccountFile(directory)
        self.links = LinkStore(directory)
        self._artists = ArtistCache(self.links, catalogue, models)

    def close(self) -> None:
        """Close the file of the links."""
        self.links.close()

    def link(
        self,
        account: Account,
        secret: str | None = None,
        *,
        is_token: bool = False,
        on_songs: Callable[[int], None] = lambda _: None,
    ) -> LinkReport:
        """Walk a server's library and link its songs to the tracks of the catalogue; again at any time.

        Parameters
        ----------
        account
            Who asks which server. What was known of a server of this name is replaced once all has gone well.
        secret
            A password, or a token of the server; None: what the account has of an earlier link.
        is_token
            The secret is an API key or an access token.
        on_songs
            Is told now and then how many songs have been read.

        Raises
        ------
        MediaServerError
            When the server cannot be reached, refuses, fails half-way or has no songs. All stays as it was then.
        """
        self._catalogue.check_writable()
        with _open(account) as server:
            if secret is not None:
                account = replace(account, secrets=server.log_in(secret, is_token=is_token))
            songs = list(_counted(server.songs(), on_songs))
        if not songs:
            raise MediaServerError(NO_SONGS)
        tracks = self._catalogue.tracks("embedded")
        links = match_songs(songs, tracks, roots=account.roots, ids_of=self.links.recording_ids)
        before = set(self.links.track_ids(account.name).items())
        self.accounts.put(account)
        self.links.replace(account.name, links, datetime.now(UTC).isoformat(timespec="seconds"))
        return _report(account.name, links, before, n_tracks=len(tracks))

    def unlink(self, name: str) -> None:
        """Forget a server: its account and its links.

        Raises
        ------
        ValueError
            When there is none of this name.
        """
        self._account(name)
        self.accounts.remove(name)
        self.links.remove(name)

    def unlinked_tracks(self, name: str) -> list[Track]:
        """List the embedded tracks that a server does not have, by path."""
        linked = set(self.links.track_ids(name).values())
        return [track for track in self._catalogue.tracks("embedded") if track.track_id not in linked]

    def tracks(self, server: str | None) -> ServerTracks:
        """Give the tracks as a server calls them; None: as we do.

        Raises
        ------
        ValueError
            When no server of this name is linked.
        """
        if server is not None and server not in (names := self.links.names()):
            raise ValueError(f"server must be linked, got {server!r} (linked: {', '.join(names) or 'none'})")
        return ServerTracks(server, self.links, self._search)

    def usual(self, server: str | None = None) -> ServerTracks:
        """Give the tracks as the named server calls them, else as the first linked does, else as we do."""
        return self.tracks(server or next(iter(self.links.names()), None))

    def find(self, song_id: str, server: str | None = None) -> tuple[ServerTracks, Track]:
        """Find a track by the id that a linked server has for it, or by our own, and who calls it so.

        A server's id comes first, of several servers the first linked: players and plugins know no other ids.

        Parameters
        ----------
        song_id
            Of a server, or of a track.
        server
            Only this one's ids.

        Raises
        ------
        UnknownTrackError
            When there is no such track, or the server's song is not linked to one that is still there.
        ValueError
            When no server of this name is linked.
        """
        named = self.tracks(server)
        found = self.links.find(song_id, server)
        if found is None and server is None:
            return named, track_of_id(song_id, self._catalogue)
        if found is None or found[1] is None:
            raise UnknownTrackError(f"song must be linked to a track, got {song_id!r}")
        return self.tracks(found[0]), track_of_id(found[1], self._catalogue)

    def similar_artists(self, artist: str, n: int = 10, *, server: str | None = None) -> list[SimilarArtist]:
        """Find the artists whose tracks sound most like those of one.

        Parameters
        ----------
        artist
            An id that a linked server has, or a name.
        n
            How many.
        server
            Whose artists; by default those of the server that has the id, else of the first linked, else our own.

        Raises
        ------
        UnknownTrackError, ValueError
            When there is no such artist, or no such server.
        """
        owner = self.usual(server or self.links.find_artist(artist)).name
        return self._artists.of(owner).near(artist, n)

    def write_playlist(self, server: str, name: str, song_ids: Sequence[str], *, mode: Mode = "new") -> PlaylistReport:
        """Write a playlist into a server.

        Parameters
        ----------
        server
            A linked one.
        name
            Of the playlist.
        song_ids
            The server's.
        mode
            What to do with a playlist of this name: refuse, replace its songs, or add to them.

        Raises
        ------
        FileExistsError
            When there is one of this name, and the mode is "new".
        ValueError
            When there are several of this name, or no songs, or no such server.
        MediaServerError
            When the server cannot be reached, or refuses.
        """
        if not song_ids or not name:
            raise ValueError(f"playlist must have a name and songs, got {name!r} and {len(song_ids)} songs")
        with _open(self._account(server)) as connected:
            there = connected.playlists(name)
            if there and mode == "new":
                raise FileExistsError(f"playlist {name!r} exists on {server}: replace it, or add to it")
            if len(there) > 1:
                raise ValueError(
                    f"name must be that of one playlist, got {name!r}, which {len(there)} on {server} have"
                )
            playlist_id = _written(connected, there, name, song_ids, mode=mode)
            arrived = set(connected.playlist_songs(playlist_id))
        return PlaylistReport(playlist_id=playlist_id, n_sent=len(song_ids), n_missing=len(set(song_ids) - arrived))

    def _account(self, name: str) -> Account:
        account = self.accounts.find(name)
        if account is None:
            names = ", ".join(each.name for each in self.accounts.all())
            raise ValueError(f"server must be linked, got {name!r} (linked: {names or 'none'})")
        return account


@contextmanager
def _open(account: Account) -> Iterator[MediaServer]:
    """Connect to a server."""
    from audio_engine.media_servers.jellyfin import JellyfinServer  # noqa: PLC0415  (of the extra "client")
    from audio_engine.media_servers.subsonic import SubsonicServer  # noqa: PLC0415

    server: MediaServer = JellyfinServer(account) if account.kind == "jellyfin" else SubsonicServer(account)
    try:
        yield server
    finally:
        server.close()


def _written(server: MediaServer, there: Sequence[str], name: str, song_ids: Sequence[str], *, mode: Mode) -> str:
    """Make, replace or lengthen a playlist; its id."""
    if not there:
        return server.create_playlist(name, song_ids)
    if mode == "add":
        server.add_to_playlist(there[0], song_ids)
    else:
        server.replace_playlist(there[0], song_ids)
    return there[0]


def _counted(songs: Iterator[ServerSong], on_songs: Callable[[int], None]) -> Iterator[ServerSong]:
    """Tell of every thousandth song."""
    for n_read, song in enumerate(songs, start=1):
        if n_read % 1_000 == 0:
            on_songs(n_read)
        yield song


def _report(name: str, links: Sequence[Link], before: set[tuple[str, str]], *, n_tracks: int) -> LinkReport:
    """Sum up."""
    after = {(link.song.song_id, link.track_id) for link in links if link.track_id is not None}
    n_ambiguous = sum(bool(link.candidates) for link in links)
    return LinkReport(
        name=name,
        n_songs=len(links),
        n_linked=len(after),
        by=dict(Counter(link.how for link in links if link.how)),
        n_ambiguous=n_ambiguous,
        n_unknown=len(links) - len(after) - n_ambiguous,
        n_tracks=n_tracks,
        n_added=len(after - before),
        n_removed=len(before - after),
    )
