"""A server's library is walked and linked; what goes wrong leaves the old links whole and shows no secret."""

import hashlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from mutagen.flac import FLAC
from mutagen.id3 import ID3, UFID

from audio_engine import Engine, Tags, UnknownTrackError
from audio_engine.errors import MediaServerError
from audio_engine.media_servers.accounts import Account, Kind, Root
from audio_engine.media_servers.media_servers import LinkReport
from audio_engine.media_servers.recording_ids import read_recording_ids
from tests.audio_engine.media_servers.servers import KEY, PASSWORD, USER, Library, jellyfin, subsonic
from tests.genre_world import SAMPLE_RATE, noise
from tests.made_catalogue import embedded

MBID = "8f3471b5-7e6a-48da-86a9-c1c07a0f47ae"


@pytest.fixture
def server(library: Library) -> Iterator[Library]:
    with subsonic(library) as served:
        yield served


def account(library: Library, engine: Engine, kind: Kind = "navidrome", user: str = USER) -> Account:
    music = engine.tracks()[0].path.parent
    return Account(name=kind, kind=kind, url=library.url, user=user, roots=(Root(server="/music", local=str(music)),))


def link(engine: Engine, library: Library, secret: str = PASSWORD) -> LinkReport:
    return engine.media_servers.link(account(library, engine), secret)


def test_a_library_is_walked_page_by_page_and_again_changes_nothing(engine: Engine, server: Library) -> None:
    report = link(engine, server)
    assert (report.n_songs, report.n_linked, report.by, report.n_unknown) == (19, 18, {"path": 18}, 1)
    assert (report.n_added, report.n_removed, report.n_tracks) == (18, 0, 18)
    assert sum("search3" in address for address in server.asked) == 6
    again = link(engine, server)
    assert (again.n_linked, again.n_added, again.n_removed) == (18, 0, 0)
    [unknown] = engine.media_servers.links.songs("navidrome", "unknown")
    assert unknown.song.title == "Nowhere else"
    for number, track in enumerate(engine.tracks()):
        called, found = engine.media_servers.find(f"{number:032x}")
        assert (called.name, found) == ("navidrome", track)


def test_a_server_that_dies_half_way_leaves_the_old_links_whole(engine: Engine, server: Library) -> None:
    link(engine, server)
    before = engine.media_servers.links.songs("navidrome", "linked")
    server.songs = [each | {"id": f"new-{each['id']}"} for each in server.songs]
    server.dies_at = 11
    with pytest.raises(MediaServerError, match="fails with status 500"):
        link(engine, server)
    assert engine.media_servers.links.songs("navidrome", "linked") == before
    server.dies_at = None
    report = link(engine, server)
    assert (report.n_linked, report.n_added, report.n_removed) == (18, 18, 18)


def test_an_empty_library_is_refused_and_the_old_links_stay(engine: Engine, server: Library) -> None:
    link(engine, server)
    server.songs = []
    with pytest.raises(MediaServerError, match="must have songs"):
        link(engine, server)
    assert len(engine.media_servers.links.songs("navidrome", "linked")) == 18


def test_what_vanishes_on_either_side_is_no_longer_found(engine: Engine, server: Library) -> None:
    link(engine, server)
    [gone] = engine.remove(engine.tracks()[0].path)
    with pytest.raises(UnknownTrackError):
        engine.media_servers.find(f"{0:032x}")
    del server.songs[1]
    report = link(engine, server)
    assert (report.n_songs, report.n_linked, report.n_removed, report.n_tracks) == (18, 16, 2, 17)
    with pytest.raises(UnknownTrackError):
        engine.media_servers.find(f"{1:032x}")
    unlinked = engine.media_servers.unlinked_tracks("navidrome")
    assert [track.tags.title for track in unlinked] == ["Chiptune 0 1"]
    assert gone not in unlinked


def test_a_wrong_password_is_refused_and_nothing_is_written(engine: Engine, server: Library, directory: Path) -> None:
    with pytest.raises(MediaServerError, match="refuses the login") as error:
        link(engine, server, "open barley")
    assert "barley" not in str(error.value)
    assert not list(directory.glob("media_servers*"))


def test_no_password_is_kept_and_no_secret_stands_in_an_address(
    engine: Engine, server: Library, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    link(engine, server)
    file = directory / "media_servers.json"
    assert file.stat().st_mode & 0o777 == 0o600
    [kept] = json.loads(file.read_text())
    secrets = kept["secrets"]
    assert hashlib.md5(f"{PASSWORD}{secrets['s']}".encode()).hexdigest() == secrets["t"]
    for path in (*directory.iterdir(),):
        assert PASSWORD.encode() not in path.read_bytes() if path.is_file() else True
    shown = "\n".join(server.asked) + caplog.text + repr(engine.media_servers.accounts.all())
    for secret in (PASSWORD, secrets["t"], secrets["s"]):
        assert secret not in shown
    engine.media_servers.link(engine.media_servers.accounts.all()[0])  # by what was kept
    link(engine, server)
    assert json.loads(file.read_text())[0]["secrets"]["s"] != secrets["s"], "a new salt for each login"


def test_an_api_key_goes_without_a_user_and_a_wrong_one_is_refused(engine: Engine, server: Library) -> None:
    who = account(server, engine, "subsonic", user="")
    assert engine.media_servers.link(who, KEY, is_token=True).n_linked == 18
    with pytest.raises(MediaServerError, match="refuses the login"):
        engine.media_servers.link(who, "another", is_token=True)


def test_a_server_that_takes_no_tokens_is_shown_the_password_on_this_machine(engine: Engine, server: Library) -> None:
    server.takes_tokens = False
    assert link(engine, server).n_linked == 18
    assert all(PASSWORD.encode().hex() not in address for address in server.asked)


def test_a_server_that_finds_nothing_by_searching_for_nothing_is_walked_by_album(
    engine: Engine, server: Library
) -> None:
    server.searches = False
    assert link(engine, server).n_songs == 19


def test_a_server_that_cannot_page_is_refused(engine: Engine, server: Library) -> None:
    server.ignores_offset = True
    with pytest.raises(MediaServerError, match="must page"):
        link(engine, server)


def test_a_server_that_is_not_there_or_another_program_is_named(engine: Engine, server: Library) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(MediaServerError, match=url):
        engine.media_servers.link(Account(name="x", kind="subsonic", url=url, user=USER), PASSWORD)
    with pytest.raises(MediaServerError, match="status 404"):
        engine.media_servers.link(Account(name="x", kind="jellyfin", url=server.url, user=USER), PASSWORD)
    for bad in ("ftp://a", "http://ann:secret@music", "music:4533"):
        with pytest.raises(ValueError, match="url must") as error:
            Account(name="x", kind="subsonic", url=bad, user=USER)
        assert "secret" not in str(error.value)


def test_jellyfin_is_linked_by_password_or_by_key(engine: Engine, library: Library) -> None:
    with jellyfin(library) as server:
        who = account(server, engine, "jellyfin")
        with pytest.raises(MediaServerError, match="refuses"):
            engine.media_servers.link(who, "wrong")
        report = engine.media_servers.link(who, PASSWORD)
        assert (report.n_songs, report.n_linked, report.by) == (19, 18, {"path": 18})
        assert engine.media_servers.accounts.all()[0].secrets == {"token": "token-of-a-session", "user_id": "a1" * 16}
        assert engine.media_servers.link(who, KEY, is_token=True).n_linked == 18
        with pytest.raises(MediaServerError, match="user must be"):
            engine.media_servers.link(account(server, engine, "jellyfin", user="ben"), KEY, is_token=True)
        server.dies_at = 8
        with pytest.raises(MediaServerError, match="status 503"):
            engine.media_servers.link(engine.media_servers.accounts.all()[0])
        assert engine.media_servers.links.servers()[0].n_linked == 18


def test_without_a_root_tags_link_and_what_they_leave_open_is_listed(engine: Engine, server: Library) -> None:
    server.songs.append(server.songs[0] | {"id": "twin"})
    who = Account(name="navidrome", kind="navidrome", url=server.url, user=USER)
    report = engine.media_servers.link(who, PASSWORD)
    assert (report.by, report.n_ambiguous, report.n_unknown) == ({"tags": 17}, 2, 1)
    ambiguous = engine.media_servers.links.songs("navidrome", "ambiguous")
    assert {each.song.song_id for each in ambiguous} == {f"{0:032x}", "twin"}
    assert {each.candidates for each in ambiguous} == {(engine.tracks()[0].track_id,)}


def test_a_musicbrainz_id_in_a_file_links_what_is_called_otherwise(
    engine: Engine, server: Library, tmp_path: Path
) -> None:
    file = tmp_path / "noise.flac"
    soundfile.write(file, noise(), SAMPLE_RATE)
    tags = FLAC(file)
    tags["musicbrainz_trackid"] = MBID
    tags.save()
    engine.catalogue.write([embedded(file, Tags(title="Noise"), np.ones(40))])
    server.songs[-1] |= {"musicBrainzId": MBID}
    report = link(engine, server)
    assert report.by == {"path": 18, "recording": 1}
    assert engine.media_servers.find("f" * 32)[1].path == file
    file.unlink()  # what was read once is remembered
    assert link(engine, server).by == {"path": 18, "recording": 1}


def test_musicbrainz_ids_are_read_from_tags_of_several_kinds(tmp_path: Path) -> None:
    mp3, ogg = tmp_path / "a.mp3", tmp_path / "a.ogg"
    soundfile.write(mp3, noise(), SAMPLE_RATE)
    tags = ID3()
    tags.add(UFID(owner="http://musicbrainz.org", data=MBID.encode()))
    tags.save(mp3)
    assert read_recording_ids(mp3) == {MBID}
    soundfile.write(ogg, noise(), SAMPLE_RATE)
    assert read_recording_ids(ogg) == frozenset()
    assert read_recording_ids(tmp_path / "missing.mp3") == frozenset()


def test_several_servers_are_kept_apart_and_one_can_be_forgotten(engine: Engine, library: Library) -> None:
    with (
        subsonic(library) as first,
        jellyfin(Library(songs=[each | {"id": each["id"][::-1]} for each in library.songs])) as second,
    ):
        engine.media_servers.link(account(first, engine), PASSWORD)
        engine.media_servers.link(account(second, engine, "jellyfin"), PASSWORD)
    servers = engine.media_servers
    assert servers.links.names() == ["navidrome", "jellyfin"]
    one = f"{1:032x}"
    assert (servers.find(one)[0].name, servers.find(one[::-1])[0].name) == ("navidrome", "jellyfin")
    assert servers.find(one)[1] == servers.find(one[::-1])[1]
    servers.unlink("navidrome")
    assert [each.name for each in servers.accounts.all()] == servers.links.names() == ["jellyfin"]
    with pytest.raises(UnknownTrackError):
        servers.find(one)
    with pytest.raises(ValueError, match="server must be linked"):
        servers.unlink("navidrome")
