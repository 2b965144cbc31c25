"""Decoder processes: one that crashes, hangs or prints costs one file and nothing else."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from audio_engine.decoding.audio_file import read_sound
from audio_engine.decoding.pool import DecoderPool
from features.decode_errors import DecodeError
from features.recipe import MelRecipe
from tests.dying_worker import COMMAND
from tests.sounds import write_sound

RECIPE = MelRecipe(segment_s=0.5, n_segments=2)


def test_a_pool_reads_what_this_process_would(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.flac")
    with DecoderPool(RECIPE, n_workers=1) as pool:
        read = pool.read(path)
    expected = read_sound(path, RECIPE)
    np.testing.assert_array_equal(read.segments, expected.segments)
    assert read.tags == expected.tags
    assert read.tags.duration_s == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("segfault.flac", "its decoder died: SIGSEGV"),
        ("surprise.flac", "KeyError: 'something nobody thought of'"),
        ("gone.flac", "No such file or directory"),
    ],
)
def test_a_decoder_that_dies_costs_one_file(name: str, words: str, tmp_path: Path) -> None:
    good = write_sound(tmp_path / "good.flac")
    bad = tmp_path / name
    if name != "gone.flac":
        write_sound(bad)
    with DecoderPool(RECIPE, n_workers=1, command=COMMAND) as pool:
        before = pool.read(good)
        with pytest.raises(DecodeError, match=words):
            pool.read(bad)
        np.testing.assert_array_equal(pool.read(good).segments, before.segments)


def test_a_decoder_that_hangs_costs_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = write_sound(tmp_path / "good.flac"), write_sound(tmp_path / "hang.flac")
    with DecoderPool(RECIPE, n_workers=1, command=COMMAND) as pool:
        before = pool.read(good)
        with monkeypatch.context() as only_now, pytest.raises(DecodeError, match="its decoder hung: no answer in 1 s"):
            only_now.setattr(pool, "_timeout_s", 1)  # for good files on a busy machine it would be too short
            pool.read(bad)
        np.testing.assert_array_equal(pool.read(good).segments, before.segments)


def test_what_a_decoder_prints_is_not_taken_for_a_reply(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "chatter.flac")
    with DecoderPool(RECIPE, n_workers=1, command=COMMAND) as pool:
        np.testing.assert_array_equal(pool.read(path).segments, read_sound(path, RECIPE).segments)


def test_no_worker_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="n_workers must be at least 1, got 0"):
        DecoderPool(RECIPE, n_workers=0)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems bound memory otherwise, or not at all")
def test_what_asks_for_too_much_memory_is_told_so() -> None:
    lines = (
        "from pathlib import Path",
        "from audio_engine.decoding import worker",
        "from features.recipe import MelRecipe",
        "worker.bound_memory(1 << 30)",
        "print(worker._reply(lambda path, recipe: bytearray(2 << 30), Path(), MelRecipe()))",
    )
    done = subprocess.run((sys.executable, "-c", "; ".join(lines)), capture_output=True, text=True, check=True)
    assert done.stdout == "it needs more memory than is available\n"


def test_a_pool_starts_as_many_processes_at_once_as_there_are_files_for(tmp_path: Path) -> None:
    leave_a_mark = f"import os, sys; open(os.path.join({str(tmp_path)!r}, str(os.getpid())), 'w'); sys.stdin.read()"
    with DecoderPool(RECIPE, n_workers=3, command=(sys.executable, "-c", leave_a_mark)) as pool:
        pool.start(2)
        pool.start(1)  # one that runs already
        until = time.monotonic() + 30
        while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.5)
        assert len(list(tmp_path.iterdir())) == 2


def test_a_pool_that_was_started_reads(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.flac")
    with DecoderPool(RECIPE, n_workers=2) as pool:
        pool.start(5)
        np.testing.assert_array_equal(pool.read(path).segments, read_sound(path, RECIPE).segments)
