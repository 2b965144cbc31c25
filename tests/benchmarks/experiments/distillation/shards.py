"""Shards of described windows on disk: fixed features, and what the teachers say of the same segments."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from features.mel import LogMel
from features.segments import cut_segments
from metric_learning.augment import augment
from metric_learning.encoder import AudioEncoder
from metric_learning.encoder_config import relative_level
from tests.benchmarks.experiments.distillation.teachers import RECIPE, Teachers
from tests.benchmarks.experiments.distillation.windows import Window

Halves = NDArray[np.float16]
SHARD_WINDOWS = 50


@dataclass(frozen=True, kw_only=True)
class Described:
    """Windows, described."""

    package: NDArray[np.str_]  # (n,)
    fixed: Halves  # (n, 2, n_segments, n_fixed) as they are, and through a random channel
    musicnn: Halves  # (n, n_segments, 753)
    whisper: Halves  # (n, n_segments, 1024)


class Describer:
    """Describes windows.

    Parameters
    ----------
    encoder
        Whose fixed features are read.
    teachers
        What they say is to be expected from those.
    seed
        Of the channels.
    """

    def __init__(self, encoder: AudioEncoder, teachers: Teachers, *, seed: int) -> None:
        self.encoder, self.teachers, self.log_mel = encoder, teachers, LogMel(RECIPE)
        self.generator = torch.Generator().manual_seed(seed)

    @torch.inference_mode()
    def describe(self, windows: list[Window]) -> Described:
        """Describe some windows."""
        rows = [(self._fixed(window), *self.teachers.describe(window.waveform)) for window in windows]
        fixed, musicnn, whisper = (np.stack(each).astype(np.float16) for each in zip(*rows, strict=True))
        package = np.array([window.package for window in windows])
        return Described(package=package, fixed=fixed, musicnn=musicnn, whisper=whisper)

    def _fixed(self, window: Window) -> NDArray[np.float32]:
        segments = torch.from_numpy(cut_segments(window.waveform, RECIPE))[None]
        log_mel = self.log_mel.of_segments(segments)
        config = self.encoder.config
        versions = torch.cat([log_mel, augment(log_mel, self.generator)])
        levels = relative_level(versions, config)
        return np.stack([self.encoder.encode_segments(level)[:, : config.n_fixed].numpy() for level in levels])


def write_shards(windows: Iterator[Window], describer: Describer, out: Path, *, name: str) -> Iterator[int]:
    """Describe windows and write them, some at a time; yield how many there are so far."""
    out.mkdir(parents=True, exist_ok=True)
    waiting: list[Window] = []
    n_done = 0
    for window in windows:
        waiting.append(window)
        if len(waiting) == SHARD_WINDOWS:
            _write(describer.describe(waiting), out / f"{name}-{n_done:06d}.npz")
            n_done += len(waiting)
            waiting = []
            yield n_done
    if waiting:
        _write(describer.describe(waiting), out / f"{name}-{n_done:06d}.npz")
        yield n_done + len(waiting)


def read_shards(folder: Path) -> Described:
    """Read all shards of a folder: some 0.3 MB a window."""
    shards = [dict(np.load(path)) for path in sorted(folder.glob("*.npz"))]
    if not shards:
        raise FileNotFoundError(f"{folder} must hold shards of windows, got none (make them with `windows` first)")
    return Described(**{name: np.concatenate([shard[name] for shard in shards]) for name in shards[0]})


def _write(described: Described, path: Path) -> None:
    temporary = path.with_suffix(".part.npy")
    with temporary.open("wb") as file:
        np.savez(file, **described.__dict__)
    temporary.rename(path)
