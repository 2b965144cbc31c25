"""Fixed statistics of segments: level, texture, rhythm, and how the bands move together.

Differentiable, and written for the cache of a CPU: frames are the long axis, smoothing over bands is one matrix
product, and what depends on shapes only is computed once (outside of inference mode, so that training may use it too).

References
----------
K. Seyerlehner et al., Using block-level features for genre classification, tag classification and music similarity
    estimation, MIREX 2010: the choice of spectral, fluctuation and correlation patterns.
"""

from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from metric_learning.encoder_config import FINE_WIDTHS, MODULATION_EDGES_HZ, PERCENTILES

if TYPE_CHECKING:
    from metric_learning.encoder_config import EncoderConfig

SHORT_LAG, LONG_LAG = 2, 8  # frames, 46 ms and 186 ms at the default recipe
SLOW_FRAMES = 5  # frames, 0.12 s at the default recipe; fine structure that lasts this long is a held note
LEVEL_EPS = 0.016  # of the dynamic range, 1.3 dB: keeps the correlation of two silent bands near 0
POWER_EPS = 1e-5  # modulation power below which a band counts as constant
TINY = 1e-20  # squared deviation that counts as none


def segment_statistics(level: Tensor, config: "EncoderConfig") -> Tensor:
    """Describe segments by fixed statistics of their log-mel.

    Parameters
    ----------
    level : (n, n_mels, n_frames)
        From `metric_learning.encoder_config.relative_level`.
    config
        Number of bands, frame rate.

    Returns
    -------
    statistics : (n, n_statistics)
        Of each band: mean, deviation, percentiles, deviation and mean rise over a short lag, deviation over a long
        one; mean, deviation and slow deviation of the fine structure, by width; the modulation spectrum; the
        correlations of bands and of their changes.
    """
    frames = level.transpose(1, 2).contiguous()  # (n, n_frames, n_mels)
    short = frames[:, SHORT_LAG:] - frames[:, :-SHORT_LAG]
    long = frames[:, LONG_LAG:] - frames[:, :-LONG_LAG]
    moments = [frames.mean(1), _deviation(frames), *_percentiles(level)]
    moments += [_deviation(short), short.clamp_min(0.0).mean(1), _deviation(long)]
    bands = F.adaptive_avg_pool1d(frames, config.n_correlation_bands).transpose(1, 2)
    return torch.cat(
        [
            *moments,
            *(moment for width in FINE_WIDTHS for moment in _fine_structure(frames, width)),
            _modulation(frames, config),
            _correlations(bands),
            _correlations(bands[:, :, SHORT_LAG:] - bands[:, :, :-SHORT_LAG]),
        ],
        dim=1,
    )


def _deviation(frames: Tensor) -> Tensor:
    """Take standard deviations over time, (n, n_frames, n_bands) to (n, n_bands), in a tenth of ``Tensor.std``'s."""
    squares = (frames - frames.mean(1, keepdim=True)).square().sum(1) / (frames.shape[1] - 1)
    return squares.clamp_min(TINY).sqrt()  # clamped: the gradient of a square root at 0 is infinite


def _percentiles(level: Tensor) -> list[Tensor]:
    """Percentiles of each band: (n, n_mels) each."""
    if level.requires_grad or level.device.type != "cpu" or torch.compiler.is_exporting():
        ordered = level.sort(dim=2).values
    else:
        ordered = torch.from_numpy(np.sort(level.numpy(), axis=2))  # a fifth of the time of torch's
    return [ordered[:, :, round(share * (level.shape[2] - 1))] for share in PERCENTILES]


def _fine_structure(frames: Tensor, width: int) -> list[Tensor]:
    """How bands differ from their neighbourhood: mean, deviation, slow deviation; (n, n_mels) each."""
    fine = frames @ _standing_out(frames.shape[2], width, device=frames.device, dtype=frames.dtype)
    n_held = fine.shape[1] - SLOW_FRAMES + 1
    held = sum((fine[:, first : first + n_held] for first in range(1, SLOW_FRAMES)), fine[:, :n_held]) / SLOW_FRAMES
    return [fine.mean(1), _deviation(fine), _deviation(held)]


def _modulation(frames: Tensor, config: "EncoderConfig") -> Tensor:
    """Log power of the level's modulation, by band and by rate: (n, n_frames, n_mels) to (n, bands * rates)."""
    n_frames = frames.shape[1]
    bands = F.adaptive_avg_pool1d(frames, config.n_modulation_bands).transpose(1, 2)
    window, weights = _modulation_weights(n_frames, config.frame_rate, device=frames.device, dtype=frames.dtype)
    spectrum = torch.fft.rfft((bands - bands.mean(2, keepdim=True)) * window, dim=2)
    power = (spectrum.real.square() + spectrum.imag.square()) / n_frames
    return torch.log(power @ weights + POWER_EPS).flatten(1)


def _correlations(bands: Tensor) -> Tensor:
    """Correlation of every two bands over time: (n, n_bands, n_frames) to (n, n_bands * (n_bands - 1) / 2)."""
    centred = bands - bands.mean(2, keepdim=True)
    covariance = centred @ centred.transpose(1, 2) / bands.shape[2]
    deviation = torch.diagonal(covariance, dim1=1, dim2=2).sqrt() + LEVEL_EPS
    first, second = torch.triu_indices(bands.shape[1], bands.shape[1], 1, device=bands.device)
    return covariance[:, first, second] / (deviation[:, first] * deviation[:, second])


@cache
@torch.inference_mode(False)
def _standing_out(n: int, width: int, *, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Matrix that subtracts from each of n bands the mean of its neighbours, fewer at the edges: (n, n)."""
    own = torch.eye(n, device=device, dtype=dtype)
    return own - F.avg_pool1d(own, width, 1, width // 2, count_include_pad=False)


@cache
@torch.inference_mode(False)
def _modulation_weights(
    n_frames: int, frame_rate: float, *, device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Window over the frames (n_frames,), and weights that average its spectrum by rate (n_frames // 2 + 1, rates)."""
    rates_hz = torch.fft.rfftfreq(n_frames, 1.0 / frame_rate, device=device, dtype=dtype)
    weights = torch.stack([_inside(rates_hz, low, high) for low, high in pairwise(MODULATION_EDGES_HZ)], dim=1)
    return torch.hann_window(n_frames, device=device, dtype=dtype), weights


def _inside(rates_hz: Tensor, low_hz: float, high_hz: float) -> Tensor:
    """Weights that average what lies in [low, high), or take the nearest bin where nothing does."""
    inside = ((rates_hz >= low_hz) & (rates_hz < high_hz)).to(rates_hz.dtype)
    if not inside.any():
        inside[(rates_hz - low_hz).abs().argmin()] = 1.0
    return inside / inside.sum()
