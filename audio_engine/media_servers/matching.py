"""Matching of a media server's songs to tracks: by path, else by MusicBrainz id, else by tags and length.

A song that fits several tracks, or a track that several songs fit, is not guessed at: the album may decide, and where
it does not, the song is ambiguous. A track is linked to one song of a server at most.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from audio_engine.catalogue.tag_text import artist_keys, normalised
from audio_engine.catalogue.track import Track
from audio_engine.media_servers.accounts import Root
from audio_engine.media_servers.server import ServerSong
from audio_engine.plays.spelling import one_spelling

LENGTH_TOLERANCE_S = 2.0  # Subsonic gives whole seconds, and decoders differ by the padding of an encoder

How = Literal["path", "recording", "tags", ""]  # "": by nothing
Ids = Mapping[str, frozenset[str]]  # of MusicBrainz, by track id
Candidates = tuple[Track, ...]  # that a song may be


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """A song of a server, and the track that it is."""

    song: ServerSong
    track_id: str | None = None  # None: not linked
    how: How = ""  # by what it was matched
    candidates: tuple[str, ...] = ()  # ids of tracks that it may be, where that is ambiguous


def match_songs(
    songs: Sequence[ServerSong],
    tracks: Sequence[Track],
    *,
    roots: Sequence[Root] = (),
    ids_of: Callable[[Sequence[Track]], Ids] = lambda _: {},
) -> list[Link]:
    """Match songs to tracks.

    Parameters
    ----------
    songs
        Of one server.
    tracks
        Of the catalogue.
    roots
        Where folders of the server lie here; without any, its paths are taken as they are.
    ids_of
        Reads the MusicBrainz ids of tracks, by track id; asked only where a song that no path tells has some.

    Returns
    -------
    links
        In the order of the songs.
    """
    links = {song.song_id: Link(song=song) for song in songs}
    ids: dict[str, frozenset[str]] = {}

    def by_recording(rest: Sequence[ServerSong], left: Sequence[Track]) -> list[Candidates]:
        if any(song.recording_ids for song in rest):
            ids.update(ids_of(left))
        return _by_recording(rest, left, ids)

    stages: tuple[tuple[How, Callable[[Sequence[ServerSong], Sequence[Track]], list[Candidates]]], ...] = (
        ("path", lambda rest, left: _by_path(rest, left, roots)),
        ("recording", by_recording),
        ("tags", lambda rest, left: _by_tags(rest, left, ids)),
    )
    for how, find in stages:
        rest = [link.song for link in links.values() if link.track_id is None and not link.candidates]
        linked = {link.track_id for link in links.values()}
        left = [track for track in tracks if track.track_id not in linked]
        links |= {link.song.song_id: link for link in _settled(rest, find(rest, left), how)}
    return list(links.values())


def local_path(path: str, roots: Sequence[Root]) -> str | None:
    """Return where a file of the server lies here; None where no root says.

    Examples
    --------
    >>> roots = [Root(server="/music", local="/home/ann/Music"), Root(server="", local="/srv")]
    >>> local_path("/music/a/b.mp3", roots), local_path("a/b.mp3", roots), local_path("/musical/b.mp3", roots)
    ('/home/ann/Music/a/b.mp3', '/srv/a/b.mp3', None)
    """
    if not path:
        return None
    posix = PurePosixPath(path.replace("\\", "/"))
    for root in roots:
        folder = PurePosixPath(root.server.replace("\\", "/"))
        if (root.server and posix.is_relative_to(folder)) or (not root.server and not posix.is_absolute()):
            return str(Path(root.local) / (posix.relative_to(folder) if root.server else posix))
    return str(posix) if not roots and posix.is_absolute() else None


def _by_path(songs: Sequence[ServerSong], tracks: Sequence[Track], roots: Sequence[Root]) -> list[Candidates]:
    """Find the track at each song's path."""
    track_at = {one_spelling(str(track.path)): track for track in tracks}
    paths = (local_path(song.path, roots) for song in songs)
    found = (None if path is None else track_at.get(one_spelling(path)) for path in paths)
    return [() if track is None else (track,) for track in found]


def _by_recording(songs: Sequence[ServerSong], tracks: Sequence[Track], ids: Ids) -> list[Candidates]:
    """Find the tracks that share a MusicBrainz id with each song."""
    tracks_of: dict[str, list[Track]] = defaultdict(list)
    for track in tracks:
        for recording_id in ids.get(track.track_id, ()):
            tracks_of[recording_id].append(track)
    return [_once(track for each in song.recording_ids for track in tracks_of.get(each, ())) for song in songs]


def _by_tags(songs: Sequence[ServerSong], tracks: Sequence[Track], ids: Ids) -> list[Candidates]:
    """Find the tracks of each song's title, artist and length; MusicBrainz ids that differ tell recordings apart."""
    alike: dict[tuple[str, str], list[Track]] = defaultdict(list)
    for track in tracks:
        for name in _names(track.tags.title, track.tags.artist):
            alike[name].append(track)

    def fits(song: ServerSong, track: Track) -> bool:
        theirs, ours = song.recording_ids, ids.get(track.track_id, frozenset())
        is_other = bool(theirs and ours and theirs.isdisjoint(ours))
        return not is_other and _as_long(song.duration_s, track.tags.duration_s)

    return [
        _once(track for name in _names(song.title, song.artist) for track in alike.get(name, ()) if fits(song, track))
        for song in songs
    ]


def _settled(songs: Sequence[ServerSong], found: Sequence[Candidates], how: How) -> list[Link]:
    """Link the songs that fit one track alone, which no other song fits as well; the album may decide."""
    found = [_of_album(song, tracks) for song, tracks in zip(songs, found, strict=True)]
    claims: dict[str, list[ServerSong]] = defaultdict(list)
    for song, tracks in zip(songs, found, strict=True):
        if len(tracks) == 1:
            claims[tracks[0].track_id].append(song)
    links = []
    for song, tracks in zip(songs, found, strict=True):
        if len(tracks) == 1 and _has_claim(song, tracks[0], claims[tracks[0].track_id]):
            links.append(Link(song=song, track_id=tracks[0].track_id, how=how))
        else:
            links.append(Link(song=song, candidates=tuple(track.track_id for track in tracks)))
    return links


def _of_album(song: ServerSong, tracks: Candidates) -> Candidates:
    """Narrow several tracks down to the one on the song's album, if there is just one."""
    same = tuple(track for track in tracks if _same_album(song, track))
    return same if len(same) == 1 else tracks


def _has_claim(song: ServerSong, track: Track, claimants: Sequence[ServerSong]) -> bool:
    """Return whether a track is this song, of all that fit it."""
    return len(claimants) == 1 or [each for each in claimants if _same_album(each, track)] == [song]


def _same_album(song: ServerSong, track: Track) -> bool:
    album = normalised(song.album)
    return bool(album) and album == normalised(track.tags.album)


def _names(title: str, artist: str) -> list[tuple[str, str]]:
    """List what a recording goes by: its title with each of its artists."""
    name = normalised(title)
    return [(name, artist) for artist in artist_keys(artist)] if name else []


def _as_long(duration_s: float | None, other_s: float | None) -> bool:
    """Return whether both lengths are known and about equal."""
    return duration_s is not None and other_s is not None and abs(duration_s - other_s) <= LENGTH_TOLERANCE_S


def _once(tracks: Iterable[Track]) -> Candidates:
    """Keep each track once."""
    return tuple({track.track_id: track for track in tracks}.values())
