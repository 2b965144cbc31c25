"""Downmix to one channel: the mean of the channels, but where they cancel each other, of those that agree.

A record whose one channel is turned over (L = -R) is heard by everyone with two ears, and its mean is silence. So the
mean is kept as long as it has kept the energy, and where it has not, channels that oppose the louder ones are left out.
They are not turned back: lossy codecs give both channels the same treble, which would cancel then.
The choice is made for a piece at a time, of that piece alone: the same piece gives the same answer in any company.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]  # (n_samples, n_channels)

CANCELS_BELOW = 0.5  # part that a mean keeps of the energy of channels that have nothing to do with each other
OPPOSES_BELOW = -0.5  # correlation of a channel with those that are kept
RUN_SAMPLES, STRIDE_SAMPLES = 128, 1_024  # an eighth of the sound tells whether its channels agree
FULL_SCALE = 1.0
OVERSHOOT = 8.0  # peak that a lossy decoder does not reach by itself: 4.6 was seen, at 48 kbit/s
MAX_BEYOND = 0.01  # part of the samples beyond full scale: with more, the file is written to another scale


def mix(samples: Samples, weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Add channels up: (n_samples, n_channels) and (n_channels,) to (n_samples,).

    As a product with a vector: the mean of interleaved samples along their short axis takes NumPy sixty times as long.
    """
    return samples[:, 0] if samples.shape[1] == 1 else samples @ weights


def channel_weights(samples: Samples) -> NDArray[np.float32]:
    """Say how much of each channel the mono sound of a piece is made of.

    Parameters
    ----------
    samples : (n_samples, n_channels)
        One piece of sound.

    Returns
    -------
    weights : (n_channels,)
        Equal, with the sum 1; where the mean cancels, 0 for the channels that oppose the louder ones.

    Examples
    --------
    >>> left = np.random.default_rng(0).standard_normal(5_000).astype(np.float32)
    >>> channel_weights(np.stack([left, left], axis=1)), channel_weights(np.stack([left, -left], axis=1))
    (array([0.5, 0.5], dtype=float32), array([1., 0.], dtype=float32))
    """
    n_channels = samples.shape[1]
    weights = np.full(n_channels, 1.0 / n_channels, np.float32)
    if n_channels > 1 and _cancels(_products(_runs(samples))):
        products = _products(samples)
        if _cancels(products):
            is_kept = _agreeing(products)
            weights = (is_kept / is_kept.sum()).astype(np.float32)
    return weights


def is_mean(weights: NDArray[np.float32]) -> bool:
    """Say whether every channel has its part in it."""
    return bool((weights > 0).all())


def peak_of(waveform: NDArray[np.float32]) -> float:
    """Largest absolute sample, without a copy; NaN where one is none."""
    return max(float(waveform.max()), -float(waveform.min())) if waveform.size else 0.0


def clip_spikes(pieces: Sequence[Samples]) -> tuple[list[Samples], int]:
    """Clip what no player can play, where it is a few samples of a track.

    Parameters
    ----------
    pieces
        Each (n_samples, n_channels), all of one track. Where more than `MAX_BEYOND` of them lie beyond full scale, or
        some are no numbers, they come back as they are.

    Returns
    -------
    pieces
        In [-1, 1].
    n_clipped
        Samples that were not.
    """
    n_beyond = sum(int(np.count_nonzero(np.abs(piece) > FULL_SCALE)) for piece in pieces)
    is_finite = all(np.isfinite(piece).all() for piece in pieces)
    if not is_finite or n_beyond > MAX_BEYOND * sum(piece.size for piece in pieces):
        return list(pieces), 0
    return [np.clip(piece, -FULL_SCALE, FULL_SCALE) for piece in pieces], n_beyond


def concatenated(pieces: Iterable[Samples]) -> Samples:
    """Join pieces; each is mixed to one channel first where not all have as many."""
    found = [piece for piece in pieces if len(piece)]
    if len({piece.shape[1] for piece in found}) > 1:
        found = [mix(piece, channel_weights(piece))[:, np.newaxis] for piece in found]
    return np.concatenate(found) if found else np.zeros((0, 1), np.float32)


def _runs(samples: Samples) -> Samples:
    """Take a short run of samples out of every stride."""
    n_whole = len(samples) // STRIDE_SAMPLES * STRIDE_SAMPLES
    if n_whole == 0:
        return samples
    strides = samples[:n_whole].reshape(-1, STRIDE_SAMPLES, samples.shape[1])
    return strides[:, :RUN_SAMPLES].reshape(-1, samples.shape[1])


def _products(samples: Samples) -> NDArray[np.float64]:
    """Inner products of the channels: (n_channels, n_channels)."""
    with np.errstate(all="ignore"):  # what is no number is refused later, with words
        products: NDArray[np.float64] = (samples.T @ samples).astype(np.float64)
    return products


def _cancels(products: NDArray[np.float64]) -> bool:
    """Say whether the mean keeps less of the energy than channels would that have nothing to do with each other."""
    n_channels = len(products)
    with np.errstate(all="ignore"):
        return bool(products.sum() / n_channels < CANCELS_BELOW * np.trace(products) / n_channels)


def _agreeing(products: NDArray[np.float64]) -> NDArray[np.float64]:
    """Go from the loudest channel to the quietest: 1 for each that does not oppose the sum so far, 0 for the others."""
    energies = np.diag(products)
    is_kept = np.zeros(len(products))
    for channel in np.argsort(-energies, kind="stable").tolist():
        scale = np.sqrt((is_kept @ products @ is_kept) * energies[channel])
        if products[channel] @ is_kept >= OPPOSES_BELOW * scale:
            is_kept[channel] = 1.0
    return is_kept
