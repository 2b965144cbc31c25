"""Training on random walks: tracks that follow each other in a walk are drawn together, others are pushed apart."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metric_learning.csr_graph import CsrGraph, random_walks, walk_pairs
from metric_learning.losses import softmax_loss

Rows = NDArray[np.integer]
WALKS_TOGETHER = 1 << 14  # whose pairs are shuffled in memory


@dataclass(frozen=True, kw_only=True)
class WalkRecipe:
    """How pairs of tracks are drawn from a graph.

    Raises
    ------
    ValueError
        When a number is out of range, naming it.
    """

    n_walks: int = 90  # from each track, in each epoch
    n_steps: int = 1  # of a walk; where most tracks are neighbours, more steps only add noise
    window: int = 1  # steps between two tracks of a pair, at most
    n_epochs: int = 5
    batch: int = 4_096  # pairs in a step
    n_shared: int = 128  # negatives that the pairs of a step share
    ns_exponent: float = 0.75  # of a track's weight in the graph, by which negatives are drawn
    seed: int = 0  # of the walks, the negatives and the first weights

    def __post_init__(self) -> None:
        for name in ("n_walks", "n_steps", "window", "n_epochs", "batch", "n_shared"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True, eq=False)
class PairBatch:
    """Pairs of tracks, and negatives for all of them."""

    centres: Rows  # (batch,)
    contexts: Rows  # (batch,)
    negatives: Rows  # (n_shared,)

    @property
    def differ(self) -> Tensor:
        """Which negatives are neither the centre nor the context of a pair: (batch, n_shared)."""
        other = (self.centres[:, None] != self.negatives) & (self.contexts[:, None] != self.negatives)
        return torch.from_numpy(other)


def pair_batches(graph: CsrGraph, recipe: WalkRecipe) -> Iterator[PairBatch]:
    """Walk through a graph, and give the pairs of the walks in batches, shuffled among `WALKS_TOGETHER` walks.

    Parameters
    ----------
    graph
        Of tracks; memory holds 8 bytes for each, and the pairs of `WALKS_TOGETHER` walks.
    recipe
        How.

    Yields
    ------
    batch
        Of `n_epochs` rounds of `n_walks` walks from each track that has neighbours.

    References
    ----------
    T. Mikolov et al., Distributed representations of words and phrases and their compositionality, NIPS 2013, section
    2.2: negatives by a power of their frequency. H. Caselles-Dupré, F. Lesaint, J. Royo-Letelier, Word2vec applied to
    recommendation: hyperparameters matter, RecSys 2018: the power should be chosen.
    """
    rng = np.random.default_rng(recipe.seed)
    first = np.flatnonzero(graph.has_neighbours())
    weights = graph.weights_in().astype(np.float64)
    chances = np.cumsum(np.where(weights > 0, np.maximum(weights, 1.0) ** recipe.ns_exponent, 0.0))
    for _ in range(recipe.n_epochs * recipe.n_walks):
        order = rng.permutation(first)
        for start in range(0, len(order), WALKS_TOGETHER):
            walks = random_walks(graph, order[start : start + WALKS_TOGETHER], recipe.n_steps, rng)
            centres, contexts = walk_pairs(walks, recipe.window)
            shuffled = rng.permutation(len(centres))
            for begin in range(0, len(shuffled), recipe.batch):
                rows = shuffled[begin : begin + recipe.batch]
                drawn = np.searchsorted(chances, rng.random(recipe.n_shared) * chances[-1], side="right")
                yield PairBatch(centres=centres[rows], contexts=contexts[rows], negatives=drawn)


def train_encoder_on_walks(
    graph: CsrGraph,
    encode: Callable[[Rows], Tensor],
    move: Callable[[], None],
    *,
    recipe: WalkRecipe,
    temperature: float,
) -> None:
    """Train whatever turns rows of tracks into unit vectors, by a softmax over cosines.

    Parameters
    ----------
    graph
        Of tracks.
    encode
        Rows (n,), each once, to unit vectors (n, dim).
    move
        Moves the weights against their gradients, and clears these.
    recipe
        How pairs are drawn.
    temperature
        Cosines are divided by it.
    """
    for batch in pair_batches(graph, recipe):
        asked = np.concatenate([batch.centres, batch.contexts, batch.negatives])
        rows, places = np.unique(asked, return_inverse=True)
        vectors = encode(rows)
        n_pairs = len(batch.centres)
        centres, contexts, negatives = (
            vectors[torch.from_numpy(part)] for part in np.split(places, [n_pairs, 2 * n_pairs])
        )
        loss = softmax_loss(
            centres,
            contexts,
            negatives.expand(n_pairs, -1, -1),
            temperature=temperature,
            present=batch.differ,
        )
        loss.backward()  # type: ignore[no-untyped-call]
        move()
