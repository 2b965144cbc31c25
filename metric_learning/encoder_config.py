"""Configuration of the encoder."""

import math
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

PATCH_EPS = 0.05  # of the dynamic range, 4 dB: keeps a flat patch flat
DB = math.log(10.0) / 10.0  # natural logarithm of power for one decibel


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """The shape of the encoder; this and the weights are all that is needed to rebuild it.

    Raises
    ------
    ValueError
        When a number is out of range; the message names it.
    """

    n_mels: int = 128  # bands of the log-mel
    frame_rate: float = 22_050 / 512  # frames a second of the log-mel
    emphasis_db: float = 25.0  # gain of the highest band over the lowest, linear between: half the slope of music
    dynamic_range_db: float = 80.0  # anything further below the loudest cell of a track counts as silence
    n_modulation_bands: int = 16  # bands whose rhythm is described
    n_correlation_bands: int = 20  # bands whose correlation is described
    patch_height: int = 12  # bands
    patch_width: int = 16  # frames, 0.37 s at the default recipe
    patch_stride: tuple[int, int] = (4, 4)  # bands, frames
    n_whitened: int = 64  # principal directions of a patch that are kept
    n_filters: int = 192  # entries of the dictionary
    n_regions: int = 4  # equal parts of the spectrum in which the filters are pooled
    threshold: float = 0.3  # cosine below which a filter does not respond
    teachers: tuple[int, ...] = ()  # numbers learned from each teacher; none: there are no taught features
    taught_width: int = 384  # numbers in each hidden layer between the fixed features and the taught ones
    dim: int = 40  # numbers in a vector
    n_reduced: int = 128  # dimensions that the listening head reads
    n_random: int = 0  # random features of the listening head; 0: not trained on listening
    listening_share: float = 0.15  # of the squared length of a vector; the rest encodes what sounds alike

    def __post_init__(self) -> None:
        for name in ("n_modulation_bands", "n_correlation_bands", "n_whitened", "n_filters", "n_regions", "dim"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.n_mels < max(self.patch_height, self.n_modulation_bands, self.n_correlation_bands, *FINE_WIDTHS):
            raise ValueError(f"n_mels must be at least patch_height and each number of bands, got {self.n_mels}")
        if min(self.patch_height, self.patch_width, *self.patch_stride) < 1:
            raise ValueError(
                f"patch must be at least 1 by 1, got {self.patch_height} by {self.patch_width}, every "
                f"{self.patch_stride}"
            )
        if self.frame_rate <= 0 or self.dynamic_range_db <= 0:
            raise ValueError(
                f"frame_rate and dynamic_range_db must be above 0, got {self.frame_rate} and {self.dynamic_range_db}"
            )

    @property
    def n_statistics(self) -> int:
        """Numbers that `segment_statistics` returns."""
        n_pairs = self.n_correlation_bands * (self.n_correlation_bands - 1) // 2
        n_rates = len(MODULATION_EDGES_HZ) - 1
        n_moments = 5 + len(PERCENTILES) + 3 * len(FINE_WIDTHS)
        return self.n_mels * n_moments + n_rates * self.n_modulation_bands + 2 * n_pairs

    @property
    def n_responses(self) -> int:
        """Numbers that `PatchFilters` returns: mean, peak and deviation of each filter in each region."""
        return 3 * self.n_filters * self.n_regions

    @property
    def n_fixed(self) -> int:
        """Numbers in the fixed features of a segment: statistics and responses of filters."""
        return self.n_statistics + self.n_responses

    @property
    def n_taught(self) -> int:
        """Numbers in its taught features."""
        return sum(self.teachers)

    @property
    def segment_dim(self) -> int:
        """Numbers in a segment embedding."""
        return self.n_fixed + self.n_taught


def relative_level(log_mel: Tensor, config: EncoderConfig) -> Tensor:
    """Lift the high bands, then measure each cell relative to the loudest of its track: gain has no effect.

    Parameters
    ----------
    log_mel : (n_tracks, n_segments, n_mels, n_frames)
        Natural logarithm of power.
    config
        Emphasis, and the dynamic range below which a cell counts as inaudible.

    Returns
    -------
    level : (n_tracks, n_segments, n_mels, n_frames)
        1 at the loudest cell, 0 where inaudible, linear in decibels between.
    """
    lift = torch.linspace(0.0, config.emphasis_db * DB, config.n_mels, device=log_mel.device, dtype=log_mel.dtype)
    lifted = log_mel + lift[:, None]
    loudest = lifted.amax(dim=(1, 2, 3), keepdim=True)
    floor = config.dynamic_range_db * DB
    return (lifted - loudest).div_(floor).add_(1.0).clamp_min_(0.0)


@cache
@torch.inference_mode(False)
def _window_means(n: int, size: int, stride: int, *, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Matrix that averages over a window of `size` at every `stride`: ((n - size) // stride + 1, n)."""
    return F.avg_pool1d(torch.eye(n, device=device, dtype=dtype), size, stride).T.contiguous()


MODULATION_EDGES_HZ = (0.3, 0.6, 1.0, 1.5, 2.0, 2.7, 3.5, 4.5, 6.0, 8.0, 11.0, 15.0, 21.0)
PERCENTILES = (0.1, 0.5, 0.9)  # of a band's level over the frames of a segment
FINE_WIDTHS = (3, 5, 9, 17)  # bands; what smoothing of this width removes is the fine structure: partials, formants
