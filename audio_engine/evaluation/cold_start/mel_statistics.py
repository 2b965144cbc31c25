"""Fixed statistics of log-mel segments, for the baselines: no learning, and no code shared with the encoder."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from features.recipe import MelRecipe

Floats = NDArray[np.float32]
PERCENTILES = (10, 50, 90)
N_COVARIANCE_BANDS = 20
N_MODULATION_BANDS = 16
MODULATION_EDGES_HZ = (0.3, 0.6, 1.0, 1.5, 2.0, 2.7, 3.5, 4.5, 6.0, 8.0, 11.0, 15.0, 21.0)
N_MFCC = 20
SLOW_FRAMES = 8  # lag of slow changes
FAST_FRAMES = 2  # lag of fast changes
CLIP = 4.0  # standard deviations


def mean_and_deviation(log_mel: Floats) -> Floats:
    """Compute the mean and the deviation of each band.

    Parameters
    ----------
    log_mel : (n_segments, n_mels, n_frames)
        Of one track.

    Returns
    -------
    statistics : (2 * n_mels,)
    """
    return np.concatenate([log_mel.mean((0, 2)), log_mel.std((0, 2))])


def mfcc_statistics(log_mel: Floats) -> Floats:
    """Compute the mean and the deviation of the first 20 coefficients of the cosine transform over bands.

    Parameters
    ----------
    log_mel : (n_segments, n_mels, n_frames)
        Of one track.

    Returns
    -------
    statistics : (2 * N_MFCC,)

    References
    ----------
    B. Logan, Mel frequency cepstral coefficients for music modeling, ISMIR 2000.
    """
    return mean_and_deviation(np.asarray(dct(log_mel, axis=1, norm="ortho")[:, :N_MFCC]))


def rich_statistics(log_mel: Floats, recipe: MelRecipe) -> list[Floats]:
    """Compute means, deviations, percentiles, changes, modulation spectrum and covariance.

    Parameters
    ----------
    log_mel : (n_segments, n_mels, n_frames)
        Of one track.
    recipe
        Supplies the frame rate.

    Returns
    -------
    groups
        Each (n,), scaled separately by `standardise_groups`.

    References
    ----------
    Modulation spectrum: M. McKinney, J. Breebaart, Features for audio and music classification, ISMIR 2003.
    Covariance: M. Mandel, D. Ellis, Track-level features and support vector machines, ISMIR 2005.
    """
    fast = log_mel[..., FAST_FRAMES:] - log_mel[..., :-FAST_FRAMES]
    slow = log_mel[..., SLOW_FRAMES:] - log_mel[..., :-SLOW_FRAMES]
    return [
        log_mel.mean((0, 2)),
        log_mel.std((0, 2)),
        np.percentile(log_mel, PERCENTILES, axis=(0, 2)).ravel(),
        fast.std((0, 2)),
        np.maximum(fast, 0).mean((0, 2)),
        slow.std((0, 2)),
        _modulation(log_mel, recipe.sample_rate / recipe.hop_length),
        *_covariance(log_mel),
    ]


def standardise_groups(groups: list[Floats], train: NDArray[np.bool_]) -> Floats:
    """Standardise each statistic over the training tracks, and scale the groups to equal weight.

    Parameters
    ----------
    groups
        Each (n_tracks, n).
    train : (n_tracks,)
        The training tracks.

    Returns
    -------
    statistics : (n_tracks, sum of n)
    """
    scaled = []
    for group in groups:
        z = (group - group[train].mean(0)) / (group[train].std(0) + 1e-6)
        scaled.append(np.clip(z, -CLIP, CLIP) / np.sqrt(group.shape[1]))
    return np.concatenate(scaled, axis=1).astype(np.float32)


def _bands(log_mel: Floats, n_bands: int) -> Floats:
    """Average adjacent bands, and subtract the mean over time."""
    edges = np.linspace(0, log_mel.shape[1], n_bands + 1).round().astype(int)
    pooled = np.stack([log_mel[:, low:high].mean(1) for low, high in pairwise(edges)], axis=1)
    return np.asarray(pooled - pooled.mean(2, keepdims=True))


def _modulation(log_mel: Floats, frame_rate: float) -> Floats:
    """Measure the modulation of each of 16 bands at each of 12 rates."""
    bands = _bands(log_mel, N_MODULATION_BANDS)
    n_frames = bands.shape[2]
    power = np.abs(np.fft.rfft(bands * np.hanning(n_frames), axis=2)) ** 2 / n_frames
    rate = np.fft.rfftfreq(n_frames, 1 / frame_rate)
    # each rate band averages the bins inside it, or uses the nearest one if it is narrower than a bin
    weights = [
        (rate >= low) & (rate < high) if ((rate >= low) & (rate < high)).any() else rate == rate[_nearest(rate, low)]
        for low, high in pairwise(MODULATION_EDGES_HZ)
    ]
    pooled = np.stack([power.mean(0)[:, inside].mean(1) for inside in weights], axis=1)
    return np.log(pooled.ravel() + 1e-3).astype(np.float32)


def _nearest(rate: NDArray[np.floating], target: float) -> int:
    """Find the bin nearest to a rate."""
    return int(np.abs(rate - target).argmin())


def _covariance(log_mel: Floats) -> list[Floats]:
    """Compute the covariance of 20 bands, and their correlation."""
    bands = _bands(log_mel, N_COVARIANCE_BANDS).transpose(1, 0, 2).reshape(N_COVARIANCE_BANDS, -1)
    covariance = bands @ bands.T / bands.shape[1]
    deviation = np.sqrt(np.diag(covariance)) + 0.3  # keeps the correlation of a nearly constant band small
    correlation = covariance / deviation[:, None] / deviation
    upper = [covariance[np.triu_indices(N_COVARIANCE_BANDS)], correlation[np.triu_indices(N_COVARIANCE_BANDS, 1)]]
    return [values.astype(np.float32) for values in upper]
