"""Whatever one file does, the run goes on: the others are embedded, and the failure says why in one line."""

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audio_engine import Catalogue, Engine
from audio_engine.catalogue.track import MAX_TIME_NS
from audio_engine.decoding.pool import DecoderPool
from audio_engine.embedding import plan as planning
from metric_learning.embedder import Embedder
from tests.command_line import Run
from tests.sounds import write_sound

NS = 10**9
WRITE = Catalogue.write
TIMES = {
    "2262-04-11": MAX_TIME_NS // NS,
    "2262-04-12": 9_224_318_016,
    "2446": 15_032_385_535,
    "1969": -1,
    "1901": -(2**31),
}


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    for seed in range(3):
        write_sound(folder / f"{seed}.flac", seed=seed)
    return folder


def test_a_link_to_nowhere_fails_like_any_file_until_it_leads_somewhere(
    run: Run, engine: Engine, music: Path, directory: Path, tmp_path: Path
) -> None:
    link, away = music / "link.flac", tmp_path / "away.flac"
    link.symlink_to(away)
    why = "it is a link to a file that is not there"
    ran = run("embed", music, "-c", directory, "--workers", 1)
    assert (ran.status, ran.out) == (1, "3 embedded, 1 failed\n")
    assert f"failed: {link}: {why}\n" in ran.err
    assert [(track.path, track.error) for track in engine.errors()] == [(link, why)]
    assert engine.plan(music).failed_before == (link,)
    write_sound(away, seed=9)
    assert [result.status for result in engine.embed(music)] == ["embedded"]
    away.rename(tmp_path / "unmounted.flac")  # the track is kept: its disk may come back
    plan = engine.plan(music, force=True)
    assert (plan.unreadable, plan.missing, len(plan.changed)) == (((link, why),), (), 3)
    assert [result.status for result in engine.embed(music)] == []
    assert engine.n_tracks == 4


@pytest.mark.parametrize("name", TIMES)
def test_a_file_of_any_time_is_embedded_and_unchanged_thereafter(engine: Engine, music: Path, name: str) -> None:
    path = music / "1.flac"
    os.utime(path, (TIMES[name], TIMES[name]))
    if path.stat().st_mtime != TIMES[name]:
        pytest.skip("a file system without such times")
    assert [result.status for result in engine.embed(music)] == ["embedded"] * 3
    stored = engine.find(path).mtime_ns
    assert stored == min(TIMES[name] * NS, MAX_TIME_NS)
    assert engine.plan(music).unchanged == tuple(music / f"{seed}.flac" for seed in range(3))
    assert engine.similar(path)
    os.utime(path, (10**9, 10**9))
    assert engine.plan(music).changed == (path,)


def test_a_time_that_no_integer_of_64_bits_holds_can_be_exported(engine: Engine, music: Path) -> None:
    list(engine.embed(music))
    os.utime(music / "1.flac", (2**34, 2**34))
    list(engine.embed(music))
    assert engine.export(music / "out.parquet") == 3


def break_one(method: Any, *, when: str, error: Exception) -> Any:
    """Let a method raise for what has a text in its arguments."""

    def broken(self: Any, *arguments: Any, **options: Any) -> Any:
        if when in repr((arguments, options)):
            raise error
        return method(self, *arguments, **options)

    return broken


def check_that_one_failed(engine: Engine, music: Path, *, n_workers: int, reason: str) -> None:
    results = {result.path.name: result for result in engine.embed(music, n_workers=n_workers)}
    assert {name: result.status for name, result in results.items()} == {
        "0.flac": "embedded", "1.flac": "failed", "2.flac": "embedded",
    }  # fmt: skip
    assert results["1.flac"].error == reason
    [failed] = engine.errors()
    assert (failed.path.name, failed.error) == ("1.flac", reason)


@pytest.mark.parametrize("n_workers", [1, 2])
def test_what_nobody_foresaw_in_the_reading_of_a_file_is_its_failure(
    engine: Engine, music: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, n_workers: int
) -> None:
    broken = break_one(DecoderPool.read, when="1.flac", error=KeyError("a\nb"))
    monkeypatch.setattr(DecoderPool, "read", broken)
    with caplog.at_level(logging.DEBUG, logger="audio_engine"):
        check_that_one_failed(engine, music, n_workers=n_workers, reason=r"KeyError: 'a\nb'")
    [record] = [record for record in caplog.records if record.exc_info]
    assert "1.flac" in record.getMessage()
    assert record.levelno == logging.DEBUG


def test_what_nobody_foresaw_in_the_writing_of_a_file_is_its_failure(
    engine: Engine, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = break_one(Catalogue.write, when="1.flac", error=OverflowError("too large\nto convert"))
    monkeypatch.setattr(Catalogue, "write", lambda self, changes: _write(self, changes, broken))
    check_that_one_failed(engine, music, n_workers=2, reason="OverflowError: too large to convert")


def _write(catalogue: Catalogue, changes: Any, broken: Any) -> list[str]:
    """Write failures, whatever their name."""
    is_failure = len(changes) == 1 and hasattr(changes[0], "error")
    return WRITE(catalogue, changes) if is_failure else broken(catalogue, changes)


@pytest.mark.parametrize("wants_batches", [False, True])
@pytest.mark.parametrize("fault", ["raises", "is not a number"])
def test_a_sound_that_cannot_be_encoded_is_the_failure_of_its_file(
    engine: Engine, music: Path, monkeypatch: pytest.MonkeyPatch, wants_batches: bool, fault: str
) -> None:
    embed = Embedder.embed

    def embed_most(self: Embedder, segments: np.ndarray) -> np.ndarray:
        vectors = embed(self, segments)
        is_bad = np.abs(segments).max(axis=(1, 2)) > 0.99
        if fault == "raises" and is_bad.any():
            raise RuntimeError("no")
        vectors[is_bad] = np.nan
        return vectors

    soundfile.write(music / "1.flac", np.sign(np.sin(np.arange(44_100) / 20)), 22_050)
    monkeypatch.setattr(Embedder, "embed", embed_most)
    monkeypatch.setattr(Embedder, "wants_batches", property(lambda self: wants_batches))
    reason = "RuntimeError: no" if fault == "raises" else "ValueError: vector must have unit length, got nan"
    check_that_one_failed(engine, music, n_workers=1, reason=reason)


def test_a_file_that_changes_while_it_is_read_is_read_again_by_the_next_run(
    engine: Engine, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = DecoderPool.read

    def read_and_change(self: DecoderPool, path: Path) -> Any:
        sound = read(self, path)
        if path.name == "1.flac":
            write_sound(path, 5.0, seed=7)
        return sound

    monkeypatch.setattr(DecoderPool, "read", read_and_change)
    check_that_one_failed(engine, music, n_workers=2, reason="it changed while it was read")
    monkeypatch.undo()
    assert [result.status for result in engine.embed(music)] == ["embedded"]
    assert planning.plan_folders(engine.catalogue, [music], model_id=engine.models.active_id).new == ()
