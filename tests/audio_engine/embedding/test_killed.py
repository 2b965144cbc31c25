"""`kill -9` in the middle of an embed, repeatedly: no track is lost or duplicated."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from audio_engine import Engine
from tests.sounds import write_sound

N_TRACKS = 48
N_KILLS = 5


@pytest.mark.slow
def test_an_embed_that_is_killed_at_random_moments_ends_whole(tmp_path: Path) -> None:
    music = tmp_path / "music"
    music.mkdir()
    for seed in range(N_TRACKS):
        write_sound(music / f"{seed}.flac", 8.0, seed=seed)
    command = [
        sys.executable,
        "-m",
        "audio_engine.cli.main",
        "embed",
        str(music),
        "--catalogue",
        str(tmp_path / "killed"),
    ]
    rng = random.Random(0)
    n_interrupted = 0
    for _ in range(N_KILLS):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for_catalogue(tmp_path / "killed" / "catalogue.sqlite")
        time.sleep(rng.uniform(0.0, 4.0))
        process.send_signal(signal.SIGKILL)
        n_interrupted += process.wait() == -signal.SIGKILL
    assert n_interrupted > 0
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    with Engine.open(tmp_path / "killed") as killed, Engine.open(tmp_path / "whole") as whole:
        list(whole.embed(music))
        assert [track.path for track in killed.tracks()] == [track.path for track in whole.tracks()]
        assert len(killed.tracks()) == N_TRACKS
        for track in whole.tracks():
            np.testing.assert_allclose(killed.vector(track.path), whole.vector(track.path), atol=1e-5)


def wait_for_catalogue(path: Path) -> None:
    """Wait until the process has come to its work: a kill while Python still starts would show nothing."""
    deadline = time.monotonic() + 60
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
