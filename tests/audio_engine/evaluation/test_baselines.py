import librosa
import numpy as np
import pytest

from audio_engine.evaluation.baselines import mel_statistics, mfcc_statistics

SAMPLE_RATE = 22_050  # Hz


@pytest.fixture
def noise():
    return 0.1 * np.random.default_rng(0).standard_normal(2 * SAMPLE_RATE).astype(np.float32)


def test_mfccs_are_those_of_librosa(noise):
    mfcc = librosa.feature.mfcc(y=noise, sr=22_050, n_mfcc=20)
    assert mfcc_statistics(noise, SAMPLE_RATE) == pytest.approx(np.r_[mfcc.mean(axis=1), mfcc.std(axis=1)])


def test_a_tone_is_loudest_in_its_own_mel_band():
    tone = np.sin(2 * np.pi * 1_000 * np.arange(SAMPLE_RATE) / SAMPLE_RATE).astype(np.float32)
    centres = librosa.mel_frequencies(n_mels=130, fmax=SAMPLE_RATE / 2)[1:-1]
    assert np.abs(centres - 1_000).argmin() == mel_statistics(tone, SAMPLE_RATE)[:128].argmax()


def test_a_steady_sound_moves_less_than_one_that_comes_and_goes(noise):
    pulsing = noise * (np.arange(noise.size) // 4_000 % 2)
    assert mel_statistics(pulsing, SAMPLE_RATE)[128:].mean() > 3 * mel_statistics(noise, SAMPLE_RATE)[128:].mean()
