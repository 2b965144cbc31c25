"""Multi-task heads: several tasks share experts, and a gate of each task weighs them.

References
----------
J. Ma et al., Modeling task relationships in multi-task learning with multi-gate mixture-of-experts, KDD 2018, eqs. 6
and 7: MMoE. H. Tang et al., Progressive layered extraction (PLE), RecSys 2020, section 4.1: experts of one task beside
shared ones (customised gate control, one level).
"""

import torch
from torch import Tensor, nn

from metric_learning.federated.recipe import FederatedRecipe


class MultiGateMixture(nn.Module):
    """MMoE: every task weighs all experts by a gate of its own.

    Parameters
    ----------
    n_inputs
        Numbers that the experts read.
    n_tasks, n_experts
        How many.
    width
        Of an expert.
    """

    def __init__(self, n_inputs: int, *, n_tasks: int, n_experts: int, width: int) -> None:
        super().__init__()
        self.experts = nn.ModuleList(_expert(n_inputs, width) for _ in range(n_experts))
        self.gates = nn.ModuleList(nn.Linear(n_inputs, n_experts) for _ in range(n_tasks))

    def forward(self, inputs: Tensor) -> Tensor:
        """Mix the experts for each task: (batch, n_inputs) to (batch, n_tasks, width)."""
        said = torch.stack([expert(inputs) for expert in self.experts], 1)
        return torch.stack([_mix(gate(inputs), said) for gate in self.gates], 1)


class ExtractedMixture(nn.Module):
    """PLE, one level: a task weighs its own expert and the shared ones, never those of other tasks.

    Parameters
    ----------
    n_inputs, n_tasks, width
        As `MultiGateMixture`.
    n_shared
        Shared experts.
    """

    def __init__(self, n_inputs: int, *, n_tasks: int, n_shared: int, width: int) -> None:
        super().__init__()
        self.own = nn.ModuleList(_expert(n_inputs, width) for _ in range(n_tasks))
        self.shared = nn.ModuleList(_expert(n_inputs, width) for _ in range(n_shared))
        self.gates = nn.ModuleList(nn.Linear(n_inputs, 1 + n_shared) for _ in range(n_tasks))

    def forward(self, inputs: Tensor) -> Tensor:
        """Mix the experts for each task: (batch, n_inputs) to (batch, n_tasks, width)."""
        shared = [expert(inputs) for expert in self.shared]
        return torch.stack(
            [
                _mix(gate(inputs), torch.stack([own(inputs), *shared], 1))
                for own, gate in zip(self.own, self.gates, strict=True)
            ],
            1,
        )


def make_head(recipe: FederatedRecipe, *, n_inputs: int, n_tasks: int) -> MultiGateMixture | ExtractedMixture:
    """Create the head of a recipe, untrained."""
    if recipe.head == "mmoe":
        return MultiGateMixture(n_inputs, n_tasks=n_tasks, n_experts=recipe.n_experts, width=recipe.width)
    n_shared = max(1, recipe.n_experts - n_tasks)
    return ExtractedMixture(n_inputs, n_tasks=n_tasks, n_shared=n_shared, width=recipe.width)


def _expert(n_inputs: int, width: int) -> nn.Sequential:
    """Create one expert."""
    return nn.Sequential(nn.Linear(n_inputs, width), nn.ReLU())


def _mix(gate: Tensor, experts: Tensor) -> Tensor:
    """Weigh experts: (batch, n_experts) and (batch, n_experts, width) to (batch, width)."""
    return (torch.softmax(gate, 1).unsqueeze(1) @ experts).squeeze(1)
