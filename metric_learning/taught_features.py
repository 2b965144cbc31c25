"""Taught features: what larger networks would say of a segment, as a small network expects it from the fixed features.

The network learned from its teachers once, by regression (`tests/benchmarks/experiments/distillation`); none of their
weights is in it, and none is needed to run it.

References
----------
G. Hinton, O. Vinyals, J. Dean, Distilling the knowledge in a neural network, 2015. A. Romero et al., FitNets: hints for
thin deep nets, ICLR 2015: regression to a teacher's features in place of its answers.
"""

import torch.nn.functional as F
from torch import Tensor, nn, ones, zeros

CLIP = 4.0  # standard deviations at which a fixed feature is clipped


class TaughtFeatures(nn.Module):
    """Maps the fixed features of segments to what the teachers' features are expected to be.

    Parameters
    ----------
    n_inputs
        Fixed features.
    width
        Numbers in each of two hidden layers.
    n_taught
        Numbers in the output.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, n_inputs: int, *, width: int, n_taught: int) -> None:
        super().__init__()
        self.register_buffer("mean", zeros(n_inputs))
        self.register_buffer("deviation", ones(n_inputs))
        self.read = nn.Linear(n_inputs, width)
        self.combine = nn.Linear(width, width)
        self.expect = nn.Linear(width, n_taught)

    def forward(self, fixed: Tensor) -> Tensor:
        """Describe segments, each alone: (n, n_inputs) to (n, n_taught)."""
        standard = ((fixed - self.mean) / self.deviation).clamp(-CLIP, CLIP)
        expected: Tensor = self.expect(F.gelu(self.combine(F.gelu(self.read(standard)))))
        return expected
