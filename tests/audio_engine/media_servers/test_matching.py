"""Songs are matched to tracks by path, else by MusicBrainz id, else by tags and length, and never guessed at."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audio_engine import Tags, Track
from audio_engine.media_servers.accounts import Root
from audio_engine.media_servers.matching import Link, match_songs
from audio_engine.media_servers.server import ServerSong

ROOTS = (Root(server="/music", local="/home/ann/Music"),)


def track(track_id: str, path: str, **tags: Any) -> Track:
    told = {"title": "Dawn", "artist": "Anna", "album": "", "duration_s": 200.0, **tags}
    return Track(
        track_id=track_id,
        path=Path(path),
        tags=Tags(**told),
        status="embedded",
        content_hash=track_id,
        file_size=1,
        mtime_ns=1,
    )


def song(song_id: str, **told: Any) -> ServerSong:
    values = {"title": "Dawn", "artist": "Anna", "duration_s": 200.0, **told}
    return ServerSong(song_id=song_id, **values)


def linked(links: Sequence[Link]) -> dict[str, tuple[str, str]]:
    return {link.song.song_id: (link.track_id, link.how) for link in links if link.track_id is not None}


def ambiguous(links: Sequence[Link]) -> dict[str, tuple[str, ...]]:
    return {link.song.song_id: link.candidates for link in links if link.candidates}


def test_a_path_below_a_mapped_root_decides_whatever_the_tags_say() -> None:
    tracks = [track("t1", "/home/ann/Music/a/1.mp3"), track("t2", "/home/ann/Music/a/2.mp3")]
    songs = [song("s2", path="/music/a/2.mp3", title="Else"), song("s1", path="/music/a/1.mp3")]
    assert linked(match_songs(songs, tracks, roots=ROOTS)) == {"s2": ("t2", "path"), "s1": ("t1", "path")}


def test_a_path_is_taken_as_it_is_where_no_root_is_mapped_and_in_either_spelling() -> None:
    tracks = [track("t1", "/srv/Mote\u0301t.mp3")]
    assert linked(match_songs([song("s", path="/srv/Mot\u00e9t.mp3", title="")], tracks)) == {"s": ("t1", "path")}
    assert linked(match_songs([song("s", path="/srv/Mot\u00e9t.mp3", title="")], tracks, roots=ROOTS)) == {}


def test_a_relative_path_starts_at_the_root_that_has_no_name_there() -> None:
    roots = (Root(server="", local="/srv/music"),)
    tracks = [track("t1", "/srv/music/a.mp3", title="Unlike")]
    assert linked(match_songs([song("s", path="a.mp3")], tracks, roots=roots)) == {"s": ("t1", "path")}


def test_else_a_musicbrainz_id_decides_and_files_are_not_read_where_no_song_has_one() -> None:
    tracks = [track("t1", "/1.mp3", title="One", duration_s=None), track("t2", "/2.mp3")]
    asked: list[str] = []

    def ids_of(some: Sequence[Track]) -> dict[str, frozenset[str]]:
        asked.extend(each.track_id for each in some)
        return {"t1": frozenset({"mb-1"}), "t2": frozenset({"mb-2"})}

    assert linked(match_songs([song("s", title="No")], tracks, ids_of=ids_of)) == {}
    assert asked == []
    found = match_songs([song("s", title="No", recording_ids=frozenset({"mb-1"}))], tracks, ids_of=ids_of)
    assert linked(found) == {"s": ("t1", "recording")}
    other = match_songs([song("s", recording_ids=frozenset({"mb-3"}))], tracks, ids_of=ids_of)
    assert (linked(other), ambiguous(other)) == ({}, {}), "equal tags, but another recording"


def test_else_title_one_of_the_artists_and_length_decide() -> None:
    tracks = [track("t1", "/1.mp3", artist="Anna; Ben"), track("t2", "/2.mp3", duration_s=203.0)]
    assert linked(match_songs([song("s", title="DAWN ", artist="ben")], tracks)) == {"s": ("t1", "tags")}
    assert linked(match_songs([song("s", duration_s=None)], tracks)) == {}, "no length, no link"
    assert linked(match_songs([song("s", duration_s=190.0)], tracks)) == {}
    assert linked(match_songs([song("s", title="")], [track("t", "/t.mp3", title="")])) == {}


def test_what_fits_several_tracks_is_ambiguous_unless_the_album_decides() -> None:
    tracks = [track("t1", "/1.mp3", album="First"), track("t2", "/2.mp3", album="Best of")]
    found = match_songs([song("s")], tracks)
    assert (linked(found), ambiguous(found)) == ({}, {"s": ("t1", "t2")})
    both = match_songs([song("s1", album="First"), song("s2", album="best of")], tracks)
    assert linked(both) == {"s1": ("t1", "tags"), "s2": ("t2", "tags")}


def test_a_track_that_several_songs_fit_is_linked_to_none_unless_the_album_decides() -> None:
    tracks = [track("t1", "/1.mp3", album="First")]
    found = match_songs([song("s1"), song("s2")], tracks)
    assert (linked(found), ambiguous(found)) == ({}, {"s1": ("t1",), "s2": ("t1",)})
    found = match_songs([song("s1", album="Best of"), song("s2", album="First")], tracks)
    assert (linked(found), ambiguous(found)) == ({"s2": ("t1", "tags")}, {"s1": ("t1",)})


def test_what_the_path_has_linked_is_no_candidate_any_more() -> None:
    tracks = [track("t1", "/home/ann/Music/1.mp3"), track("t2", "/elsewhere/2.mp3")]
    found = match_songs([song("s1", path="/music/1.mp3"), song("s2")], tracks, roots=ROOTS)
    assert linked(found) == {"s1": ("t1", "path"), "s2": ("t2", "tags")}
