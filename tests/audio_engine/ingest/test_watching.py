"""Watched folders: files are embedded once they keep still, moves and losses are noted, a lost disk is waited for."""

import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from audio_engine import Engine
from audio_engine.description.tag_writing import write_fields
from audio_engine.ingest.watching import WatchEvent, WatchOptions
from tests.sounds import write_sound

PATIENCE_S = 120.0  # on a machine that is busy
SETTLE_S = 0.5


class Watching:
    """A watch in a thread: what it tells, one event after another."""

    def __init__(self, engine: Engine, *folders: Path, **options: object) -> None:
        self.stop = threading.Event()
        self.seen: list[tuple[str, str]] = []
        self._told: queue.Queue[WatchEvent | Exception] = queue.Queue()
        watched = engine.watcher.watch(
            *folders,
            stop=self.stop,
            options=WatchOptions(settle_s=SETTLE_S, n_workers=1, **options),  # type: ignore[arg-type]
        )

        def run() -> None:
            try:
                for event in watched:
                    self._told.put(event)
            except Exception as error:  # noqa: BLE001  (raised again in the test's thread)
                self._told.put(error)

        self.thread = threading.Thread(target=run)
        self.thread.start()

    def wait(self, kind: str, name: str) -> None:
        """Wait until something is told of a file; everything that is told before is kept too."""
        while (kind, name) not in self.seen:
            event = self._told.get(timeout=PATIENCE_S)
            if isinstance(event, Exception):
                raise event
            self.seen.append((event.kind, event.path.name))


@contextmanager
def watching(engine: Engine, *folders: Path, **options: object) -> Iterator[Watching]:
    watched = Watching(engine, *folders, **options)
    try:
        yield watched
    finally:
        watched.stop.set()
        watched.thread.join(PATIENCE_S)
    assert not watched.thread.is_alive()


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    write_sound(folder / "first.flac", 3.0, seed=1)
    return folder


def test_what_comes_moves_changes_and_goes_is_followed(engine: Engine, music: Path) -> None:
    with watching(engine, music) as watched:
        watched.wait("embedded", "first.flac")
        (music / "album").mkdir()
        write_sound(music / "album" / "second.flac", 3.0, seed=2)
        (music / "notes.txt").write_text("no music")
        watched.wait("embedded", "second.flac")
        track_id = engine.find(music / "album" / "second.flac").track_id
        (music / "album").rename(music / "renamed")
        watched.wait("moved", "second.flac")
        assert engine.find(music / "renamed" / "second.flac").track_id == track_id
        (music / "noise.mp3").write_bytes(os.urandom(5_000))
        watched.wait("failed", "noise.mp3")
        (music / "first.flac").unlink()
        watched.wait("missing", "first.flac")
        (music / ".Trash-1000").mkdir()
        (music / "renamed" / "second.flac").rename(music / ".Trash-1000" / "second.flac")
        watched.wait("missing", "second.flac")  # not moved: it was thrown away
    assert engine.n_tracks == 2
    assert [name for _, name in watched.seen].count("notes.txt") == 0


def test_a_file_that_is_still_being_copied_is_waited_for(engine: Engine, music: Path, tmp_path: Path) -> None:
    content = write_sound(tmp_path / "slow.flac", 6.0, seed=3).read_bytes()
    with watching(engine, music) as watched:
        watched.wait("embedded", "first.flac")
        step = len(content) // 8 + 1
        with (music / "slow.flac").open("wb") as file:
            for start in range(0, len(content), step):
                file.write(content[start : start + step])
                file.flush()
                time.sleep(SETTLE_S / 2)
        watched.wait("embedded", "slow.flac")
    assert ("failed", "slow.flac") not in watched.seen
    assert engine.find(music / "slow.flac").tags.duration_s == pytest.approx(6.0, abs=0.01)


def test_a_file_that_goes_while_it_waits_to_be_read_is_no_failure(engine: Engine, music: Path) -> None:
    write_sound(music / "second.flac", 3.0, seed=2)
    results = engine.embed(music)  # planned here, read below
    (music / "first.flac").rename(music / "renamed.flac")
    found = {(result.status, result.path.name) for result in results}
    assert found == {("gone", "first.flac"), ("embedded", "second.flac")}
    assert engine.errors() == []
    assert [(result.status, result.path.name) for result in engine.embed(music)] == [("embedded", "renamed.flac")]


@pytest.mark.parametrize("leaves_mount_point", [False, True])
def test_a_folder_that_vanishes_keeps_its_tracks_and_is_looked_through_when_it_is_back(
    engine: Engine, music: Path, leaves_mount_point: bool
) -> None:
    away = music.with_name("away")
    with watching(engine, music, prune=True) as watched:
        watched.wait("embedded", "first.flac")
        music.rename(away)
        if leaves_mount_point:
            music.mkdir()
        watched.wait("away", "music")
        assert engine.n_tracks == 1
        write_sound(away / "second.flac", 3.0, seed=2)
        if leaves_mount_point:
            music.rmdir()
        away.rename(music)
        watched.wait("embedded", "second.flac")
    assert engine.n_tracks == 2
    assert not {"missing", "pruned", "moved"} & {kind for kind, _ in watched.seen}


def test_a_folder_may_come_later(engine: Engine, music: Path, tmp_path: Path) -> None:
    with watching(engine, tmp_path / "later", music) as watched:
        watched.wait("away", "later")
        watched.wait("embedded", "first.flac")
        (tmp_path / "later").mkdir()
        write_sound(tmp_path / "later" / "second.flac", 3.0, seed=2)
        watched.wait("embedded", "second.flac")
    assert watched.seen.count(("embedded", "first.flac")) == 1


def test_pruning_takes_out_what_goes_but_not_nearly_everything(engine: Engine, music: Path) -> None:
    for number in range(25):
        shutil.copy(music / "first.flac", music / f"copy{number}.flac")
    with watching(engine, music, prune=True) as watched:
        watched.wait("embedded", "first.flac")
        for number in range(25):
            watched.wait("embedded", f"copy{number}.flac")
        (music / "copy0.flac").unlink()
        watched.wait("pruned", "copy0.flac")
        for number in range(1, 24):
            (music / f"copy{number}.flac").unlink()
        watched.wait("kept", "music")
    assert engine.n_tracks == 25


def test_tags_that_are_written_meanwhile_embed_nothing_again_if_the_catalogue_wrote_them(
    engine: Engine, music: Path
) -> None:
    with watching(engine, music, describe=True) as watched:
        watched.wait("described", "first.flac")
        vectors = engine.catalogue.vector(engine.find(music / "first.flac").track_id, engine.models.active_id)
        engine.catalogue.write_genres([(engine.find(music / "first.flac").track_id, "Techno", 0.9)])
        [result] = engine.descriptions.write_tags(engine.tracks(), ["genre"])
        assert result.status == "tagged"
        write_sound(music / "second.flac", 3.0, seed=2)
        watched.wait("described", "second.flac")
        assert watched.seen.count(("embedded", "first.flac")) == 1
        write_fields(music / "first.flac", {"key": "Am"})  # by another program: it is read again
        watched.seen.remove(("embedded", "first.flac"))
        watched.wait("embedded", "first.flac")
    after = engine.catalogue.vector(engine.find(music / "first.flac").track_id, engine.models.active_id)
    assert after == pytest.approx(vectors, abs=1e-6)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_tells_a_line_an_event_and_ends_cleanly(music: Path, tmp_path: Path, number: int) -> None:
    command = [sys.executable, "-m", "audio_engine.cli.main", "watch", str(music), "-c", str(tmp_path / "catalogue")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline().split() for _ in range(2)]
    process.send_signal(number)
    rest, words = process.communicate(timeout=PATIENCE_S)
    assert lines == [["watching", str(music)], ["embedded", str(music / "first.flac")]]
    assert (process.returncode, rest, words.splitlines()[-1]) == (0, "", "stopped")
    with Engine.open(tmp_path / "catalogue") as engine:
        assert engine.n_tracks == 1
