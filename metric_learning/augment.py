"""Channel augmentation of log-mels: low-pass, equaliser and noise floor, as recordings pick them up in distribution.

Gain needs no augmentation: the encoder measures everything relative to the loudest cell of the track.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from metric_learning.encoder_config import DB

LOW_PASS_DB = (30.0, 60.0)  # loss above the cut-off: 30 dB is a gentle filter, 60 dB a codec's
LOW_PASS_FROM = 0.45  # share of the bands that every low-pass passes
EQUALISER_DB = 4.0  # standard deviation of the gain at each knot
EQUALISER_KNOTS = 6  # knots over the spectrum, linear between them
NOISE_DB = (-75.0, -50.0)  # noise floor below the loudest cell of the track


def augment(log_mel: Tensor, generator: torch.Generator) -> Tensor:
    """Augment each track: the same music through another channel.

    Each track gets its own random equaliser and, each with probability 1/2, a low-pass and a noise floor.

    Parameters
    ----------
    log_mel : (n_tracks, n_segments, n_mels, n_frames)
        Natural logarithm of power.
    generator
        The source of randomness; on the CPU.

    Returns
    -------
    log_mel : (n_tracks, n_segments, n_mels, n_frames)
    """
    n_tracks, _, n_mels, _ = log_mel.shape
    gain = equaliser(n_tracks, n_mels, generator=generator)
    coin = torch.rand(n_tracks, 1, generator=generator) < 0.5
    gain = gain + low_pass(n_tracks, n_mels, generator=generator) * coin
    louder = log_mel + gain[:, None, :, None].to(log_mel)
    floor_db = NOISE_DB[0] + (NOISE_DB[1] - NOISE_DB[0]) * torch.rand(n_tracks, generator=generator)
    floor_db[torch.rand(n_tracks, generator=generator) < 0.5] = -120.0  # decibels, inaudible
    floor = louder.amax(dim=(1, 2, 3), keepdim=True) + floor_db.to(log_mel).view(-1, 1, 1, 1) * DB
    return torch.logaddexp(louder, floor)


def equaliser(n_tracks: int, n_mels: int, *, generator: torch.Generator) -> Tensor:
    """Draw a smooth gain for each track: (n_tracks, n_mels), natural logarithm of power."""
    knots = torch.randn(n_tracks, 1, EQUALISER_KNOTS, generator=generator) * EQUALISER_DB * DB
    return F.interpolate(knots, n_mels, mode="linear", align_corners=True)[:, 0]


def low_pass(n_tracks: int, n_mels: int, *, generator: torch.Generator) -> Tensor:
    """Draw a low-pass for each track: (n_tracks, n_mels), 0 below the cut-off, a loss above it."""
    cut_off = (LOW_PASS_FROM + (1.0 - LOW_PASS_FROM) * torch.rand(n_tracks, 1, generator=generator)) * n_mels
    low, high = LOW_PASS_DB
    loss = (low + (high - low) * torch.rand(n_tracks, 1, generator=generator)) * DB
    return -loss * ((torch.arange(n_mels) - cut_off) / 3.0).clamp(0.0, 1.0)  # the slope spans three bands
