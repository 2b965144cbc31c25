"""EGES: vectors of tracks from random walks, each a weighted mean of what is known of the track.

A track has a vector of its own (which only plays can teach), one for the value of each of its categories, and one that
a linear layer makes of its audio vector. How much each of them counts is learned, track by track. For a track that
nobody has played its own vector is left out, and the rest count as they do for tracks on average.

References
----------
J. Wang et al., Billion-scale commodity embedding for e-commerce recommendation in Alibaba, KDD 2018, section 2.4:
enhanced graph embedding with side information, eq. 6 and algorithm 2. Changed: what counts how much is a value that all
tracks share plus one of the track's own, so that a new track has weights too; and a track's own vector is left out now
and then in training (M. Volkovs, G. Yu, T. Poutanen, DropoutNet, NIPS 2017), so that the rest learn to do without it.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from metric_learning.csr_graph import CsrGraph
from metric_learning.lazy_adam import LazyAdam
from metric_learning.row_blocks import BLOCK_ROWS
from metric_learning.side_information import FIRST_LENGTH, CategoryVectors, SideInformation
from metric_learning.walks import PairBatch, WalkRecipe, pair_batches

Floats = NDArray[np.float32]
N_TORCH_SEED = 1  # what the seed of the walks is moved by for the first weights and for dropout


@dataclass(frozen=True, kw_only=True)
class EgesRecipe:
    """How EGES is trained.

    Raises
    ------
    ValueError
        When a number is out of range, naming it.
    """

    dim: int = 40  # numbers in a vector
    n_negatives: float = 1.0  # weight of the negatives of a pair, which the pairs of a batch share
    learning_rate: float = 0.01
    id_dropout: float = 0.3  # how often a track's own vector is left out
    side_dropout: float = 0.3  # how often each of the others is
    walks: WalkRecipe = field(default_factory=lambda: WalkRecipe(batch=512))

    def __post_init__(self) -> None:
        if self.dim < 1:
            raise ValueError(f"dim must be at least 1, got {self.dim}")
        for name in ("id_dropout", "side_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be from 0 to below 1, got {getattr(self, name)}")


class Eges:
    """The tables and weights of EGES.

    Parameters
    ----------
    side
        What is known of the tracks.
    recipe
        Sizes and rates.
    """

    def __init__(self, side: SideInformation, recipe: EgesRecipe) -> None:
        self.side, self.recipe = side, recipe
        self._chance = torch.Generator().manual_seed(recipe.walks.seed + N_TORCH_SEED)
        n_tracks, rate = len(side), recipe.learning_rate
        own = FIRST_LENGTH * torch.randn(n_tracks, recipe.dim, generator=self._chance) / recipe.dim**0.5
        self.by_track = LazyAdam([own, torch.zeros(n_tracks, 1 + side.n_sources)], learning_rate=rate)
        self.contexts = LazyAdam([torch.zeros(n_tracks, recipe.dim)], learning_rate=rate)
        self.categories = CategoryVectors(side.n_codes, recipe.dim, learning_rate=rate, generator=self._chance)
        self.of_audio = FIRST_LENGTH * torch.randn(side.audio.shape[1], recipe.dim, generator=self._chance)
        self.attention = torch.zeros(1 + side.n_sources)
        shared = [self.of_audio.requires_grad_(), self.attention.requires_grad_()]
        self._shared = torch.optim.Adam(shared, lr=rate)

    def step(self, batch: PairBatch) -> None:
        """Learn from some pairs."""
        rows, place = np.unique(batch.centres, return_inverse=True)
        asked, context_place = np.unique(np.concatenate([batch.contexts, batch.negatives]), return_inverse=True)
        of_tracks, of_contexts = torch.from_numpy(rows.astype(np.int64)), torch.from_numpy(asked.astype(np.int64))
        own, attention = self.by_track.read(of_tracks)
        (outputs,) = self.contexts.read(of_contexts)
        centres = self._mixed(rows, own, attention, kept=self._kept(len(rows)))[torch.from_numpy(place)]
        places = torch.from_numpy(context_place)
        contexts, negatives = outputs[places[: len(centres)]], outputs[places[len(centres) :]]
        apart = F.softplus(centres @ negatives.T) * batch.differ
        loss = F.softplus(-(centres * contexts).sum(1)).mean() + self.recipe.n_negatives * apart.mean()
        loss.backward()  # type: ignore[no-untyped-call]
        self.by_track.step(of_tracks, [own, attention])
        self.contexts.step(of_contexts, [outputs])
        self.categories.step()
        self._shared.step()
        self._shared.zero_grad()

    @torch.no_grad()
    def vectors(self, rows: NDArray[np.integer], *, has_own: NDArray[np.bool_]) -> Floats:
        """Compute vectors of tracks.

        Parameters
        ----------
        rows, has_own : (n,)
            The tracks, and whether their own vectors count: not where no walk has taught them.

        Returns
        -------
        vectors : (n, dim)
            Unit length; zeros where nothing is known of a track.
        """
        own, attention = (table[torch.from_numpy(rows)] for table in self.by_track.tables)
        kept = torch.ones(len(rows), 1 + self.side.n_sources, dtype=torch.bool)
        kept[:, 0] = torch.from_numpy(has_own)
        return F.normalize(self._mixed(rows, own, attention, kept=kept), dim=1).numpy()

    def _kept(self, n: int) -> Tensor:
        """Draw which sources of n tracks are left out in a step: (n, 1 + n_sources)."""
        rates = torch.full((n, 1 + self.side.n_sources), self.recipe.side_dropout)
        rates[:, 0] = self.recipe.id_dropout
        return torch.rand(rates.shape, generator=self._chance) >= rates

    def _mixed(self, rows: NDArray[np.integer], own: Tensor, attention: Tensor, *, kept: Tensor) -> Tensor:
        """Weigh what is known of tracks, and is kept: (n, dim); zeros where that is nothing."""
        codes, audio = self.side.of(rows)
        sources, known = [own[:, None], self.categories.read(codes)], [torch.ones(len(rows), 1) > 0, codes >= 0]
        if audio.shape[1]:
            sources.append((audio @ self.of_audio)[:, None])
            known.append(audio.any(1, keepdim=True))
        present = torch.cat(known, 1) & kept
        weights = (self.attention + attention).masked_fill(~present, -torch.inf)
        weights = torch.where(present.any(1, keepdim=True), weights, 0.0).softmax(1) * present
        return (weights[..., None] * torch.cat(sources, 1)).sum(1)


def train_eges(graph: CsrGraph, side: SideInformation, *, recipe: EgesRecipe) -> Eges:
    """Train EGES on the transitions between tracks.

    Parameters
    ----------
    graph
        From each track to those that were played after it.
    side
        What is known of the tracks.
    recipe
        How.

    Returns
    -------
    model
        Whose side information lacks the values of categories that no track of the graph has.
    """
    model = Eges(side.as_known_from(_in_graph(graph)), recipe)
    for batch in pair_batches(graph, recipe.walks):
        model.step(batch)
    return model


def eges_vectors(graph: CsrGraph, model: Eges) -> Floats:
    """Compute the vectors of all tracks, (n_tracks, dim), unit length; zeros where nothing is known of one."""
    has_own = _in_graph(graph)
    blocks = [np.arange(start, min(start + BLOCK_ROWS, len(has_own))) for start in range(0, len(has_own), BLOCK_ROWS)]
    return np.concatenate([model.vectors(rows, has_own=has_own[rows]) for rows in blocks])


def _in_graph(graph: CsrGraph) -> NDArray[np.bool_]:
    """Tell which tracks are part of a transition: (n_tracks,)."""
    return np.asarray(graph.has_neighbours() | (graph.weights_in() > 0))
