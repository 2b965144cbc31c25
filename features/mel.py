"""Log-mel spectrogram as a torch module, on whatever device the module is on.

Agrees with ``librosa.feature.melspectrogram`` at the same settings (Slaney scale and area normalisation, periodic Hann
window, zero padding at the ends, power 2), then takes the natural logarithm with a floor. Frames are the long axis
until the end, and each group of bands sums only the bins it covers: a third of the time of
``torchaudio.transforms.MelSpectrogram``, and the same numbers to 1e-6.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
import torchaudio
from torch import Tensor, nn

from features.recipe import MelRecipe

LOG_FLOOR = 1e-7  # power; digital silence becomes log(1e-7) = -16.1; far lower, float32 and librosa disagree
GROUP_BANDS = 16  # neighbouring bands that one matrix product sums
CACHE_SAMPLES = 2**18  # transformed at once on a CPU: more overflow its cache and take three times as long
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

    window: Tensor  # (n_fft,)
    bands: Tensor  # (n_fft // 2 + 1, n_mels)

    def __init__(self, recipe: MelRecipe) -> None:
        super().__init__()
        self.recipe = recipe
        window = torch.hann_window(recipe.win_length)
        before = (recipe.n_fft - recipe.win_length) // 2
        self.register_buffer("window", F.pad(window, (before, recipe.n_fft - recipe.win_length - before)))
        bands = torchaudio.functional.melscale_fbanks(
            n_freqs=recipe.n_fft // 2 + 1,
            f_min=recipe.f_min,
            f_max=recipe.f_max,
            n_mels=recipe.n_mels,
            sample_rate=recipe.sample_rate,
            norm="slaney",
            mel_scale="slaney",
        )
        self.register_buffer("bands", bands)
        self._groups = _groups(bands)

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
        waveforms = waveform.reshape(-1, waveform.shape[-1])
        pieces = cache_sized(waveforms, max(1, CACHE_SAMPLES // waveform.shape[-1]))
        log_mel = torch.cat([self._of_piece(piece) for piece in pieces])
        return log_mel.reshape(*waveform.shape[:-1], -1, self.recipe.n_mels).transpose(-1, -2)

    def _of_piece(self, waveform: Tensor) -> Tensor:
        """Log-mels of a few waveforms: (n, n_samples) to (n, n_frames, n_mels)."""
        n_fft, hop_length = self.recipe.n_fft, self.recipe.hop_length
        frames = F.pad(waveform, (n_fft // 2, n_fft // 2)).unfold(-1, n_fft, hop_length)
        spectrum = torch.fft.rfft(frames * self.window)
        power = torch.addcmul(spectrum.real.square(), spectrum.imag, spectrum.imag)
        mel = torch.cat([power[..., bins] @ self.bands[bins, bands] for bins, bands in self._groups], dim=-1)
        return torch.log(mel + LOG_FLOOR)

    def of_segments(self, segments: Tensor) -> Tensor:
        """Turn the segments of tracks into log-mels, each track scaled to peak 1 first, so gain has no effect.

        Parameters
        ----------
        segments : (n_tracks, n_segments, segment_samples)
            As `features.segments.cut_segments` returns them, one track per row.

        Returns
        -------
        log_mel : (n_tracks, n_segments, n_mels, n_frames)
        """
        peak = segments.abs().amax(dim=(1, 2), keepdim=True).clamp_min(PEAK_FLOOR)
        log_mel: Tensor = self(segments / peak)
        return log_mel


def cache_sized(batch: Tensor, n_together: int) -> Sequence[Tensor]:
    """Split a batch into pieces that fit the cache of a CPU; on a GPU, and in an exported graph, it stays whole."""
    whole = batch.is_cuda or torch.compiler.is_exporting()  # a graph for batches of any size cannot loop over them
    return (batch,) if whole else torch.split(batch, n_together)


def _groups(bands: Tensor) -> list[tuple[slice, slice]]:
    """Group neighbouring bands: for each group, the bins that any of its bands covers, and the bands."""
    groups = []
    for first in range(0, bands.shape[1], GROUP_BANDS):
        group = slice(first, min(first + GROUP_BANDS, bands.shape[1]))
        bins = torch.nonzero(bands[:, group].any(dim=1)).flatten().tolist() or [0]
        groups.append((slice(bins[0], bins[-1] + 1), group))
    return groups
