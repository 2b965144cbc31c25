"""GraphSAGE: vectors of tracks from what is known of them and of the tracks that are played with them.

Each layer adds up a linear map of a track's own features and one of the mean of its neighbours', drawn at random by the
weights of the edges. There is no vector of a track's own: a track without neighbours has one by its features alone. In
training tracks lose all their neighbours now and then, as if nobody had played them.

References
----------
W. Hamilton, R. Ying, J. Leskovec, Inductive representation learning on large graphs, NIPS 2017, algorithm 1 with the
mean aggregator, and the loss of section 3.2 on walks; as a softmax over cosines here, as in R. Ying et al., Graph
convolutional neural networks for web-scale recommender systems, KDD 2018.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from metric_learning.csr_graph import NOBODY, CsrGraph, sample_hops
from metric_learning.row_blocks import BLOCK_ROWS
from metric_learning.side_information import CategoryVectors, SideInformation
from metric_learning.walks import WalkRecipe, train_encoder_on_walks

Floats = NDArray[np.float32]
Hops = list[NDArray[np.integer]]


@dataclass(frozen=True, kw_only=True)
class SageRecipe:
    """How GraphSAGE is trained.

    Raises
    ------
    ValueError
        When a number is out of range, naming it.
    """

    dim: int = 40  # numbers in a vector
    width: int = 64  # numbers between the layers
    fanouts: tuple[int, ...] = (8, 4)  # neighbours that are drawn of a track, and of each of these; a layer each
    learning_rate: float = 0.005
    temperature: float = 0.2  # cosines are divided by it
    side_dropout: float = 0.3  # how often each category, and the audio, is left out
    neighbour_dropout: float = 0.3  # how often all neighbours are
    walks: WalkRecipe = field(default_factory=lambda: WalkRecipe(n_walks=60, n_epochs=3, batch=512))

    def __post_init__(self) -> None:
        if not self.fanouts or min(self.fanouts) < 1 or self.dim < 1 or self.width < 1:
            raise ValueError(f"fanouts, dim and width must be at least 1, got {self.fanouts}, {self.dim}, {self.width}")
        for name in ("side_dropout", "neighbour_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be from 0 to below 1, got {getattr(self, name)}")


class SageLayer(nn.Module):
    """A linear map of a node's features, added to one of its neighbours' mean."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.of_own = nn.Linear(n_in, n_out, bias=False)
        self.of_neighbours = nn.Linear(n_in, n_out)

    def forward(self, own: Tensor, neighbours: Tensor, present: Tensor) -> Tensor:
        """Map features own (..., n_in) and neighbours (..., k, n_in), of which some are present (..., k)."""
        shown = present.to(own.dtype)
        mean = (neighbours * shown[..., None]).sum(-2) / shown.sum(-1, keepdim=True).clamp(min=1.0)
        mapped: Tensor = self.of_own(own) + self.of_neighbours(mean)
        return mapped


class GraphSage(nn.Module):
    """The layers of GraphSAGE, from the features of nodes to unit vectors.

    Parameters
    ----------
    n_audio
        Numbers in an audio vector; may be 0.
    recipe
        Sizes.
    """

    def __init__(self, n_audio: int, recipe: SageRecipe) -> None:
        super().__init__()
        self.of_audio = nn.Linear(n_audio, recipe.width, bias=False) if n_audio else None
        n_layers = len(recipe.fanouts)
        self.layers = nn.ModuleList(
            SageLayer(recipe.width, recipe.dim if layer == n_layers - 1 else recipe.width) for layer in range(n_layers)
        )

    def forward(self, features: Sequence[Tensor], present: Sequence[Tensor]) -> Tensor:
        """Embed nodes.

        Parameters
        ----------
        features
            Of the nodes (n, width), of their neighbours (n, k, width), of theirs (n, k, k', width), and so on: one
            more than there are layers.
        present
            Which of them there are: (n,), (n, k), and so on.

        Returns
        -------
        vectors : (n, dim)
            Unit length.
        """
        hidden = list(features)
        for number, layer in enumerate(self.layers):
            hidden = [layer(own, next_, there) for own, next_, there in zip(hidden, hidden[1:], present[1:])]  # noqa: B905  (the last hop is used up)
            if number < len(self.layers) - 1:
                hidden = [F.relu(each) for each in hidden]
        return F.normalize(hidden[0], dim=-1)


class SageEncoder:
    """GraphSAGE on one graph, with the vectors of categories and the source of chance.

    Parameters
    ----------
    graph
        From each track to those that are played with it.
    side
        What is known of the tracks.
    recipe
        How.
    """

    def __init__(self, graph: CsrGraph, side: SideInformation, recipe: SageRecipe) -> None:
        self.graph, self.side, self.recipe = graph, side, recipe
        self._chance = torch.Generator().manual_seed(recipe.walks.seed + 1)
        self._rng = np.random.default_rng([recipe.walks.seed, 1])
        rate = recipe.learning_rate
        self.categories = CategoryVectors(side.n_codes, recipe.width, learning_rate=rate, generator=self._chance)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.walks.seed)
            self.network = GraphSage(side.audio.shape[1], recipe)
        self._optimiser = torch.optim.Adam(self.network.parameters(), lr=rate)

    def train(self) -> None:
        """Learn from the walks of the graph."""
        recipe = self.recipe
        train_encoder_on_walks(
            self.graph, self._encode_in_training, self._move, recipe=recipe.walks, temperature=recipe.temperature
        )

    @torch.no_grad()
    def vectors(self) -> Floats:
        """Compute the vectors of all tracks: (n_tracks, dim), unit length; zeros where nothing is known of one."""
        found = []
        for start in range(0, len(self.side), BLOCK_ROWS):
            rows = np.arange(start, min(start + BLOCK_ROWS, len(self.side)))
            hops = sample_hops(
                self.graph, rows, self.recipe.fanouts, np.random.default_rng([self.recipe.walks.seed, start])
            )
            is_known = self.side.has_some()[rows] | (hops[1] >= 0).any(1)
            found.append(self._embed(hops, dropout=0.0).numpy() * is_known[:, None])
        return np.concatenate(found).astype(np.float32)

    def _encode_in_training(self, rows: NDArray[np.integer]) -> Tensor:
        """Embed tracks, some of which lose their neighbours, and some of these their categories or audio."""
        hops = sample_hops(self.graph, rows, self.recipe.fanouts, self._rng)
        alone = self._rng.random(len(rows)) < self.recipe.neighbour_dropout
        for hop in hops[1:]:
            hop[alone] = NOBODY
        return self._embed(hops, dropout=self.recipe.side_dropout)

    def _move(self) -> None:
        """Move all weights against their gradients."""
        self._optimiser.step()
        self._optimiser.zero_grad()
        self.categories.step()

    def _embed(self, hops: Hops, *, dropout: float) -> Tensor:
        """Embed tracks from their sampled neighbours: features are looked up once for each track among them."""
        asked, places = np.unique(np.concatenate([hop.ravel() for hop in hops]), return_inverse=True)
        features = self._features(np.maximum(asked, 0), dropout=dropout)
        shared = torch.from_numpy(places)
        parts = torch.split(shared, [hop.size for hop in hops])
        of_hops = [features[part].reshape(*hop.shape, -1) for part, hop in zip(parts, hops, strict=True)]
        embedded: Tensor = self.network(of_hops, [torch.from_numpy(hop >= 0) for hop in hops])
        return embedded

    def _features(self, rows: NDArray[np.integer], *, dropout: float) -> Tensor:
        """Add up what is known of tracks: (n, width)."""
        codes, audio = self.side.of(rows)
        kept = torch.rand(len(rows), self.side.n_sources, generator=self._chance) >= dropout
        codes = torch.where(kept[:, : codes.shape[1]], codes, -1)
        features = self.categories.read(codes).sum(1)
        if self.network.of_audio is not None:
            features = features + self.network.of_audio(audio) * kept[:, -1:]
        return features


def train_graph_sage(graph: CsrGraph, side: SideInformation, *, recipe: SageRecipe) -> Floats:
    """Train GraphSAGE, and compute the vectors of all tracks.

    Parameters
    ----------
    graph
        From each track to those that are played with it.
    side
        What is known of the tracks.
    recipe
        How.

    Returns
    -------
    vectors : (n_tracks, dim)
        Unit length; zeros where nothing is known of a track.
    """
    encoder = SageEncoder(graph, side.as_known_from(graph.has_neighbours()), recipe)
    encoder.train()
    return encoder.vectors()
