"""Windows of music to learn from: 30 s of tracks as they are, at other speeds, and mixed with each other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torchaudio.functional import resample

from features.decode import decode
from features.decode_errors import DecodeError
from tests.benchmarks.experiments.distillation.teachers import RECIPE, WINDOW_SAMPLES

Floats = NDArray[np.float32]
MIN_S = 25.0  # seconds; shorter files are sounds
SAME_S = 0.15  # seconds by which the lengths of a file and of a track in the table may differ
MAX_WINDOWS = 4  # of a track as it is, and as many again at other speeds
SPEEDS = (0.72, 1.38)  # drawn evenly in their logarithm
MIXED_SHARE = 0.3  # of the windows at other speeds
MIX_DB = 6.0  # level of the other part, at most above or below
N_BANKED = 60  # windows that wait to be mixed into others
TINY = 1e-6
SPEED_STEPS = 100


@dataclass(frozen=True, kw_only=True)
class Window:
    """30 s of sound."""

    package: str  # folder of the file it comes from: what one author made lies in one, as a rule
    waveform: Floats  # (WINDOW_SAMPLES,)


def teachable(music: Path, table: pl.DataFrame) -> list[Path]:
    """List the files of full-length tracks that may be learned from.

    Parameters
    ----------
    music
        Folder of folders, one a package, as ``fetch_tracks.sh`` makes them.
    table
        ``track``, ``package``, ``duration_s``, ``split``: a file as long as a track that is not in ``train`` is left
        out, and every package without a track in ``train``.

    Returns
    -------
    files
    """
    packages = set(table.filter(pl.col("split") == "train")["package"])
    held_out = table.filter(pl.col("split") != "train").group_by("package").agg("duration_s")
    lengths = dict(zip(held_out["package"], held_out["duration_s"].to_list(), strict=True))
    found = []
    for file in sorted(path for package in packages for path in (music / package).rglob("*.*")):
        length_s = _length_s(file)
        away = lengths.get(file.relative_to(music).parts[0], [])
        if length_s >= MIN_S and all(abs(length_s - each) >= SAME_S for each in away):
            found.append(file)
    return found


def draw_windows(music: Path, files: Sequence[Path], rng: np.random.Generator) -> Iterator[Window]:
    """Cut windows from files, in random order: some of each as it is, and as many at other speeds or mixed."""
    bank: list[Floats] = []
    for track in rng.permutation(len(files)):
        waveform = decode(files[track], RECIPE.sample_rate)
        package = files[track].relative_to(music).parts[0]
        n_windows = int(np.clip(len(waveform) // WINDOW_SAMPLES, 1, MAX_WINDOWS))
        starts = np.linspace(0, max(0, len(waveform) - WINDOW_SAMPLES), n_windows + 2)[1:-1].astype(int)
        for start in starts:
            yield Window(package=package, waveform=filled(waveform[start : start + WINDOW_SAMPLES]))
        for _ in starts:
            moved = _at_random_speed(waveform, rng)
            if bank and rng.random() < MIXED_SHARE:
                moved = _mixed(moved, bank[rng.integers(len(bank))], rng)
            bank.insert(int(rng.integers(len(bank) + 1)), moved)
            del bank[N_BANKED:]
            yield Window(package=package, waveform=moved)


def filled(waveform: Floats) -> Floats:
    """Repeat what is shorter than a window, and cut what is longer."""
    return np.ascontiguousarray(np.resize(waveform, WINDOW_SAMPLES) if len(waveform) < WINDOW_SAMPLES else waveform)[
        :WINDOW_SAMPLES
    ]


def _at_random_speed(waveform: Floats, rng: np.random.Generator) -> Floats:
    """Cut a window from anywhere, and play it faster or slower: pitch and tempo change together."""
    speed = round(SPEED_STEPS * float(np.exp(rng.uniform(*np.log(SPEEDS)))))
    n_read = WINDOW_SAMPLES * speed // SPEED_STEPS
    start = int(rng.integers(max(1, len(waveform) - n_read)))
    return filled(resample(torch.from_numpy(waveform[start : start + n_read]), speed, SPEED_STEPS).numpy())


def _mixed(one: Floats, other: Floats, rng: np.random.Generator) -> Floats:
    """Add two windows at levels of the same order."""
    gain = 10 ** (rng.uniform(-MIX_DB, MIX_DB) / 20)
    both = one / (one.std() + TINY) + gain * other / (other.std() + TINY)
    return np.asarray(both / (np.abs(both).max() + TINY), np.float32)


def _length_s(file: Path) -> float:
    """Tell the length of an audio file; 0 of anything else."""
    try:
        return len(decode(file, RECIPE.sample_rate)) / RECIPE.sample_rate
    except DecodeError:
        return 0.0
