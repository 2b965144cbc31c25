"""The user tower: a listener's plays and demographics in, one unit vector out. No table of users.

Each play brings the learned vector of its track; a small network reads how it went (the action, the share heard, how
long ago) and says what the play claims (a yes or a no, how strong) and how far to trust it. The claims are pooled by
ridge regression in closed form, so that twenty plays of one kind do not shout down two of another; a residual network
adds demographics. A listener who was not there in training gets a vector in the same way.

References
----------
P. Covington, J. Adams, E. Sargin, Deep neural networks for YouTube recommendations, RecSys 2016: the shape of the
tower, sampled softmax over what was played. Y. Hu, Y. Koren, C. Volinsky, Collaborative filtering for implicit feedback
datasets, ICDM 2008, eq. 4: the pooling, which is one half-step of their alternating least squares. L. Bertinetto et
al., Meta-learning with differentiable closed-form solvers, ICLR 2019: learning through it.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from metric_learning.play_log import ACTIONS, PlayLog

HALF_LIFE_DAYS = 30.0  # days after which a play counts as half as recent
N_FEATURES = len(ACTIONS) + 3  # of a play: the action, the share heard, whether that is known, how recent
PLAIN_CLAIM = (0.0, 1.0, -1.0, -1.0, 0.5, 0.0, 0.0)  # by feature: what a play says before anything is learned


@dataclass(frozen=True, kw_only=True)
class UserRecipe:
    """The sizes of a user tower.

    Raises
    ------
    ValueError
        When a size is below 1, naming it.
    """

    n_tracks: int  # warm tracks, each with a learned vector
    categories: tuple[int, ...] = ()  # number of values of each demographic column
    dim: int = 40  # of the user's vector
    category_dim: int = 8  # of the vector of a demographic value
    width: int = 128  # of the residual network
    max_plays: int = 256  # plays of one user that are read, the latest
    dropout: float = 0.2  # share of the residual network's inputs that is dropped in training

    def __post_init__(self) -> None:
        for name in ("n_tracks", "dim", "category_dim", "width", "max_plays"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class UserBatch:
    """The plays of some users, padded to one length."""

    track: Tensor  # (batch, length) row of the track; n_tracks where there is no play
    features: Tensor  # (batch, length, N_FEATURES) how each play went
    present: Tensor  # (batch, length) False where there is no play
    categories: Tensor  # (batch, n_columns) demographic values

    def without(self, hidden: Tensor) -> "UserBatch":
        """Hide some plays, as if they had not happened yet."""
        present = self.present & ~hidden
        return UserBatch(track=self.track, features=self.features, present=present, categories=self.categories)


class UserTower(nn.Module):
    """Plays and demographics to a unit vector.

    Parameters
    ----------
    recipe
        Sizes.
    """

    subspace: Tensor

    def __init__(self, recipe: UserRecipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.played = nn.Embedding(recipe.n_tracks + 1, recipe.dim, padding_idx=recipe.n_tracks)
        self.offered = nn.Embedding(recipe.n_tracks, recipe.dim)
        self.offered_bias = nn.Embedding(recipe.n_tracks, 1)
        self.read_play = nn.Sequential(nn.Linear(N_FEATURES, 16), nn.SiLU(), nn.Linear(16, 2))
        self.plain_claim = nn.Parameter(torch.tensor(PLAIN_CLAIM))
        self.log_ridge = nn.Parameter(torch.tensor(0.0))
        self.category_tables = nn.ModuleList(nn.Embedding(size, recipe.category_dim) for size in recipe.categories)
        inputs = 2 * recipe.dim + recipe.category_dim * len(recipe.categories) + 1
        self.residual = nn.Sequential(
            nn.Dropout(recipe.dropout),
            nn.Linear(inputs, recipe.width),
            nn.SiLU(),
            nn.Linear(recipe.width, recipe.dim),
        )
        self.log_temperature = nn.Parameter(torch.tensor(-1.5))
        self.register_buffer("subspace", torch.eye(recipe.dim))  # directions in which tracks differ for listeners
        nn.init.normal_(self.offered.weight, std=0.3)
        nn.init.zeros_(self.offered_bias.weight)
        with torch.no_grad():
            self.played.weight[:-1] = self.offered.weight

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
        vectors = self.played(plays.track)
        claim, log_trust = self.read_play(plays.features).unbind(-1)
        claim = claim + plays.features @ self.plain_claim
        trust = torch.exp(log_trust.clamp(-4, 4)) * plays.present
        pooled = self.pool(vectors, claim, trust)
        mean = (trust.unsqueeze(-1) * vectors).sum(1) / trust.sum(1, keepdim=True).clamp(min=1e-3)
        columns = [table(plays.categories[:, i]) for i, table in enumerate(self.category_tables)]
        n_plays = torch.log1p(plays.present.sum(1, keepdim=True).float())
        residual: Tensor = self.residual(torch.cat([F.normalize(pooled, dim=-1), mean, *columns, n_plays / 5], dim=-1))
        return F.normalize((F.normalize(pooled, dim=-1) + residual) @ self.subspace, dim=-1)

    def pool(self, vectors: Tensor, claim: Tensor, trust: Tensor) -> Tensor:
        """Find the vector whose inner products with the tracks played come nearest to what the plays claim.

        Parameters
        ----------
        vectors : (batch, length, dim)
            Of the tracks played.
        claim, trust : (batch, length)
            What each play says and how far it is trusted, 0 where there is no play.

        Returns
        -------
        pooled : (batch, dim)
            ``(sum trust v v' + ridge I)^-1 sum trust claim v``.
        """
        weighted = trust.unsqueeze(-1) * vectors
        gram = weighted.transpose(1, 2) @ vectors
        ridge = self.log_ridge.exp() * torch.eye(vectors.shape[-1], device=vectors.device, dtype=vectors.dtype)
        told = (weighted * claim.unsqueeze(-1)).sum(1)
        pooled: Tensor = torch.linalg.solve(gram + ridge, told)
        return pooled

    def logits(self, user: Tensor, tracks: Tensor | None = None) -> Tensor:
        """Say how likely users are to take to warm tracks.

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
        return user @ vectors.T / self.log_temperature.exp() + bias.squeeze(-1)

    def logits_of(self, user: Tensor, tracks: Tensor) -> Tensor:
        """Say how likely each user is to take to tracks of their own.

        Parameters
        ----------
        user : (batch, dim)
            Unit vectors.
        tracks : (batch, length)
            Rows of tracks; what stands where there is no play may be anything.

        Returns
        -------
        logits : (batch, length)
        """
        tracks = tracks.clamp(max=self.recipe.n_tracks - 1)
        similarity = torch.einsum("bd,bld->bl", user, self.offered(tracks))
        bias: Tensor = self.offered_bias(tracks).squeeze(-1)
        return similarity / self.log_temperature.exp() + bias


class PlayTable:
    """The plays of all users, ready to be cut into batches.

    Parameters
    ----------
    plays
        The log, in order of time.
    n_users
        How many users there are; one without a play is fine.
    recipe
        Of the tower that reads them.
    categories : (n_users, n_columns)
        Demographic values, each from 0; None where there are none.
    """

    def __init__(
        self, plays: PlayLog, n_users: int, *, recipe: UserRecipe, categories: NDArray[np.int64] | None = None
    ) -> None:
        order = np.argsort(plays.user, kind="stable")
        self.recipe = recipe
        self.plays = plays.where(order)
        self.end = np.searchsorted(self.plays.user, np.arange(n_users), side="right")
        self.count = np.minimum(np.bincount(plays.user, minlength=n_users), recipe.max_plays)
        self.features = play_features(self.plays)
        self.signal = self.plays.signal()
        empty = np.zeros((n_users, 0), np.int64)
        self.categories = empty if categories is None else categories

    def batch(self, users: NDArray[np.int64]) -> tuple[UserBatch, Tensor]:
        """Cut out some users.

        Parameters
        ----------
        users : (batch,)
            Their rows.

        Returns
        -------
        plays
            Padded to the longest.
        signal : (batch, length)
            What each play tells of taste, 0 where there is none.
        """
        count = self.count[users]
        back = np.arange(max(1, count.max()))[None, :]
        present = back < count[:, None]
        row = np.where(present, self.end[users][:, None] - 1 - back, 0)
        batch = UserBatch(
            track=torch.from_numpy(np.where(present, self.plays.track[row], self.recipe.n_tracks)),
            features=torch.from_numpy(self.features[row]),
            present=torch.from_numpy(present),
            categories=torch.from_numpy(self.categories[users]),
        )
        return batch, torch.from_numpy(np.where(present, self.signal[row], 0).astype(np.float32))


def play_features(plays: PlayLog) -> NDArray[np.float32]:
    """Describe how each play went.

    Parameters
    ----------
    plays
        The log.

    Returns
    -------
    features : (n_plays, N_FEATURES)
        The action as one of four; share heard, from -1 to 1, and whether it is known; how recent, 1 for the last day.
    """
    action = np.eye(len(ACTIONS), dtype=np.float32)[plays.action]
    known = ~np.isnan(plays.completion)
    heard = np.where(known, 2 * plays.completion - 1, 0)
    age = plays.day.max(initial=0) - plays.day
    recent = np.exp2(-age / HALF_LIFE_DAYS)
    return np.concatenate([action, np.stack([heard, known, recent], 1)], 1).astype(np.float32)


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
    starts = range(0, len(table.end), batch_size)
    everyone = np.arange(len(table.end))
    vectors = [tower(table.batch(everyone[start : start + batch_size])[0]) for start in starts]
    tower.train(training)
    return np.asarray(torch.cat(vectors).numpy())
