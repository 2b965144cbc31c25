"""Waveform in, log-mel spectrogram out, on whatever device the module lies.

Agrees with ``librosa.feature.melspectrogram`` at the same settings (Slaney scale and area normalisation, periodic
Hann window, zero padding at the ends, power 2), then the natural logarithm over a floor.
"""

import torch
import torchaudio
from torch import Tensor, nn

from features.recipe import MelRecipe

LOG_FLOOR = 1e-7  # power; digital silence becomes log(1e-7) = -16.1; far lower, float32 and librosa part ways
PEAK_FLOOR = 1e-9  # amplitude; keeps digital silence from being divided by zero


class LogMel(nn.Module):
    """Natural logarithm of the mel power spectrogram.

    Parameters
    ----------
    recipe
        Sample rate, window, hop and bands.

    References
    ----------
    M. Slaney, Auditory Toolbox v2, Interval Research 1998-010: the mel scale and the area normalisation.
    """

    def __init__(self, recipe: MelRecipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.mel = torchaudio.transforms.MelSpectrogram(
            sample_rate=recipe.sample_rate,
            n_fft=recipe.n_fft,
            win_length=recipe.win_length,
            hop_length=recipe.hop_length,
            f_min=recipe.f_min,
            f_max=recipe.f_max,
            n_mels=recipe.n_mels,
            power=2.0,
            norm="slaney",
            mel_scale="slaney",
            center=True,
            pad_mode="constant",
        )

    def forward(self, waveform: Tensor) -> Tensor:
        """Turn waveforms into log-mel spectrograms.

        Parameters
        ----------
        waveform : (..., n_samples)
            Mono float32 in [-1, 1] at the recipe's sample rate.

        Returns
        -------
        log_mel : (..., n_mels, n_frames)
        """
        power: Tensor = self.mel(waveform)
        return torch.log(power + LOG_FLOOR)

    def of_segments(self, segments: Tensor) -> Tensor:
        """Turn the segments of tracks into log-mels, each track brought to peak 1 first: gain leaves no trace.

        Parameters
        ----------
        segments : (n_tracks, n_segments, segment_samples)
            As `features.segments.cut_segments` gives them, a track a row.

        Returns
        -------
        log_mel : (n_tracks, n_segments, n_mels, n_frames)
        """
        peak = segments.abs().amax(dim=(1, 2), keepdim=True).clamp_min(PEAK_FLOOR)
        log_mel: Tensor = self(segments / peak)
        return log_mel
