"""Listening head: from a pooled embedding to the vector that users have for a track; its size is fixed.

It is a kernel machine of random Fourier features: a Gaussian kernel without its centres, so that it does not grow with
the tracks that it learned from. Its last layer is fitted to the vectors of warm tracks in closed form; all its weights
can then be trained further, by the gradient.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from metric_learning.principal_components import principal_components
from metric_learning.ridge_regression import ridge_weights

Floats = NDArray[np.float32]
SHARPNESS = 0.7  # of the Gaussian: over the median squared distance between known tracks
MEDIAN_ROWS = 2_048  # known tracks at most between which that median is taken


class ListeningHead(nn.Module):
    """Maps pooled embeddings to vectors by random Fourier features of their strongest directions.

    Parameters
    ----------
    n_inputs
        Numbers in the encoder's pooled embedding.
    n_reduced
        Numbers it is reduced to.
    n_random
        Random features.
    dim
        Numbers in a vector.

    References
    ----------
    A. Rahimi, B. Recht, Random features for large-scale kernel machines, NIPS 2007. F. X. Yu et al., Orthogonal random
    features, NIPS 2016: directions that are orthogonal approximate the kernel better.
    """

    def __init__(self, n_inputs: int, *, n_reduced: int, n_random: int, dim: int) -> None:
        super().__init__()
        self.reduce = nn.Linear(n_inputs, n_reduced, bias=False)
        self.turn = nn.Linear(n_reduced, n_random)
        self.weigh = nn.Linear(n_random, dim)

    def forward(self, pooled: Tensor) -> Tensor:
        """Map pooled embeddings, (n_tracks, n_inputs), standardised, to vectors of any length, (n_tracks, dim)."""
        vectors: Tensor = self.weigh(self.random_features(pooled))
        return vectors

    def random_features(self, pooled: Tensor) -> Tensor:
        """Compute the features: (n_tracks, n_inputs) to (n_tracks, n_random), whose inner products are the kernel."""
        features: Tensor = torch.cos(self.turn(self.reduce(pooled))) * (2 / self.turn.out_features) ** 0.5
        return features


def fit_listening_head(  # noqa: PLR0913  (what is known of the tracks, two sizes, a seed)
    pooled: Floats,
    target: Floats,
    *,
    artists: Sequence[str],
    n_reduced: int = 128,
    n_random: int = 1_024,
    seed: int = 0,
) -> ListeningHead:
    """Fit a head to warm tracks, in closed form, in time proportional to their number.

    Parameters
    ----------
    pooled : (n_tracks, n_inputs)
        Pooled embeddings of warm tracks, standardised; may be memory-mapped, and are read in blocks.
    target : (n_tracks, dim)
        The vectors that users have for these tracks, of mean 0.
    artists
        Of the tracks: the ridge is the one that predicts held-out artists best.
    n_reduced
        Directions of the inputs to keep, the strongest; where there are fewer, the rest are zero.
    n_random
        Random features.
    seed
        Of the features.

    Returns
    -------
    head
        Its vectors are comparable with users' vectors.
    """
    n_kept = min(n_reduced, len(pooled) - 1, pooled.shape[1])
    reduce = np.zeros((n_reduced, pooled.shape[1]), np.float32)
    reduce[:n_kept] = principal_components(pooled, n_kept).T
    head = ListeningHead(pooled.shape[1], n_reduced=n_reduced, n_random=n_random, dim=target.shape[1])
    scale = np.sqrt(2 * SHARPNESS / _median_squared_distance(pooled, reduce))
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        head.reduce.weight.copy_(torch.from_numpy(reduce * scale))
        head.turn.weight.copy_(torch.from_numpy(orthogonal_directions(n_random, n_reduced, rng)))
        head.turn.bias.copy_(torch.from_numpy(rng.uniform(0, 2 * np.pi, n_random)))

    def features(rows: NDArray[np.int64]) -> NDArray[np.float64]:
        with torch.inference_mode():
            return head.random_features(torch.from_numpy(np.asarray(pooled[rows]))).double().numpy()

    weights = ridge_weights(features, target, artists)
    with torch.no_grad():
        head.weigh.weight.copy_(torch.from_numpy(weights.T))
        head.weigh.bias.zero_()
    return head


def orthogonal_directions(n: int, dim: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw normal directions, (n, dim), orthogonal to each other in blocks of dim."""
    blocks = []
    for _ in range(-(-n // dim)):
        directions = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
        blocks.append(directions * np.sqrt(rng.chisquare(dim, dim))[:, None])
    return np.concatenate(blocks)[:n]


def _median_squared_distance(pooled: Floats, reduce: Floats) -> float:
    """Take the median over pairs of some tracks, evenly spread over all."""
    rows = np.unique(np.linspace(0, len(pooled) - 1, MEDIAN_ROWS).astype(np.int64))
    points = torch.from_numpy(np.asarray(pooled[rows]) @ reduce.T)
    distances = torch.pdist(points)
    apart = distances[distances > 0]
    return float(apart.median().square()) if len(apart) else 1.0
