import numpy as np

from audio_engine.evaluation.cold_start.mel_statistics import (
    MODULATION_EDGES_HZ,
    N_MODULATION_BANDS,
    mean_and_deviation,
    mfcc_statistics,
    rich_statistics,
    standardise_groups,
)
from features.recipe import MelRecipe

RECIPE = MelRecipe(sample_rate=22_050, n_fft=1_024, win_length=1_024, hop_length=512, n_mels=96, f_max=11_025.0)
RNG = np.random.default_rng(0)


def test_a_beat_shows_at_its_own_rate() -> None:
    time = np.arange(RECIPE.n_frames) * RECIPE.hop_length / RECIPE.sample_rate
    for rate_hz in (1.7, 5.0, 9.0):
        log_mel = np.broadcast_to(np.sin(2 * np.pi * rate_hz * time), (2, 96, RECIPE.n_frames)).astype(np.float32)
        modulation = rich_statistics(log_mel, RECIPE)[6].reshape(N_MODULATION_BANDS, -1)
        band = int(modulation.mean(0).argmax())
        assert MODULATION_EDGES_HZ[band] <= rate_hz < MODULATION_EDGES_HZ[band + 1]


def test_mean_and_deviation_are_over_all_segments() -> None:
    log_mel = RNG.normal(size=(3, 96, 20)).astype(np.float32)
    joined = log_mel.transpose(1, 0, 2).reshape(96, -1)
    np.testing.assert_allclose(mean_and_deviation(log_mel), np.r_[joined.mean(1), joined.std(1)], atol=1e-5)


def test_the_first_coefficient_is_loudness_and_the_others_are_not() -> None:
    log_mel = RNG.normal(size=(2, 96, 20)).astype(np.float32)
    change = mfcc_statistics(log_mel + 1) - mfcc_statistics(log_mel)
    assert change[0] > 1
    np.testing.assert_allclose(change[1:], 0, atol=1e-4)


def test_groups_are_scaled_by_the_tracks_trained_on_and_weigh_alike() -> None:
    groups = [RNG.normal(3, 5, size=(200, n)).astype(np.float32) for n in (4, 100)]
    train = np.arange(200) < 150
    scaled = standardise_groups(groups, train)
    np.testing.assert_allclose(scaled[train].mean(0), 0, atol=0.02)
    first, second = (scaled[train][:, part] for part in (slice(0, 4), slice(4, None)))
    assert abs((first**2).sum(1).mean() - (second**2).sum(1).mean()) < 0.05
