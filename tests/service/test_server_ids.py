"""Once a media server is linked, players and AudioMuse-AI's plugins ask and are answered in its ids."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from audio_engine import Engine
from audio_engine.media_servers.accounts import Account, Root
from tests.audio_engine.media_servers.servers import PASSWORD, USER, Library, song, subsonic
from tests.made_catalogue import write_catalogue
from tests.service.serving import served

N_LINKED = 15


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of 18 tracks, of which a server has 16, and which then lost one of those."""
    catalogue = write_catalogue(tmp_path_factory.mktemp("linked") / "catalogue", Path("/home/ann/Music"))
    with Engine.open(catalogue) as engine:
        songs = [
            song(f"s{row}", each.tags.title, each.tags.artist, duration=3, path=f"/music/{each.path.name}")
            for row, each in enumerate(engine.tracks())
        ]
        root = Root(server="/music", local=str(engine.tracks()[0].path.parent))
        with subsonic(Library(songs=songs[: N_LINKED + 1])) as library:
            account = Account(name="navidrome", kind="navidrome", url=library.url, user=USER, roots=(root,))
            engine.media_servers.link(account, PASSWORD)
        engine.remove(engine.tracks()[N_LINKED].path)
    return catalogue


@pytest.fixture(scope="module")
def service(linked: Path) -> Iterator[httpx.Client]:
    with served(Engine.open(linked)) as client:
        yield client


@pytest.fixture(scope="module")
def ids(linked: Path) -> dict[str, str]:
    """The server's ids by our own."""
    with Engine.open(linked) as engine:
        return {
            each.track_id or "": each.song.song_id for each in engine.media_servers.links.songs("navidrome", "linked")
        }


def rest(client: httpx.Client, name: str, **query: object) -> dict[str, Any]:
    return dict(client.get(f"/rest/{name}", params={"f": "json", **query}).json()["subsonic-response"])  # type: ignore[arg-type, dict-item]


def api(client: httpx.Client, name: str, **query: object) -> Any:
    reply = client.get(f"/api/{name}", params=query)  # type: ignore[arg-type]
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_similar_tracks_are_asked_and_answered_in_the_servers_ids(
    service: httpx.Client, linked: Path, ids: dict[str, str]
) -> None:
    found = rest(service, "getSonicSimilarTracks", id="s0", count=12)["sonicMatch"]
    own = {song_id: track_id for track_id, song_id in ids.items()}
    with Engine.open(linked) as engine:
        all_of_them = [each.track.track_id for each in engine.similar(own["s0"], k=17)]
    assert [match["entry"]["id"] for match in found] == [ids[each] for each in all_of_them if each in ids][:12]
    assert len(found) == 12


def test_our_own_ids_are_answered_with_our_own(service: httpx.Client, ids: dict[str, str]) -> None:
    track_id = next(iter(ids))
    found = rest(service, "getSonicSimilarTracks", id=track_id, count=16)["sonicMatch"]
    assert len(found) == 16, "all that the catalogue has, whether the server has them or not"
    assert {match["entry"]["id"] for match in found} & set(ids)
    assert not {match["entry"]["id"] for match in found} & set(ids.values())


def test_a_path_leads_over_the_servers_songs(service: httpx.Client) -> None:
    steps = rest(service, "findSonicPath", startSongId="s0", endSongId="s14", count=8)["sonicMatch"]
    names = [step["entry"]["id"] for step in steps]
    assert (names[0], names[-1]) == ("s0", "s14")
    assert all(name.startswith("s") for name in names)


@pytest.mark.parametrize("song_id", ["s15", "s17", "nothing"])  # lost, never there, unheard of
def test_what_has_no_track_is_not_found(service: httpx.Client, song_id: str) -> None:
    assert rest(service, "getSonicSimilarTracks", id=song_id)["error"]["code"] == 70
    reply = service.get("/api/similar_tracks", params={"item_id": song_id})
    assert (reply.status_code, list(reply.json())) == (404, ["error"])


def test_the_navidrome_plugin_gets_songs_like_a_song(service: httpx.Client) -> None:
    query = {"item_id": "s0", "n": "5", "eliminate_duplicates": "false", "radius_similarity": "true"}
    found = api(service, "similar_tracks", **query)
    assert [set(each) for each in found] == [{"item_id", "title", "author", "album", "distance"}] * 5
    same = rest(service, "getSonicSimilarTracks", id="s0", count=5)["sonicMatch"]
    assert [each["item_id"] for each in found] == [match["entry"]["id"] for match in same]
    assert [each["distance"] for each in found] == sorted(each["distance"] for each in found)
    named = api(service, "similar_tracks", title="Chiptune 0 0", artist="Chiptune artist 0", n=5)
    assert named == api(service, "similar_tracks", item_id="s0", n=5, server="navidrome")
    assert len(api(service, "similar_tracks", item_id="s0", n="many")) == 10


def test_duplicates_are_songs_of_one_artist_beyond_three(service: httpx.Client) -> None:
    def most(**query: str) -> int:
        authors = [each["author"] for each in api(service, "similar_tracks", item_id="s0", n=14, **query)]
        return max(map(authors.count, authors))

    assert most() <= 3
    assert most(eliminate_duplicates="true") <= 3


def test_the_navidrome_plugin_gets_artists_like_an_artist(service: httpx.Client) -> None:
    found = api(service, "similar_artists", artist="ar-Drums artist 0", n=4, include_component_matches="false")
    assert [set(each) for each in found] == [{"artist", "artist_id", "divergence"}] * 4
    assert all(each["artist_id"] == f"ar-{each['artist']}" for each in found)
    assert "ar-Drums artist 0" not in {each["artist_id"] for each in found}
    assert [each["divergence"] for each in found] == sorted(each["divergence"] for each in found)
    assert found == api(service, "similar_artists", artist="drums ARTIST 0", n=4)
    assert found == api(service, "similar_artists", artist_id="ar-Drums artist 0", n=4)
    with_songs = api(service, "similar_artists", artist="ar-Drums artist 0", n=1, include_component_matches="true")
    [match] = with_songs[0]["component_matches"]
    assert {song["title"][:7] for song in match["artist1_representative_songs"]} == {"Drums 0"}
    name = with_songs[0]["artist"].replace(" artist", "")
    assert {song["title"][:-2] for song in match["artist2_representative_songs"]} == {name}
    assert all(song["item_id"].startswith("s") for song in match["artist2_representative_songs"])


def test_artists_are_the_mean_of_their_songs(service: httpx.Client, linked: Path) -> None:
    found = api(service, "similar_artists", artist="ar-Drums artist 0", n=20)
    with Engine.open(linked) as engine:
        links = engine.media_servers.links.songs("navidrome", "linked")
        there = {each.track_id: each.song.artist_id for each in links}
        sums: dict[str, Any] = {}
        for track in engine.tracks():
            if track.track_id in there:
                sums[there[track.track_id]] = sums.get(there[track.track_id], 0) + engine.vector(track.track_id)
    units = {artist: each / (each @ each) ** 0.5 for artist, each in sums.items()}
    seed = units.pop("ar-Drums artist 0")
    expected = {artist: float(((each - seed) @ (each - seed)) ** 0.5) for artist, each in units.items()}
    assert {each["artist_id"]: each["divergence"] for each in found} == pytest.approx(expected, abs=1e-5)


def test_the_jellyfin_plugin_searches_and_finds_a_path(service: httpx.Client) -> None:
    found = api(service, "search_tracks", title="Drums 0 1", artist="Drums artist 0")
    assert (found[0]["item_id"], found[0]["title"]) == ("s7", "Drums 0 1")
    assert set(found[0]) == {"item_id", "title", "author", "album"}
    assert len(api(service, "search_tracks", search_query="plucked", start=1, end=3)) == 2
    assert api(service, "search_tracks") == []
    path = api(service, "find_path", start_song_id="s0", end_song_id="s14", max_steps=6)
    assert [path["path"][0]["item_id"], path["path"][-1]["item_id"]] == ["s0", "s14"]
    assert len(path["path"][0]["embedding_vector"]) == 40
    assert path["total_distance"] > 0
    assert api(service, "health") == {"status": "ok"}


@pytest.mark.parametrize(
    ("name", "query", "status"),
    [
        ("similar_tracks", {}, 400),
        ("similar_tracks", {"title": "Drums 0 0"}, 400),
        ("similar_tracks", {"title": "No", "artist": "No"}, 404),
        ("similar_tracks", {"item_id": "s0", "server": "jellyfin"}, 400),
        ("find_path", {"start_song_id": "s0"}, 400),
        ("find_path", {"start_song_id": "s0", "end_song_id": "s0"}, 400),
        ("find_path", {"start_song_id": "s0", "end_song_id": "nothing"}, 404),
        ("similar_artists", {}, 400),
        ("similar_artists", {"artist": "nobody"}, 404),
    ],
)
def test_errors_have_audiomuses_shape(service: httpx.Client, name: str, query: dict[str, str], status: int) -> None:
    reply = service.get(f"/api/{name}", params=query)
    assert (reply.status_code, list(reply.json())) == (status, ["error"])


def test_without_a_link_the_plugins_routes_answer_in_our_own_ids(tmp_path: Path) -> None:
    with served(Engine.open(write_catalogue(tmp_path / "catalogue", tmp_path / "music"))) as client:
        tracks = {track["track_id"]: track for track in client.get("/v1/tracks").json()["tracks"]}
        first = next(iter(tracks))
        assert {each["item_id"] for each in api(client, "similar_tracks", item_id=first)} <= tracks.keys()
        artists = api(client, "similar_artists", artist=tracks[first]["artist"], n=3)
        assert len(artists) == 3
        assert api(client, "similar_artists", artist=artists[0]["artist_id"], n=3)
        assert api(client, "search_tracks", search_query=tracks[first]["title"])[0]["item_id"] == first


def test_where_tokens_are_needed_a_plugin_shows_one_and_health_needs_none(linked: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(linked, tmp_path / "catalogue")
    from audio_engine.catalogue.api_tokens import TokenFile  # noqa: PLC0415

    token = TokenFile(copy).add("navidrome", "read")
    with served(Engine.open(copy)) as guarded:
        assert guarded.get("/api/similar_tracks", params={"item_id": "s0"}).status_code == 401
        headers = {"authorization": f"Bearer {token}"}
        assert guarded.get("/api/similar_tracks", params={"item_id": "s0"}, headers=headers).status_code == 200
        assert guarded.get("/api/health").status_code == 200


def test_links_made_while_the_service_runs_are_used_at_once(tmp_path: Path) -> None:
    copy = write_catalogue(tmp_path / "catalogue", tmp_path / "music")
    with served(Engine.open(copy)) as client, Engine.open(copy) as engine:
        assert rest(client, "getSonicSimilarTracks", id="x0")["error"]["code"] == 70
        songs = [
            song(f"x{row}", each.tags.title, each.tags.artist, duration=3) for row, each in enumerate(engine.tracks())
        ]
        with subsonic(Library(songs=songs)) as library:
            engine.media_servers.link(Account(name="n", kind="subsonic", url=library.url, user=USER), PASSWORD)
        assert {match["entry"]["id"][0] for match in rest(client, "getSonicSimilarTracks", id="x0")["sonicMatch"]} == {
            "x"
        }
