"""Fixed statistics of segments: level, texture, rhythm, and how the bands move together.

Differentiable, and written for a CPU: frames are the long axis and lie side by side in memory, sums over bands are
products of matrices, and what depends on shapes only is computed once (outside of inference mode, so that training may
use it too).

References
----------
K. Seyerlehner et al., Using block-level features for genre classification, tag classification and music similarity
    estimation, MIREX 2010: the choice of spectral, fluctuation and correlation patterns.
"""

import math
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
REACH = max(FINE_WIDTHS) // 2 * 2  # steps from band to band inside the widest neighbourhood


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
    level = level.contiguous()
    mean = level.mean(2)
    centred = level - mean.unsqueeze(2)
    short = level[:, :, SHORT_LAG:] - level[:, :, :-SHORT_LAG]
    long = level[:, :, LONG_LAG:] - level[:, :, :-LONG_LAG]
    moments = [mean, _deviation(centred), *_percentiles(level)]
    moments += [_deviation(_centred(short)), short.clamp_min(0.0).mean(2), _deviation(_centred(long))]
    n_bands = (config.n_modulation_bands, config.n_correlation_bands)
    averages = _band_means(config.n_mels, n_bands, device=level.device, dtype=level.dtype) @ level
    few, bands = averages[:, : n_bands[0]], averages[:, n_bands[0] :]
    return torch.cat(
        [
            *moments,
            _fine_structure(mean, centred),
            _modulation(few, config),
            _correlations(bands),
            _correlations(bands[:, :, SHORT_LAG:] - bands[:, :, :-SHORT_LAG]),
        ],
        dim=1,
    )


def _centred(level: Tensor) -> Tensor:
    return level - level.mean(2, keepdim=True)


def _deviation(centred: Tensor) -> Tensor:
    """Take standard deviations over time, (n, n_bands, n_frames) to (n, n_bands), in a tenth of ``Tensor.std``'s."""
    lengths: Tensor = torch.linalg.vector_norm(centred, dim=2)
    return (lengths / math.sqrt(centred.shape[2] - 1)).clamp_min(math.sqrt(TINY))


def _percentiles(level: Tensor) -> list[Tensor]:
    """Percentiles of each band: (n, n_mels) each."""
    if level.requires_grad or level.device.type != "cpu" or torch.compiler.is_exporting():
        ordered = level.sort(dim=2).values
    else:
        ordered = torch.from_numpy(np.sort(level.numpy(), axis=2))  # a fifth of the time of torch's
    return [ordered[:, :, round(share * (level.shape[2] - 1))] for share in PERCENTILES]


def _fine_structure(mean: Tensor, centred: Tensor) -> Tensor:
    """How bands differ from their neighbourhood: mean, deviation, slow deviation, by width; (n, widths * 3 * n_mels).

    The difference is a sum of steps from band to band, so its variance is a sum of covariances of near steps: two
    products of matrices for all widths. (From the covariances of the bands it would be lost in rounding.)
    """
    n_mels, device, dtype = centred.shape[1], centred.device, centred.dtype
    steps = centred[:, 1:] - centred[:, :-1]
    n_held = steps.shape[2] - SLOW_FRAMES + 1
    held = steps[:, :, :n_held] + steps[:, :, 1 : n_held + 1]
    for first in range(2, SLOW_FRAMES):
        held += steps[:, :, first : first + n_held]
    near = torch.stack([_near_covariances(steps), _near_covariances(_centred(held) / SLOW_FRAMES)])
    variances = near @ _variance_weights(n_mels, device=device, dtype=dtype)
    deviations = variances.clamp_min(TINY).sqrt()  # clamped: the gradient of a square root at 0 is infinite
    means = mean @ torch.cat([_standing_out(n_mels, width, device=device, dtype=dtype) for width in FINE_WIDTHS], dim=1)
    moments = (means, deviations[0], deviations[1])
    return torch.stack([moment.view(-1, len(FINE_WIDTHS), n_mels) for moment in moments], dim=2).flatten(1)


def _near_covariances(steps: Tensor) -> Tensor:
    """Covariance over time of each centred step with itself and those above: to (n, n_steps * REACH)."""
    n_steps = steps.shape[1]
    n_skewed = n_steps + REACH + 1  # a row one longer than those of the matrix: its diagonals become columns
    products = F.pad(steps @ steps.transpose(1, 2), (0, REACH, 0, 1)).flatten(1)[:, : n_steps * n_skewed]
    return products.view(-1, n_steps, n_skewed)[:, :, :REACH].flatten(1) / (steps.shape[2] - 1)


def _modulation(bands: Tensor, config: "EncoderConfig") -> Tensor:
    """Log power of the level's modulation, by band and by rate: (n, n_bands, n_frames) to (n, bands * rates)."""
    n_frames = bands.shape[2]
    window, weights = _modulation_weights(n_frames, config.frame_rate, device=bands.device, dtype=bands.dtype)
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
def _band_means(n_mels: int, n_bands: tuple[int, ...], *, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Matrix that averages neighbouring bands, to each number of wider ones: (sum(n_bands), n_mels)."""
    own = torch.eye(n_mels, device=device, dtype=dtype)
    return torch.cat([F.adaptive_avg_pool1d(own, n) for n in n_bands], dim=1).T.contiguous()


@cache
@torch.inference_mode(False)
def _variance_weights(n_mels: int, *, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Weights of `_near_covariances` in the variance of fine structure: ((n_mels - 1) * REACH, widths * n_mels)."""
    wide = [_standing_out(n_mels, width, device=torch.device("cpu"), dtype=torch.float64) for width in FINE_WIDTHS]
    of_steps = -torch.cat(wide, dim=1).cumsum(0)[:-1].to(dtype)  # how much of each step is in the difference
    above = F.pad(of_steps, (0, 0, 0, REACH - 1)).unfold(0, REACH, 1).transpose(1, 2)
    weights = torch.mul(of_steps.unsqueeze(1), above, out=torch.empty(above.shape, dtype=dtype))
    weights[:, 1:] *= 2.0  # a product of two different steps stands twice in a square
    return weights.flatten(0, 1).to(device)


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
