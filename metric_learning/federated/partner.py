"""The partner's half: a bottom network over its features of a user, and how it learns from what comes back."""

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from metric_learning.federated.guards import ACTIVATION_CLIP, blur
from metric_learning.federated.recipe import FederatedTraining, PartnerRecipe


class PartnerTower(nn.Module):
    """Maps the partner's features of a user to what crosses the cut.

    Parameters
    ----------
    recipe
        Sizes.
    """

    def __init__(self, recipe: PartnerRecipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.layers = nn.Sequential(
            nn.Linear(recipe.n_features, recipe.width), nn.ReLU(), nn.Linear(recipe.width, recipe.cut_dim)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Compute the activations at the cut: (batch, n_features) to (batch, cut_dim)."""
        activations: Tensor = self.layers(features)
        return activations


class PartnerSide(Protocol):
    """What our half needs of the partner, in this process or in another."""

    def activations(self, rows: NDArray[np.int64]) -> Tensor:
        """Compute (n, cut_dim) for aligned users, given by their rows (n,)."""

    def gradients(self, gradients: Tensor) -> None:
        """Learn from the gradients (n, cut_dim) of what was computed last."""


class PartnerLearner:
    """The partner's network with its features, as it runs in the partner's process.

    Parameters
    ----------
    features : (n_users, n_features)
        Of the aligned users, in the order of their rows; mean 0 and deviation 1.
    tower
        New, or trained before.
    training
        How; both parties must be given the same.
    """

    def __init__(self, features: Tensor, tower: PartnerTower, training: FederatedTraining) -> None:
        self.tower, self._features, self._noise = tower, features, training.noise_multiplier
        self._generator = torch.Generator().manual_seed(training.seed + 1)
        self._optimiser = torch.optim.AdamW(
            tower.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay
        )
        self._schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self._optimiser, training.n_steps)
        self._sent: Tensor | None = None

    def activations(self, rows: NDArray[np.int64]) -> Tensor:
        """Compute what our half reads, for the rows (n,) of aligned users: (n, cut_dim)."""
        sent: Tensor = self.tower(self._features[torch.from_numpy(rows)])
        if self._noise:
            sent = blur(sent, longest=ACTIVATION_CLIP, noise_multiplier=self._noise, generator=self._generator)
        self._sent = sent
        return sent.detach()

    def gradients(self, gradients: Tensor) -> None:
        """Take a step along the gradients (n, cut_dim) of what was sent last."""
        if self._sent is None:
            raise ValueError("gradients must follow the activations that they are of, got none")
        self._optimiser.zero_grad(set_to_none=True)
        self._sent.backward(gradients)  # type: ignore[no-untyped-call]
        self._optimiser.step()
        self._schedule.step()
        self._sent = None


def make_partner_tower(recipe: PartnerRecipe, *, seed: int) -> PartnerTower:
    """Create the partner's network, untrained; the same seed gives the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return PartnerTower(recipe)
