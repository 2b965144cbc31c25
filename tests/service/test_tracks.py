"""``/v1/tracks``: listed, described, played, uploaded and deleted, also after the service was killed."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from mutagen.flac import FLAC

from audio_engine import Client, DecodeError, DuplicateTrackError, Engine, UnknownTrackError
from tests.genre_world import noise, play
from tests.paths import ROOT
from tests.service.serving import PATIENCE_S, assert_problem, command, flac, served


def test_tracks_are_listed_by_page_and_found_by_words(client: httpx.Client) -> None:
    whole = client.get("/v1/tracks").json()
    assert (whole["n_tracks"], len(whole["tracks"])) == (18, 18)
    page = client.get("/v1/tracks", params={"limit": 5, "offset": 3}).json()
    assert (page["n_tracks"], page["tracks"]) == (18, whole["tracks"][3:8])
    found = client.get("/v1/tracks", params={"q": "drüms ARTIST", "limit": 4}).json()
    assert {track["genre"] for track in found["tracks"]} == {"Drums"}
    assert (found["n_tracks"], len(found["tracks"])) == (6, 4)
    rest = client.get("/v1/tracks", params={"q": "drums artist", "offset": 4}).json()
    drums = [track for track in whole["tracks"] if track["genre"] == "Drums"]
    assert found["tracks"] + rest["tracks"] == drums
    assert client.get("/v1/tracks", params={"q": "% nothing"}).json() == {"n_tracks": 0, "tracks": []}
    one = whole["tracks"][0]
    assert client.get(f"/v1/tracks/{one['track_id']}").json() == one
    assert (one["file"], one["duration_s"]) == ("Chiptune 0 0.flac", pytest.approx(3.0))
    assert not any("/" in str(value) for value in one.values())
    assert_problem(client.get("/v1/tracks/0123456789ab"), 404, "unknown_track")


def test_a_tracks_file_is_sent_whole_or_in_part(client: httpx.Client, genre_world: Path) -> None:
    track = client.get("/v1/tracks", params={"q": "Drums"}).json()["tracks"][0]
    content = (genre_world / "music" / track["file"]).read_bytes()
    address = f"/v1/tracks/{track['track_id']}/audio"
    whole = client.get(address)
    assert (whole.status_code, whole.content) == (200, content)
    assert (whole.headers["accept-ranges"], whole.headers["content-type"]) == ("bytes", "audio/flac")
    part = client.get(address, headers={"range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, content[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(content)}"
    assert client.get(address, headers={"range": f"bytes={len(content)}-"}).status_code == 416


def test_a_file_that_is_gone_is_a_problem_of_its_own(own: Path, genre_world: Path, tmp_path: Path) -> None:
    track = shutil.copy(next((genre_world / "music").iterdir()), tmp_path / "song.flac")
    with Engine.open(own) as engine:
        track_id = next(iter(engine.embed(track))).track_id
    track.unlink()
    with served(Engine.open(own)) as client:
        assert_problem(client.get(f"/v1/tracks/{track_id}/audio"), 410, "gone")


def test_a_track_is_uploaded_found_and_deleted_again(own: Path, tmp_path: Path) -> None:
    (tmp_path / "My Song.flac").write_bytes(flac(play("Drums", 7, 7)))
    (tmp_path / "other.flac").write_bytes(flac(play("Plucked", 7, 8)))
    with served(Engine.open(own)) as client, Client(str(client.base_url)) as asking:
        track = asking.add(tmp_path / "My Song.flac")
        assert (track.title, track.duration_s) == ("My Song", pytest.approx(3.0))
        assert asking.track(track.track_id) == track
        assert asking.audio(track.track_id) == (tmp_path / "My Song.flac").read_bytes()
        nearest = asking.similar(tmp_path / "other.flac", k=18).neighbours
        assert track.track_id in [each.track.track_id for each in nearest]
        assert asking.similar(track.track_id).neighbours
        with pytest.raises(DuplicateTrackError, match=track.track_id):
            asking.add(tmp_path / "My Song.flac")
        kept = [path for path in (own / "uploads").rglob("*") if path.is_file()]
        assert [path.suffix for path in kept] == [".flac"]
        asking.remove(track.track_id)
        with pytest.raises(UnknownTrackError):
            asking.remove(track.track_id)
        assert track.track_id not in [
            each.track.track_id for each in asking.similar(tmp_path / "other.flac", k=18).neighbours
        ]
        assert asking.tracks()[1] == 18
    assert not any(path.is_file() for path in (own / "uploads").rglob("*"))


def test_what_cannot_be_decoded_is_not_taken_in(own: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.mp3").write_bytes(b"this is a letter, not a track" * 99)
    with served(Engine.open(own)) as client, Client(str(client.base_url)) as asking:
        with pytest.raises(DecodeError) as caught:
            asking.add(tmp_path / "letter.mp3")
        assert "/" not in str(caught.value)
        assert asking.tracks()[1] == 18
    assert not any(path.is_file() for path in (own / "uploads").rglob("*"))


def test_a_file_that_was_not_uploaded_is_never_deleted(own: Path, genre_world: Path) -> None:
    with served(Engine.open(own)) as client:
        track = client.get("/v1/tracks").json()["tracks"][0]
        assert client.delete(f"/v1/tracks/{track['track_id']}").status_code == 204
        assert_problem(client.get(f"/v1/tracks/{track['track_id']}"), 404, "unknown_track")
    assert (genre_world / "music" / track["file"]).exists()


def test_tags_are_text_and_come_out_as_they_went_in(own: Path, tmp_path: Path) -> None:
    path = tmp_path / "song.flac"
    path.write_bytes(flac(noise()))
    tags = FLAC(path)
    tags.update({"title": "<script>alert(1)</script>", "artist": "</script>"})
    tags.save()
    with served(Engine.open(own)) as client:
        reply = client.post("/v1/tracks", files={"file": ("../../etc/passwd.html", path.read_bytes())})
        sent = client.get(reply.headers["location"])
        audio = client.get(f"{reply.headers['location']}/audio")
    assert reply.status_code == 201
    assert (sent.json()["title"], sent.json()["artist"]) == ("<script>alert(1)</script>", "</script>")
    assert (sent.headers["content-type"], sent.headers["x-content-type-options"]) == ("application/json", "nosniff")
    assert audio.headers["content-type"] == "application/octet-stream"  # a name decides nothing
    assert re.fullmatch(r"[0-9a-f]{32}", sent.json()["file"])


def test_a_port_that_is_taken_is_one_line_and_misuse(own: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        asked = [sys.executable, "-m", "audio_engine.cli.main", "serve", "--port", str(port), "-c", str(own)]
        ended = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"error: port must be free to listen at, got {port} at 127.0.0.1")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("N_WORKERS", "many", "AUDIO_ENGINE_N_WORKERS must be a number, got 'many'"),
        ("MAX_DURATION_S", "0", "AUDIO_ENGINE_MAX_DURATION_S must be at least 1, got 0"),
        ("ROOT_PATH", "music", "AUDIO_ENGINE_ROOT_PATH must be a path such as /music, got 'music'"),
    ],
)
def test_a_setting_that_is_wrong_is_told_before_it_runs(own: Path, variable: str, value: str, told: str) -> None:
    asked = [sys.executable, "-m", "audio_engine.cli.main", "serve", "--port", "0", "-c", str(own)]
    environment = {**os.environ, f"AUDIO_ENGINE_{variable}": value}
    ended = subprocess.run(
        asked, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False, env=environment
    )
    assert (ended.returncode, ended.stderr) == (2, f"error: {told}\n")


@pytest.mark.slow
def test_after_kill_9_all_that_was_answered_for_is_there(own: Path, tmp_path: Path) -> None:
    with Engine.open(own) as engine:
        gone = engine.tracks()[0].track_id
    with command(own) as (process, address), Client(address) as asking:
        added = []
        for number in range(3):
            (tmp_path / f"{number}.flac").write_bytes(flac(play("Plucked", 7, number)))
            added.append(asking.add(tmp_path / f"{number}.flac"))
        asking.remove(gone)
        process.send_signal(signal.SIGKILL)
    with command(own) as (_, address), Client(address) as asking:
        assert asking.tracks()[1] == 20
        for number, track in enumerate(added):
            assert asking.track(track.track_id) == track
            assert asking.audio(track.track_id) == (tmp_path / f"{number}.flac").read_bytes()
            assert asking.similar(track.track_id).neighbours
        with pytest.raises(UnknownTrackError):
            asking.track(gone)


def test_two_services_of_one_catalogue_see_each_others_changes(own: Path, tmp_path: Path) -> None:
    (tmp_path / "a.flac").write_bytes(flac(play("Drums", 7, 7)))
    with (
        served(Engine.open(own)) as one,
        served(Engine.open(own)) as other,
        Client(str(one.base_url)) as writing,
        Client(str(other.base_url)) as reading,
    ):
        before = reading.similar(reading.tracks()[0][0].track_id, k=50)
        track = writing.add(tmp_path / "a.flac")
        after = reading.similar(before.seeds[0].track_id, k=50)
        assert {each.track.track_id for each in after.neighbours} - {
            each.track.track_id for each in before.neighbours
        } == {track.track_id}
        writing.remove(track.track_id)
        assert reading.similar(before.seeds[0].track_id, k=50) == before
    assert json.loads(json.dumps(track.__dict__))["title"] == "a"
