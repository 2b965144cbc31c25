"""The user tower: a network from a user's plays and demographics to one unit vector, without a table of users.

Each play contributes the learned vector of its track. A small network reads how the play went (the action, the share
played, how long ago) and estimates what it claims (a yes or a no, how strong) and how far to trust it. The claims are
pooled by ridge regression in closed form, so that twenty plays of one kind do not drown out two of another; a residual
network adds demographics. A user who was not in the training set gets a vector in the same way.

References
----------
P. Covington, J. Adams, E. Sargin, Deep neural networks for YouTube recommendations, RecSys 2016: the shape of the
tower, sampled softmax over what was played. Y. Hu, Y. Koren, C. Volinsky, Collaborative filtering for implicit feedback
datasets, ICDM 2008, eq. 4: the pooling, which is one half-step of their alternating least squares. L. Bertinetto et
al., Meta-learning with differentiable closed-form solvers, ICLR 2019: learning through it.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from metric_learning.play_table import N_FEATURES, PlayTable, UserBatch
from metric_learning.user_recipe import UserRecipe

FIRST_DEVIATION = 0.3  # of the numbers in the vectors of tracks, before training
LEANING = 0.5  # deviation of what is known of tracks before training, relative to that
PLAIN_CLAIM = (0.0, 1.0, -1.0, -1.0, 0.5, 0.0, 0.0)  # by feature: the claim of a play before training


class UserTower(nn.Module):
    """Maps plays and demographics to a unit vector.

    Parameters
    ----------
    recipe
        Sizes.
    """

    def __init__(self, recipe: UserRecipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.played = nn.Embedding(recipe.n_tracks + 1, recipe.dim, padding_idx=recipe.n_tracks)
        self.offered = nn.Embedding(recipe.n_tracks, recipe.dim)
        self.offered_bias = nn.Embedding(recipe.n_tracks, 1)
        self.read_play = nn.Sequential(nn.Linear(N_FEATURES, 16), nn.SiLU(), nn.Linear(16, 2))
        self.plain_claim = nn.Parameter(torch.tensor(PLAIN_CLAIM))
        self.log_ridge = nn.Parameter(torch.tensor(0.0))
        self.category_tables = nn.ModuleList(
            nn.Embedding(column.n_numbers, recipe.category_dim) for column in recipe.columns
        )
        inputs = 2 * recipe.dim + recipe.category_dim * len(recipe.columns) + 1
        self.residual = nn.Sequential(
            nn.Dropout(recipe.dropout),
            nn.Linear(inputs, recipe.width),
            nn.SiLU(),
            nn.Linear(recipe.width, recipe.dim),
        )
        self.log_temperature = nn.Parameter(torch.tensor(-1.5))
        nn.init.normal_(self.offered.weight, std=FIRST_DEVIATION)
        nn.init.zeros_(self.offered_bias.weight)
        with torch.no_grad():
            self.played.weight[:-1] = self.offered.weight

    @torch.no_grad()
    def start_from(self, tracks: NDArray[np.floating], *, ridge: float) -> None:
        """Initialise from a factorisation: every user then gets the result of one half-step of it, at unit length.

        This holds where each play is of a different track, has no action, and has a known share played; likes and
        repeated plays are weighted by the tower's own defaults until training (`PLAIN_CLAIM`).

        Parameters
        ----------
        tracks : (n_tracks, dim)
            Vectors of tracks, as `tests.benchmarks.experiments.implicit_factors` computes them.
        ridge
            On the squared length of a user's vector.
        """
        vectors = torch.from_numpy(np.asarray(tracks, np.float32))
        self.offered.weight.copy_(vectors)
        self.played.weight[:-1] = vectors
        for layer in (self.read_play[-1], self.residual[-1]):
            for parameter in layer.parameters():
                parameter.zero_()
        self.log_ridge.fill_(np.log(ridge))

    @torch.no_grad()
    def lean_towards(self, vectors: NDArray[np.floating]) -> None:
        """Add what is known of tracks before training to their random vectors.

        Parameters
        ----------
        vectors : (n_tracks, at most dim)
            Added at half the deviation of the random ones: alone, they would make a worse start than none
            (docs/experiments/training_scale.md). Zeros change nothing.
        """
        deviation = vectors.std()
        if deviation > 0:
            known = np.asarray(vectors * (LEANING * FIRST_DEVIATION / deviation), np.float32)
            self.offered.weight[:, : vectors.shape[1]] += torch.from_numpy(known)
            self.played.weight[:-1] = self.offered.weight

    def track_tables(self) -> tuple[Tensor, Tensor, Tensor]:
        """Give the tables of which each track has a row.

        Returns
        -------
        played : (n_tracks + 1, dim)
            Vectors that speak for whoever played the track; the last is that of no track.
        offered, offered_bias : (n_tracks, dim), (n_tracks, 1)
            What the vectors of users are compared with, and how likely anyone is to respond.
        """
        return self.played.weight, self.offered.weight, self.offered_bias.weight

    def forward(self, plays: UserBatch) -> Tensor:
        """Embed users.

        Parameters
        ----------
        plays
            Their plays.

        Returns
        -------
        user : (batch, dim)
            Unit vectors.
        """
        return self.embed(plays, self.played(plays.track))

    def embed(self, plays: UserBatch, vectors: Tensor) -> Tensor:
        """Embed users from the vectors of the tracks that they played.

        Parameters
        ----------
        plays
            Their plays; which tracks these are of is not read.
        vectors : (batch, length, dim)
            Of the tracks played; anything where there is no play.

        Returns
        -------
        user : (batch, dim)
            Unit vectors.
        """
        claim, log_trust = self.read_play(plays.features).unbind(-1)
        claim = claim + plays.features @ self.plain_claim
        trust = torch.exp(log_trust.clamp(-4, 4)) * plays.present
        pooled = self.pool(vectors, claim, trust)
        mean = _weighted_sum(trust, vectors) / trust.sum(1, keepdim=True).clamp(min=1e-3)
        columns = [table(plays.categories[:, i]) for i, table in enumerate(self.category_tables)]
        n_plays = torch.log1p(plays.present.sum(1, keepdim=True).float())
        residual: Tensor = self.residual(torch.cat([F.normalize(pooled, dim=-1), mean, *columns, n_plays / 5], dim=-1))
        return F.normalize(F.normalize(pooled, dim=-1) + residual, dim=-1)

    def pool(self, vectors: Tensor, claim: Tensor, trust: Tensor) -> Tensor:
        """Find the vector whose inner products with the tracks played best fit the plays' claims.

        Parameters
        ----------
        vectors : (batch, length, dim)
            Of the tracks played.
        claim, trust : (batch, length)
            The claim of each play and how far it is trusted, 0 where there is no play.

        Returns
        -------
        pooled : (batch, dim)
            ``(sum trust v v' + unobserved_weight sum over all tracks v v' + ridge I)^-1 sum trust claim v``.
        """
        gram = (trust.unsqueeze(-1) * vectors).transpose(1, 2) @ vectors
        if self.recipe.unobserved_weight:
            everything = self.played.weight.detach()  # of all tracks: a step of training learns from its own
            gram = gram + self.recipe.unobserved_weight * everything.T @ everything
        ridge = self.log_ridge.exp() * torch.eye(vectors.shape[-1], device=vectors.device, dtype=vectors.dtype)
        pooled: Tensor = torch.linalg.solve(gram + ridge, _weighted_sum(trust * claim, vectors))
        return pooled

    def logits(self, user: Tensor, tracks: Tensor | None = None) -> Tensor:
        """Score how likely users are to respond to warm tracks.

        Parameters
        ----------
        user : (batch, dim)
            Unit vectors.
        tracks : (n,)
            Rows of tracks; None: all of them.

        Returns
        -------
        logits : (batch, n)
        """
        vectors = self.offered.weight if tracks is None else self.offered(tracks)
        bias = self.offered_bias.weight if tracks is None else self.offered_bias(tracks)
        return self.logits_with(user, vectors, bias)

    def logits_of(self, user: Tensor, tracks: Tensor) -> Tensor:
        """Score how likely each user is to respond to their own list of tracks.

        Parameters
        ----------
        user : (batch, dim)
            Unit vectors.
        tracks : (batch, length)
            Rows of tracks; entries without a play are ignored.

        Returns
        -------
        logits : (batch, length)
        """
        tracks = tracks.clamp(max=self.recipe.n_tracks - 1)
        return self.logits_with(user, self.offered(tracks), self.offered_bias(tracks))

    def logits_with(self, user: Tensor, vectors: Tensor, bias: Tensor) -> Tensor:
        """Score how likely users are to respond to tracks, given the vectors under which these are offered.

        Parameters
        ----------
        user : (batch, dim)
            Unit vectors.
        vectors : (n, dim) or (batch, n, dim)
            Of the same tracks for all users, or of each user's own.
        bias : (n, 1) or (batch, n, 1)
            Likewise.

        Returns
        -------
        logits : (batch, n)
        """
        similarity = user @ vectors.T if vectors.dim() == 2 else (vectors @ user.unsqueeze(-1)).squeeze(-1)
        return similarity / self.log_temperature.exp() + bias.squeeze(-1)


def _weighted_sum(weight: Tensor, vectors: Tensor) -> Tensor:
    """Add up vectors of each user, weighted: (batch, length) and (batch, length, dim) to (batch, dim)."""
    return (weight.unsqueeze(1) @ vectors).squeeze(1)


@torch.inference_mode()
def embed_users(tower: UserTower, table: PlayTable, *, batch_size: int = 512) -> NDArray[np.float32]:
    """Embed every user of a table.

    Parameters
    ----------
    tower
        In any mode; left as it was.
    table
        Plays of users, in training or not.
    batch_size
        Users at a time.

    Returns
    -------
    users : (n_users, dim)
        Unit vectors.
    """
    training = tower.training
    tower.eval()
    users = np.empty((len(table.end), tower.recipe.dim), np.float32)
    by_count = np.argsort(table.count, kind="stable")  # a batch is as long as its longest
    for start in range(0, len(by_count), batch_size):
        rows = by_count[start : start + batch_size]
        users[rows] = tower(table.batch(rows)[0]).numpy()
    tower.train(training)
    return users
