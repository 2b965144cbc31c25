"""The sounds that the commands are tried on, and a command started in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import numpy as np
import soundfile
from mutagen.flac import FLAC

from tests.paths import ROOT

SAMPLE_RATE = 22_050  # Hz
DURATION_S = 3.0
STRANGE_NAME = os.fsdecode(b"new\nline \xff \x1b[31m " + "🎵.flac".encode())


def sounds() -> dict[str, np.ndarray]:
    at_s = np.arange(round(DURATION_S * SAMPLE_RATE)) / SAMPLE_RATE
    noise = np.random.default_rng(0).normal(size=at_s.size)
    return {
        "tone": np.sin(2 * np.pi * 220 * at_s),
        "chord": sum(np.sin(2 * np.pi * hertz * at_s) for hertz in (262, 330, 392)),
        "noise": noise,
        "clicks": (at_s % 0.25 < 0.005) * noise,
        "sweep": np.sin(2 * np.pi * (100 + 1_000 * at_s) * at_s),
    }


def write_sound(path: Path, sound: np.ndarray, *, artist: str = "") -> Path:
    soundfile.write(path, 0.5 * sound / np.abs(sound).max(), SAMPLE_RATE, format="FLAC")
    tags = FLAC(path)
    tags.update({"title": path.stem.title() if path.name.isprintable() else "", "artist": artist})
    tags.save()
    return path


def start(*arguments: str | Path, stdout: int | IO[str] = subprocess.PIPE, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "audio_engine.cli.main", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )
