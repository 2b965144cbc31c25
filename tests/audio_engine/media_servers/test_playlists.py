"""Playlists arrive in a media server, new, replaced or lengthened."""

from collections.abc import Iterator

import pytest

from audio_engine import Engine
from audio_engine.media_servers.accounts import Account, Kind, Root
from tests.audio_engine.media_servers.servers import PASSWORD, USER, Library, jellyfin, subsonic


@pytest.fixture(params=["navidrome", "jellyfin"])
def linked(request: pytest.FixtureRequest, engine: Engine, library: Library) -> Iterator[tuple[Kind, Library]]:
    kind: Kind = request.param
    with (jellyfin if kind == "jellyfin" else subsonic)(library) as server:
        root = Root(server="/music", local=str(engine.tracks()[0].path.parent))
        account = Account(name=kind, kind=kind, url=server.url, user=USER, roots=(root,))
        engine.media_servers.link(account, PASSWORD)
        yield kind, server


def test_a_playlist_is_made_and_only_changed_when_asked(engine: Engine, linked: tuple[Kind, Library]) -> None:
    kind, server = linked
    ids = [each["id"] for each in server.songs]
    report = engine.media_servers.write_playlist(kind, "Mix", ids[:3])
    assert (report.n_sent, report.n_missing, server.playlist("Mix")) == (3, 0, ids[:3])
    with pytest.raises(FileExistsError, match="'Mix' exists"):
        engine.media_servers.write_playlist(kind, "Mix", ids[3:5])
    assert server.playlist("Mix") == ids[:3]
    engine.media_servers.write_playlist(kind, "Mix", ids[3:5], mode="add")
    assert server.playlist("Mix") == ids[:5]
    engine.media_servers.write_playlist(kind, "Mix", ids[5:7], mode="replace")
    assert server.playlist("Mix") == ids[5:7]
    engine.media_servers.write_playlist(kind, "Other", ids[:1], mode="replace")
    assert server.playlist("Other") == ids[:1]


def test_two_playlists_of_a_name_are_not_chosen_from(engine: Engine, linked: tuple[Kind, Library]) -> None:
    kind, server = linked
    server.playlists |= {"1": ("Mix", USER, []), "2": ("Mix", USER, [])}
    with pytest.raises(ValueError, match="name must be that of one playlist"):
        engine.media_servers.write_playlist(kind, "Mix", [server.songs[0]["id"]], mode="add")


def test_songs_that_the_server_has_lost_are_counted(engine: Engine, library: Library) -> None:
    with subsonic(library) as server:
        account = Account(name="navidrome", kind="navidrome", url=server.url, user=USER)
        engine.media_servers.link(account, PASSWORD)
        ids = [each["id"] for each in server.songs]
        server.playlists["0"] = ("Mix", "ben", ["x"])  # another user's is not touched
        del server.songs[1]
        report = engine.media_servers.write_playlist("navidrome", "Mix", ids[:3])
        assert (report.n_sent, report.n_missing) == (3, 1)
        assert [songs for _, _, songs in server.playlists.values()] == [["x"], [ids[0], ids[2]]]


def test_what_no_playlist_can_be_is_refused(engine: Engine) -> None:
    with pytest.raises(ValueError, match="server must be linked"):
        engine.media_servers.write_playlist("navidrome", "Mix", ["1"])
    with pytest.raises(ValueError, match="playlist must have"):
        engine.media_servers.write_playlist("navidrome", "Mix", [])
