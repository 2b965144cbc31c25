"""Ranking networks, DeepFM and DCN-V2: from the fields of an example to the log-odds of a like.

A field is a category (such as an id), a number or a vector. Row 0 of every embedding table means "unknown"; it is
trained on rows whose id was masked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from audio_engine.ranking.config import RankerConfig

INITIAL_STD = 0.03  # of embeddings


@dataclass(frozen=True, kw_only=True)
class FieldSizes:
    """Number of fields of each kind in an example."""

    categories: tuple[int, ...]  # number of values of each, including "unknown"
    n_numbers: int
    n_vectors: int
    vector_dim: int


@dataclass(frozen=True, kw_only=True)
class Fields:
    """Examples, ready for a network."""

    categories: Tensor  # (n, n_categories) rows of the tables, 0 if unknown
    numbers: Tensor  # (n, n_numbers) of mean 0 and deviation 1
    vectors: Tensor  # (n, n_vectors, vector_dim) zeros if there is none

    def __len__(self) -> int:
        return len(self.categories)

    def rows(self, rows: Tensor | slice) -> "Fields":
        """Select some of the examples."""
        return Fields(categories=self.categories[rows], numbers=self.numbers[rows], vectors=self.vectors[rows])


class DeepFM(nn.Module):
    """A factorisation machine and a deep network over the same field embeddings, summed.

    A vector is a field like any other: a learned matrix maps it to the embeddings' size, so that the inner product of
    the user's and the track's field is a learned bilinear form of the two.

    Parameters
    ----------
    sizes
        Of the fields.
    config
        Of the network.

    References
    ----------
    H. Guo et al., DeepFM: a factorization-machine based neural network for CTR prediction, IJCAI 2017, eqs. 1 to 4.
    """

    def __init__(self, sizes: FieldSizes, config: RankerConfig) -> None:
        super().__init__()
        self.tables = _tables(sizes.categories, config.dim)
        self.numbers = nn.Parameter(INITIAL_STD * torch.randn(sizes.n_numbers, config.dim))
        self.vectors = nn.ModuleList(
            nn.Linear(sizes.vector_dim, config.dim, bias=False) for _ in range(sizes.n_vectors)
        )
        self.first_tables = _tables(sizes.categories, 1)
        self.first = nn.Linear(sizes.n_numbers + sizes.n_vectors * sizes.vector_dim, 1)
        n_fields = len(sizes.categories) + sizes.n_numbers + sizes.n_vectors
        self.deep = _deep(n_fields * config.dim, config)
        self.last = nn.Linear(_deep_width(n_fields * config.dim, config), 1, bias=False)

    def forward(self, fields: Fields) -> Tensor:
        """Compute the log-odds: (n,)."""
        embedded = torch.cat(
            [
                _look_up(self.tables, fields.categories),
                fields.numbers.unsqueeze(-1) * self.numbers,
                *(layer(fields.vectors[:, [i]]) for i, layer in enumerate(self.vectors)),
            ],
            dim=1,
        )  # (n, n_fields, dim)
        pairs = 0.5 * (embedded.sum(1).square() - embedded.square().sum(1)).sum(1)
        first = _look_up(self.first_tables, fields.categories).sum((1, 2))
        first = first + self.first(torch.cat([fields.numbers, fields.vectors.flatten(1)], dim=1)).squeeze(1)
        logits: Tensor = first + pairs + self.last(self.deep(embedded.flatten(1))).squeeze(1)
        return logits


class DeepCross(nn.Module):
    """DCN-V2: cross layers with full matrices beside a deep network, both over the concatenated fields.

    Parameters
    ----------
    sizes
        Of the fields.
    config
        Of the network.

    References
    ----------
    R. Wang et al., DCN V2: improved deep & cross network, WWW 2021, eq. 1 and the parallel structure of section 3.4.
    """

    def __init__(self, sizes: FieldSizes, config: RankerConfig) -> None:
        super().__init__()
        self.tables = _tables(sizes.categories, config.dim)
        width = len(sizes.categories) * config.dim + sizes.n_numbers + sizes.n_vectors * sizes.vector_dim
        self.cross = nn.ModuleList(nn.Linear(width, width) for _ in range(config.n_cross))
        self.deep = _deep(width, config)
        self.last = nn.Linear(width + _deep_width(width, config), 1)

    def forward(self, fields: Fields) -> Tensor:
        """Compute the log-odds: (n,)."""
        embedded = _look_up(self.tables, fields.categories).flatten(1)
        start = torch.cat([embedded, fields.numbers, fields.vectors.flatten(1)], dim=1)
        crossed = start
        for layer in self.cross:
            crossed = start * layer(crossed) + crossed
        logits: Tensor = self.last(torch.cat([crossed, self.deep(start)], dim=1)).squeeze(1)
        return logits


def make_network(sizes: FieldSizes, config: RankerConfig) -> DeepFM | DeepCross:
    """Create the network of a config, untrained."""
    return DeepFM(sizes, config) if config.network == "deepfm" else DeepCross(sizes, config)


def _tables(sizes: Sequence[int], dim: int) -> nn.ModuleList:
    """Create one embedding table per category."""
    tables = [nn.Embedding(size, dim) for size in sizes]
    for table in tables:
        nn.init.normal_(table.weight, std=INITIAL_STD)
    return nn.ModuleList(tables)


def _look_up(tables: nn.ModuleList, categories: Tensor) -> Tensor:
    """Embed categories: (n, n_categories) to (n, n_categories, dim)."""
    return torch.stack([table(categories[:, i]) for i, table in enumerate(tables)], dim=1)


def _deep(width: int, config: RankerConfig) -> nn.Sequential:
    """Create the hidden layers."""
    layers: list[nn.Module] = []
    for i in range(config.n_hidden):
        layers += [nn.Linear(config.width if i else width, config.width), nn.ReLU(), nn.Dropout(config.dropout)]
    return nn.Sequential(*layers)


def _deep_width(width: int, config: RankerConfig) -> int:
    """Return the output width of the hidden layers."""
    return config.width if config.n_hidden else width
