"""Fusion head: a linear map from several vectors of a track to one, learned from which tracks are played together.

Parts are left out at random in training, so that a track that lacks some still has a good vector.

References
----------
J. Ngiam et al., Multimodal deep learning, ICML 2011, section 3.3: training with a modality set to zero now and then.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from metric_learning.csr_graph import CsrGraph
from metric_learning.row_blocks import BLOCK_ROWS
from metric_learning.walks import WalkRecipe, train_encoder_on_walks

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class FusionRecipe:
    """How a head is trained.

    Raises
    ------
    ValueError
        When a number is out of range, naming it.
    """

    dim: int = 40  # numbers in a fused vector
    learning_rate: float = 0.003
    temperature: float = 0.2  # cosines are divided by it
    part_dropout: float = 0.5  # how often a part is left out
    walks: WalkRecipe = field(default_factory=lambda: WalkRecipe(n_walks=60, n_epochs=3, batch=512))

    def __post_init__(self) -> None:
        if self.dim < 1:
            raise ValueError(f"dim must be at least 1, got {self.dim}")
        if not 0 <= self.part_dropout < 1:
            raise ValueError(f"part_dropout must be from 0 to below 1, got {self.part_dropout}")


def train_fusion_head(graph: CsrGraph, parts: Sequence[Floats], *, recipe: FusionRecipe) -> Floats:
    """Learn to fuse vectors, and fuse those of all tracks.

    Parameters
    ----------
    graph
        From each track to those that are played with it.
    parts
        Each (n_tracks, any), unit length; zeros where a track lacks one. They may be memory-mapped.
    recipe
        How.

    Returns
    -------
    vectors : (n_tracks, dim)
        Unit length; zeros for a track without any part.
    """
    chance = torch.Generator().manual_seed(recipe.walks.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.walks.seed)
        maps = nn.ModuleList(nn.Linear(part.shape[1], recipe.dim, bias=False) for part in parts)
    optimiser = torch.optim.Adam(maps.parameters(), lr=recipe.learning_rate)

    def encode(rows: NDArray[np.integer], dropout: float) -> Tensor:
        read = [torch.from_numpy(np.asarray(part[rows])) for part in parts]
        kept = torch.rand(len(rows), len(parts), generator=chance) >= dropout
        kept |= ~kept.any(1, keepdim=True)
        mapped = [one(part) * kept[:, [place]] for place, (one, part) in enumerate(zip(maps, read, strict=True))]
        return F.normalize(torch.stack(mapped).sum(0), dim=1)

    def move() -> None:
        optimiser.step()
        optimiser.zero_grad()

    train_encoder_on_walks(
        graph,
        lambda rows: encode(rows, recipe.part_dropout),
        move,
        recipe=recipe.walks,
        temperature=recipe.temperature,
    )
    with torch.no_grad():
        blocks = [
            np.arange(first, min(first + BLOCK_ROWS, graph.n_nodes)) for first in range(0, graph.n_nodes, BLOCK_ROWS)
        ]
        return np.concatenate([encode(rows, 0.0).numpy() for rows in blocks])
