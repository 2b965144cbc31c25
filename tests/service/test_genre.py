"""Genre prediction over real HTTP: uvicorn on a free port, httpx, a real engine with a real catalogue."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from audio_engine import Engine
from audio_engine.errors import CatalogueError
from service.settings import Settings
from tests.genre_world import noise, play
from tests.paths import ROOT
from tests.service.serving import MAX_UPLOAD_BYTES, PATIENCE_S, assert_problem, flac, served


def test_a_genre_is_predicted_with_probabilities(client: httpx.Client) -> None:
    reply = client.post("/v1/genre", files={"file": ("song.flac", flac(play("Drums", 7, 7)))}, params={"k": 2})
    assert reply.status_code == 200
    answer = reply.json()
    assert (answer["genre"], answer["is_unknown"], len(answer["probabilities"])) == ("Drums", False, 2)
    assert answer["probabilities"][0]["genre"] == "Drums"
    assert answer["probabilities"][0]["probability"] > 0.5


def test_the_answer_is_that_of_the_engine(client: httpx.Client, catalogue: Path, tmp_path: Path) -> None:
    content = flac(play("Plucked", 7, 7))
    (tmp_path / "song.flac").write_bytes(content)
    with Engine.open(catalogue) as engine:
        expected = engine.genres.predict(tmp_path / "song.flac", k=3)
    answer = client.post("/v1/genre", files={"file": ("../../etc/passwd", content)}).json()
    assert answer["similarity"] == pytest.approx(expected.similarity, abs=1e-5)
    for told, (genre, probability) in zip(answer["probabilities"], expected.probabilities, strict=True):
        assert (told["genre"], told["probability"]) == (genre, pytest.approx(probability, abs=1e-4))


def test_noise_is_unknown(client: httpx.Client) -> None:
    answer = client.post("/v1/genre", files={"file": ("noise.flac", flac(noise()))}).json()
    assert (answer["genre"], answer["is_unknown"], answer["probabilities"]) == ("unknown", True, [])


@pytest.mark.parametrize("content", [b"", b"this is a letter, not a track" * 99])
def test_what_is_no_sound_is_a_problem_that_names_no_path(client: httpx.Client, content: bytes) -> None:
    reply = client.post("/v1/genre", files={"file": ("song.mp3", content)})
    assert "/" not in assert_problem(reply, 415, "undecodable")


def test_an_upload_that_is_too_large_is_refused_whether_it_says_so_or_not(client: httpx.Client) -> None:
    reply = client.post("/v1/genre", files={"file": ("song.wav", bytes(MAX_UPLOAD_BYTES))})
    assert str(MAX_UPLOAD_BYTES) in assert_problem(reply, 413, "too_large")

    def pieces() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="song.wav"\r\n\r\n'
        for _ in range(20):
            yield bytes(MAX_UPLOAD_BYTES // 10)
        yield b"\r\n--x--\r\n"

    headers = {"content-type": "multipart/form-data; boundary=x"}
    reply = client.post("/v1/genre", content=pieces(), headers=headers)  # chunked: no length announced
    assert_problem(reply, 413, "too_large")


def test_what_a_request_lacks_is_named(client: httpx.Client) -> None:
    assert "body.file" in assert_problem(client.post("/v1/genre"), 422, "invalid_request")
    files = {"file": ("song.flac", b"")}
    assert "query.k" in assert_problem(client.post("/v1/genre?k=0", files=files), 422, "invalid_request")
    assert_problem(client.get("/v1/genre"), 405, "method_not_allowed")
    assert_problem(client.get("/nowhere"), 404, "not_found")


def test_the_loop_goes_on_while_tracks_are_decoded(client: httpx.Client) -> None:
    content = flac(play("Drums", 7, 7))
    done: list[int] = []

    def ask() -> None:
        reply = httpx.post(f"{client.base_url}/v1/genre", files={"file": ("a", content)}, timeout=PATIENCE_S)
        done.append(reply.status_code)

    asking = [threading.Thread(target=ask) for _ in range(2)]
    for thread in asking:
        thread.start()
    answered_meanwhile = 0
    while len(done) < len(asking):
        assert client.get("/openapi.json").status_code == 200
        answered_meanwhile += len(done) < len(asking)
    for thread in asking:
        thread.join()
    assert done == [200] * 2
    assert answered_meanwhile > 2  # more than one between two tracks


def test_a_catalogue_without_a_classifier_is_a_conflict(genre_world: Path, tmp_path: Path) -> None:
    directory = shutil.copytree(genre_world / "catalogue", tmp_path / "catalogue")
    with served(Engine.open(directory)) as client:
        reply = client.post("/v1/genre", files={"file": ("song.flac", flac(noise()))})
    assert "audio-engine genre train" in assert_problem(reply, 409, "not_trained")


def test_faults_of_the_server_are_problems_that_tell_nothing_of_it(
    catalogue: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = Engine.open(shutil.copytree(catalogue, tmp_path / "catalogue"))
    files = {"file": ("song.flac", flac(noise()))}

    def failing(error: Exception) -> Callable[..., None]:
        def fail(*_: object, **__: object) -> None:
            raise error

        return fail

    with served(engine) as client:
        monkeypatch.setattr(engine.genres, "predict", failing(CatalogueError("catalogue '/secret' is damaged")))
        assert "secret" not in assert_problem(client.post("/v1/genre", files=files), 503, "catalogue")
        monkeypatch.setattr(engine.genres, "predict", failing(RuntimeError("the moon is full")))
        assert "moon" not in assert_problem(client.post("/v1/genre", files=files), 500, "fault")
    assert "/secret" in caplog.text
    assert "the moon is full" in capsys.readouterr().err


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUDIO_ENGINE_CATALOGUE", raising=False)
    assert Settings.from_environment() == Settings()
    monkeypatch.setenv("AUDIO_ENGINE_CATALOGUE", "/music")
    monkeypatch.setenv("AUDIO_ENGINE_MAX_UPLOAD_BYTES", "10")
    assert Settings.from_environment() == Settings(catalogue=Path("/music"), max_upload_bytes=10)
    monkeypatch.setenv("AUDIO_ENGINE_CORS_ORIGINS", "https://a.example, https://b.example")
    monkeypatch.setenv("AUDIO_ENGINE_UPLOAD_TIMEOUT_S", "2.5")
    settings = Settings.from_environment()
    assert (settings.cors_origins, settings.upload_timeout_s) == (("https://a.example", "https://b.example"), 2.5)
    for wrong in ("many", "0", "-1"):
        monkeypatch.setenv("AUDIO_ENGINE_MAX_UPLOAD_BYTES", wrong)
        with pytest.raises(ValueError, match=f"AUDIO_ENGINE_MAX_UPLOAD_BYTES must be .*, got '?{wrong}"):
            Settings.from_environment()


def test_the_command_serves_a_catalogue_until_it_is_stopped(catalogue: Path) -> None:
    command = [sys.executable, "-m", "audio_engine.cli.main", "serve", "--port", "0", "-c", str(catalogue)]
    with subprocess.Popen(command, cwd=ROOT, env=dict(os.environ), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        try:
            address = next(line for line in lines if "running on" in line).split("running on ")[1].split()[0]
            files = {"file": ("song.flac", flac(play("Chiptune", 7, 7)))}
            reply = httpx.post(f"{address}/v1/genre", files=files, timeout=PATIENCE_S)
        finally:
            process.send_signal(signal.SIGINT)  # or a failure above would wait for ever
        predicted = process.stderr.read()
        status = process.wait(timeout=PATIENCE_S)
    assert address.startswith("http://127.0.0.1:")
    assert reply.json()["genre"] == "Chiptune"
    assert "Traceback" not in predicted
    assert status in {0, 130}
