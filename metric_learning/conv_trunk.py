"""Convolutional trunk: a small network over the log-mel of a segment, trained to say what larger networks say of it.

It learned from its teachers once, by regression (`tests/benchmarks/experiments/distillation`); none of their weights is
in it, and none is needed to run it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metric_learning.encoder_config import EncoderConfig

KERNELS = (8, 3, 3, 3)  # bands and frames that each convolution in turn sees
STRIDES = ((4, 4), (2, 2), (2, 1), (2, 1))  # bands, frames
TIME_KERNEL = 3  # frames of the last one, after four by four
TINY = 1e-6  # squared deviation over time; its root has a finite gradient there


class ConvTrunk(nn.Module):
    """Maps segments to what their teachers' features are expected to be.

    Strided convolutions with rectifiers, one convolution over time with all bands as its channels, and the mean, the
    maximum and the deviation over time, from which a linear layer predicts.

    Parameters
    ----------
    config
        Channels, width, numbers in the output.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        channels = (1, *config.trunk_channels)
        n_bands = config.n_mels
        self.convolutions = nn.ModuleList()
        for size, stride, n_in, n_out in zip(KERNELS, STRIDES, channels[:-1], channels[1:], strict=True):
            padding = (size - 1) // 2
            self.convolutions.append(nn.Conv2d(n_in, n_out, size, stride=stride, padding=padding))
            n_bands = (n_bands + 2 * padding - size) // stride[0] + 1
        n_curves = channels[-1] * n_bands
        self.over_time = nn.Conv1d(n_curves, config.trunk_width, TIME_KERNEL, padding=TIME_KERNEL // 2)
        self.predict = nn.Linear(3 * config.trunk_width, config.n_trunk)
        self.to(memory_format=torch.channels_last)

    def forward(self, level: Tensor) -> Tensor:
        """Describe segments.

        Parameters
        ----------
        level : (n, n_mels, n_frames)
            From `metric_learning.encoder_config.relative_level`.

        Returns
        -------
        expected : (n, n_trunk)
        """
        image = level.unsqueeze(1).contiguous(memory_format=torch.channels_last)
        for convolution in self.convolutions:
            image = F.relu(convolution(image))
        curves = F.relu(self.over_time(image.flatten(1, 2)))  # (n, trunk_width, n_frames)
        mean = curves.mean(2)
        deviation = ((curves - mean.unsqueeze(2)).square().mean(2) + TINY).sqrt()
        expected: Tensor = self.predict(torch.cat([mean, curves.amax(2), deviation], dim=1))
        return expected
