"""Noise at the cut: against reading labels from gradients, and for differential privacy.

References
----------
O. Li et al., Label leakage and protection in two-party split learning, ICLR 2022: section 4.1 (max-norm), section 4.2
and theorem 3 (Marvell). C. Dwork, A. Roth, The algorithmic foundations of differential privacy, 2014, appendix A: the
Gaussian mechanism.
"""

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from metric_learning.federated.recipe import FederatedTraining

ACTIVATION_CLIP = 2.0  # longest row of activations under differential privacy: about the median without it
GRADIENT_CLIP = 0.1  # … of a user's gradient, before the mean over the batch
TINY = 1e-12


def guarded(gradients: Tensor, is_positive: Tensor, training: FederatedTraining, generator: torch.Generator) -> Tensor:
    """Protect the gradients that the partner is to see, as the hyperparameters have it.

    Parameters
    ----------
    gradients : (n, cut_dim)
        One row a user.
    is_positive : (n,)
        The label that the rows must not tell.
    training
        Says which guard, and how much noise.
    generator
        Of the noise.

    Returns
    -------
    gradients : (n, cut_dim)
    """
    if training.guard == "max-norm":
        gradients = max_norm(gradients, generator=generator)
    elif training.guard == "marvell":
        gradients = marvell(gradients, is_positive, power=training.guard_power, generator=generator)
    if training.noise_multiplier:
        longest = GRADIENT_CLIP / len(gradients)  # the loss is a mean over the batch
        gradients = blur(gradients, longest=longest, noise_multiplier=training.noise_multiplier, generator=generator)
    return gradients


def max_norm(gradients: Tensor, *, generator: torch.Generator) -> Tensor:
    """Stretch each row at random along itself, so that all are expected to be as long as the longest.

    Returns
    -------
    gradients : (n, cut_dim)
        ``g (1 + sqrt(max |g|^2 / |g|^2 - 1) e)``, e standard normal.
    """
    squared = gradients.square().sum(1, keepdim=True).clamp(min=TINY)
    spread = (squared.max() / squared - 1).clamp(min=0).sqrt()
    stretched: Tensor = gradients * (1 + spread * torch.randn(len(gradients), 1, generator=generator))
    return stretched


def marvell(gradients: Tensor, is_positive: Tensor, *, power: float, generator: torch.Generator) -> Tensor:
    """Add the Gaussian noise that makes the rows of the two labels hardest to tell apart for its power.

    Parameters
    ----------
    gradients : (n, cut_dim)
        One row an example.
    is_positive : (n,)
        Its label.
    power
        Mean squared length of the noise, relative to the squared distance of the two mean rows.
    generator
        Of the noise.

    Returns
    -------
    gradients : (n, cut_dim)
        As they were if only one label is there.
    """
    positive, negative = gradients[is_positive], gradients[~is_positive]
    if not len(positive) or not len(negative):
        return gradients
    between = positive.mean(0) - negative.mean(0)
    along, across = _noise_powers(positive, negative, between, power=power)
    direction = between / between.norm().clamp(min=TINY)
    noise = torch.randn(gradients.shape, generator=generator)
    on_line = (noise @ direction).unsqueeze(1) * direction
    label = is_positive.long()
    added: Tensor = along[label].unsqueeze(1) * on_line + across[label].unsqueeze(1) * (noise - on_line)
    return gradients + added


def _noise_powers(positive: Tensor, negative: Tensor, between: Tensor, *, power: float) -> tuple[Tensor, Tensor]:
    """Solve theorem 3: deviations along the line between the means and across it, of negatives and of positives.

    The sum of both Kullback-Leibler divergences is minimised over four variances with SciPy, in units of the squared
    distance of the means.
    """
    unit = max(float(between.square().sum()), TINY)
    dim = positive.shape[1]
    own = [float((rows - rows.mean(0)).square().sum(1).mean()) / dim / unit for rows in (negative, positive)]
    share = len(positive) / (len(positive) + len(negative))
    weights = np.array([1 - share, (1 - share) * (dim - 1), share, share * (dim - 1)])

    def divergence(noise: np.ndarray) -> float:
        (along0, across0), (along1, across1) = (noise[2 * i : 2 * i + 2] + own[i] + TINY for i in (0, 1))
        spread = (dim - 1) * (across0 / across1 + across1 / across0)
        return float(spread + (along0 + 1) / along1 + (along1 + 1) / along0)

    found = minimize(
        divergence,
        np.full(4, power / weights.sum()),
        method="SLSQP",
        bounds=[(0, None)] * 4,
        constraints=[{"type": "ineq", "fun": lambda noise: power - weights @ noise}],
    ).x.clip(min=0)
    deviations = torch.from_numpy(np.sqrt(found * unit)).float()
    return deviations[[0, 2]], deviations[[1, 3]]


def blur(rows: Tensor, *, longest: float, noise_multiplier: float, generator: torch.Generator) -> Tensor:
    """Make rows differentially private: clip each, and add Gaussian noise to each number.

    Parameters
    ----------
    rows : (n, dim)
        One a user.
    longest
        The clip: rows that are longer are shortened to it.
    noise_multiplier
        Deviation of the noise, relative to the clip.
    generator
        Of the noise.

    Returns
    -------
    rows : (n, dim)
    """
    clipped = rows * (longest / rows.norm(dim=1, keepdim=True).clamp(min=longest))
    blurred: Tensor = clipped + noise_multiplier * longest * torch.randn(rows.shape, generator=generator)
    return blurred
