"""The log-mel front end, against librosa and against physics."""

import librosa
import numpy as np
import pytest
import torch

from features.decode import decode
from features.mel import LOG_FLOOR, LogMel
from features.recipe import MelRecipe
from metric_learning.checkpoint import load_checkpoint
from metric_learning.model_files import DEFAULT_MODEL_DIR
from tests.paths import SHARED
from tests.sounds import melody

RECIPE = load_checkpoint(DEFAULT_MODEL_DIR)[1]  # the one that ships


def librosa_log_mel(waveform: np.ndarray, recipe: MelRecipe) -> np.ndarray:
    power = librosa.feature.melspectrogram(
        y=waveform,
        sr=recipe.sample_rate,
        n_fft=recipe.n_fft,
        win_length=recipe.win_length,
        hop_length=recipe.hop_length,
        n_mels=recipe.n_mels,
        fmin=recipe.f_min,
        fmax=recipe.f_max,
    )
    return np.log(power + LOG_FLOOR)


@pytest.mark.parametrize("recipe", [RECIPE, MelRecipe(sample_rate=16_000, hop_length=160, n_mels=64, f_max=8_000)])
def test_the_log_mel_of_a_melody_agrees_with_librosa(recipe: MelRecipe) -> None:
    waveform = melody(3, recipe.sample_rate)[:, 0]
    ours = LogMel(recipe)(torch.from_numpy(waveform)).numpy()
    assert np.abs(ours - librosa_log_mel(waveform, recipe)).max() < 1e-3


def test_the_log_mel_of_real_music_agrees_with_librosa() -> None:
    if not SHARED.exists():
        pytest.skip("needs the music in ../shared")
    for path in sorted((SHARED / "audio").glob("*.opus"))[:100:10]:
        waveform = decode(path, RECIPE.sample_rate)
        ours = LogMel(RECIPE)(torch.from_numpy(waveform)).numpy()
        assert np.abs(ours - librosa_log_mel(waveform, RECIPE)).max() < 1e-3, path.name


def test_a_tone_peaks_in_its_own_mel_band() -> None:
    centres_hz = librosa.mel_frequencies(RECIPE.n_mels + 2, fmin=RECIPE.f_min, fmax=RECIPE.f_max)[1:-1]
    time_s = np.arange(RECIPE.segment_samples) / RECIPE.sample_rate
    for band in range(RECIPE.n_mels // 3, RECIPE.n_mels, 10):
        tone = np.sin(2 * np.pi * centres_hz[band] * time_s).astype(np.float32)
        log_mel = LogMel(RECIPE)(torch.from_numpy(tone))
        assert abs(int(log_mel.mean(dim=1).argmax()) - band) <= 1


def test_silence_lies_on_the_floor() -> None:
    log_mel = LogMel(RECIPE)(torch.zeros(RECIPE.segment_samples))
    assert log_mel.shape == (RECIPE.n_mels, RECIPE.n_frames)
    torch.testing.assert_close(log_mel, torch.full_like(log_mel, float(np.log(LOG_FLOOR))))


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"n_mels": 0}, "n_mels must be at least 1, got 0"),
        ({"f_max": 30_000.0}, "f_min < f_max <= sample_rate / 2"),
        ({"win_length": 4_096}, "win_length must be at most n_fft"),
        ({"segment_s": 0.001}, "is it in seconds"),
    ],
)
def test_a_recipe_out_of_range_is_refused_by_name(numbers: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        MelRecipe(**numbers)  # type: ignore[arg-type]


def test_many_waveforms_give_the_log_mels_of_each_alone() -> None:
    waveforms = torch.from_numpy(np.stack([melody(2, seed=seed)[:, 0] for seed in range(7)]))
    together = LogMel(RECIPE)(waveforms.reshape(7, 1, -1))
    assert together.shape[:3] == (7, 1, RECIPE.n_mels)
    for waveform, log_mel in zip(waveforms, together, strict=True):
        torch.testing.assert_close(LogMel(RECIPE)(waveform), log_mel[0], atol=1e-5, rtol=0)
