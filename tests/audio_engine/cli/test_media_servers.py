"""`link`, `links`, `unlink` and `playlist` on the command line."""

import io
import json
import os
import pty
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from audio_engine import Engine
from tests.audio_engine.media_servers.servers import PASSWORD, USER, Library, song, subsonic
from tests.command_line import Ran, Run
from tests.made_catalogue import write_catalogue
from tests.service.serving import listening, served


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A catalogue of 18 tracks, whose files are not there."""
    return write_catalogue(tmp_path / "catalogue", tmp_path / "music")


@pytest.fixture
def server(own: Path) -> Iterator[Library]:
    with Engine.open(own) as engine:
        tracks = engine.tracks()
    songs = [
        song(f"s{row}", track.tags.title, track.tags.artist, album="", duration=3, path=f"/music/{track.path.name}")
        for row, track in enumerate(tracks)
    ]
    with subsonic(Library(songs=songs[:-3])) as served:  # three tracks are not on the server
        yield served


@pytest.fixture
def link(run: Run, own: Path, server: Library, tmp_path: Path) -> Any:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")

    def linked(*options: str | Path) -> Ran:
        usual = ("--user", USER, "--password-file", tmp_path / "password", "--root", f"/music={tmp_path / 'music'}")
        return run("link", "navidrome", server.url, *usual, "-c", own, *options)

    return linked


def test_linking_says_what_it_found_and_again_needs_no_password(run: Run, link: Any, own: Path) -> None:
    ran = link("--json")
    assert ran.status == 0, ran.err
    [report] = ran.objects
    assert (report["name"], report["n_songs"], report["n_linked"], report["by"]) == ("navidrome", 15, 15, {"path": 15})
    again = run("link", "navidrome", "-c", own)
    assert again.status == 0, again.err
    assert ["linked", "15"] in [line.split() for line in again.out.splitlines()]
    assert "audio-engine links navidrome --unlinked" in again.err
    assert PASSWORD not in ran.out + ran.err + again.out + again.err


def test_links_are_listed_with_what_is_left_over(run: Run, link: Any, own: Path, server: Library) -> None:
    assert "no server is linked" in run("links", "-c", own).err
    server.songs.append(song("s99", "Elsewhere", "Nobody", duration=3))
    ran = link()
    [row] = run("links", "-c", own, "--json").objects
    assert (row["name"], row["n_songs"], row["n_linked"], row["url"]) == ("navidrome", 16, 15, server.url)
    assert len(run("links", "navidrome", "-c", own, "--json").objects) == 15
    assert [row["song_id"] for row in run("links", "navidrome", "--unknown", "-c", own, "--json").objects] == ["s99"]
    assert len(run("links", "navidrome", "--unlinked", "-c", own, "--json").objects) == 3
    assert "s99" in run("links", "navidrome", "--unknown", "-c", own).out
    wrong = run("links", "jellyfin", "-c", own)
    assert "songs that are no track of the catalogue: audio-engine links navidrome --unknown" in ran.err
    none = run("links", "navidrome", "--ambiguous", "-c", own)
    assert (none.status, none.out, none.err) == (0, "", "no song of navidrome is ambiguous\n")
    assert (wrong.status, "server must be linked, got 'jellyfin' (linked: navidrome)" in wrong.err) == (2, True)
    assert run("unlink", "navidrome", "-c", own).status == 0
    assert run("unlink", "navidrome", "-c", own).status == 2


def test_a_root_that_finds_nothing_is_told(run: Run, link: Any, own: Path, tmp_path: Path) -> None:
    assert "--root" not in link().err
    ran = run("link", "navidrome", "--root", f"/music={tmp_path / 'musik'}", "-c", own)
    assert "no song's file was found by --root THERE=HERE: are both folders right?\n" in ran.err


@pytest.mark.parametrize("how", ["environment", "stdin"])
def test_a_password_may_come_from_the_environment_or_stdin(
    run: Run, own: Path, server: Library, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{PASSWORD}\n"))
    refused = run("link", "navidrome", server.url, "--user", USER, "-c", own)
    assert (refused.status, "no terminal to ask for the password on" in refused.err) == (2, True)
    if how == "environment":
        monkeypatch.setenv("AUDIO_ENGINE_SERVER_PASSWORD", PASSWORD)
    options = () if how == "environment" else ("--password-file", "-")
    ran = run("link", "navidrome", server.url, "--user", USER, "-c", own, *options)
    assert ran.status == 0, ran.err


def test_a_wrong_password_ends_with_one_line_that_does_not_show_it(
    run: Run, own: Path, server: Library, tmp_path: Path
) -> None:
    (tmp_path / "wrong").write_text("open barley")
    ran = run("link", "navidrome", server.url, "--user", USER, "--password-file", tmp_path / "wrong", "-c", own)
    assert (ran.status, ran.out) == (1, "")
    assert "refuses the login" in ran.err
    assert "barley" not in ran.err


def test_the_process_list_and_the_log_hold_no_secret(own: Path, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    asked, answering = threading.Event(), threading.Event()

    def rest(_: Request) -> Response:
        asked.set()
        assert answering.wait(120)
        return JSONResponse({"subsonic-response": {"status": "failed", "error": {"code": 40, "message": "no"}}})

    with listening(Starlette(routes=[Route("/rest/ping", rest, methods=["POST"])])) as client:
        command = [sys.executable, "-m", "audio_engine.cli.main", "--debug", "link", "navidrome", str(client.base_url)]
        options = ["--user", USER, "--password-file", str(tmp_path / "password"), "-c", str(own)]
        with subprocess.Popen(
            [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert asked.wait(120)
            shown = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode()
            answering.set()
            said, _ = process.communicate(timeout=120)
    assert "--password-file" in shown
    assert process.returncode == 1
    assert "refuses the login" in said
    assert PASSWORD not in shown + said


def test_a_password_is_asked_for_without_echo(own: Path, server: Library) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "audio_engine.cli.main", "link", "navidrome", server.url, "--user", USER]
    options: Any = {"stdin": theirs, "stdout": subprocess.PIPE, "stderr": theirs, "start_new_session": True}
    with subprocess.Popen([*command, "-c", str(own), "--json"], **options) as process:
        os.close(theirs)
        shown = b""
        while b"Password: " not in shown:
            shown += os.read(ours, 1_000)
        os.write(ours, f"{PASSWORD}\n".encode())
        said, _ = process.communicate(timeout=120)
    with suppress(OSError):  # the other end is closed
        while more := os.read(ours, 1_000):
            shown += more
    os.close(ours)
    assert (process.returncode, json.loads(said)["n_linked"]) == (0, 15), shown
    assert b"reading the library" in shown
    assert PASSWORD.encode() not in shown + said


def test_a_playlist_begins_with_the_track_and_holds_what_the_server_has(
    run: Run, link: Any, own: Path, server: Library
) -> None:
    link()
    [track] = [row for row in run("tracks", "-c", own, "--json").objects if row["title"] == "Plucked 0 0"]
    gone = {row["track_id"] for row in run("links", "navidrome", "--unlinked", "-c", own, "--json").objects}
    assert track["track_id"] not in gone
    ran = run("playlist", track["track_id"], "--to", "navidrome", "--name", "Like it", "-k", "14", "-c", own, "--json")
    assert ran.status == 0, ran.err
    assert "14 songs written to the playlist Like it of navidrome" in ran.err
    songs = [str(row["song_id"]) for row in ran.objects]
    assert server.playlist("Like it") == songs
    assert len(set(songs)) == 14
    assert ran.objects[0]["track_id"] == track["track_id"]
    similar = run("similar", track["track_id"], "-k", "17", "-c", own, "--json").objects
    expected = [row["track_id"] for row in similar if row["track_id"] not in gone][:13]
    assert [row["track_id"] for row in ran.objects[1:]] == expected
    again = run("playlist", track["track_id"], "--to", "navidrome", "--name", "Like it", "-c", own)
    assert (again.status, "exists on navidrome" in again.err) == (2, True)
    ran = run(
        "playlist", track["track_id"], "--to", "navidrome", "--name", "Like it", "--replace", "-k", "2", "-c", own
    )
    assert ran.status == 0, ran.err
    assert server.playlist("Like it") == songs[:2]


def test_a_playlist_for_a_user_is_what_recall_finds(
    run: Run, link: Any, own: Path, server: Library, tmp_path: Path
) -> None:
    link()
    nobody = run("playlist", "ann", "--to", "navidrome", "--name", "For Ann", "-c", own)
    assert (nobody.status, server.playlists) == (2, {})
    titles = ["Drums 0 0", "Drums 0 1", "Drums 1 0"]
    plays = tmp_path / "plays.csv"
    plays.write_text("user,track,day,completion,action\n" + "".join(f"ann,{each},0,1.0,like\n" for each in titles))
    assert run("learn-users", plays, "-c", own).status == 0
    ran = run("playlist", "ann", "--to", "navidrome", "--name", "For Ann", "-k", "4", "-c", own, "--json")
    assert ran.status == 0, ran.err
    recalled = run("recall", "ann", "-k", "18", "-c", own, "--json").objects
    linked = {row["track_id"]: row["song_id"] for row in run("links", "navidrome", "-c", own, "--json").objects}
    expected = [linked[row["track_id"]] for row in recalled if row["track_id"] in linked][:4]
    assert server.playlist("For Ann") == expected
    assert len(expected) == 4


def test_without_httpx_the_extra_is_named(own: Path, server: Library, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    code = "import sys; sys.modules['httpx'] = None; from audio_engine.cli.main import main; main()"
    options = ["--user", USER, "--password-file", str(tmp_path / "password"), "-c", str(own)]
    ran = subprocess.run(
        [sys.executable, "-c", code, "link", "navidrome", server.url, *options],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )
    assert (ran.returncode, "audio-content-engine[client]" in ran.stderr) == (2, True), ran.stderr


@pytest.mark.slow
def test_from_files_to_a_playlist_on_the_server(run: Run, genre_world: Path, tmp_path: Path) -> None:
    music, catalogue = tmp_path / "music", tmp_path / "catalogue"
    music.mkdir()
    names = ["Drums 0 0", "Drums 1 0", "Plucked 0 0", "Chiptune 0 0"]
    for name in names:
        shutil.copy(genre_world / "music" / f"{name}.flac", music)
    songs = [song(f"nd-{row}", name, "", duration=3, path=f"/data/{name}.flac") for row, name in enumerate(names)]
    (tmp_path / "password").write_text(PASSWORD)
    assert run("embed", music, "-c", catalogue).status == 0
    with subsonic(Library(songs=songs)) as server:
        options = ("--user", USER, "--password-file", tmp_path / "password", "--root", f"/data={music}")
        assert run("link", "navidrome", server.url, *options, "-c", catalogue).status == 0
        with served(Engine.open(catalogue)) as service:
            asked = {"id": "nd-0", "count": 3, "f": "json"}
            reply = service.get("/rest/getSonicSimilarTracks", params=asked).json()["subsonic-response"]
            plugin = service.get("/api/similar_tracks", params={"item_id": "nd-0", "n": 3}).json()
        found = [match["entry"]["id"] for match in reply["sonicMatch"]]
        drums = music / "Drums 0 0.flac"
        similar = run("similar", drums, "-c", catalogue, "--json").objects
        assert found == [f"nd-{names.index(str(row['title']))}" for row in similar]
        assert set(found) == {"nd-1", "nd-2", "nd-3"}
        assert [each["item_id"] for each in plugin] == found
        assert run("playlist", drums, "--to", "navidrome", "--name", "Drums", "-c", catalogue).status == 0
        assert server.playlist("Drums") == ["nd-0", *found]
