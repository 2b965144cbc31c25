"""A small made world of two parties: what a user likes follows two of the partner's numbers."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from metric_learning.federated.draws import PlayDraws
from metric_learning.federated.learner import embed
from metric_learning.federated.partner import PartnerTower
from metric_learning.federated.recipe import FederatedRecipe, FederatedTraining
from metric_learning.federated.two_tower import TwoTower
from metric_learning.play_log import DISLIKE, LIKE, PlayLog

DIM = 40


@dataclass(frozen=True, kw_only=True)
class SmallWorld:
    """Plays, vectors and a partner's features."""

    plays: PlayLog
    categories: NDArray[np.int64]
    vectors: torch.Tensor
    features: torch.Tensor  # of the users whom the partner knows
    row_at_partner: NDArray[np.int64]

    @property
    def recipe(self) -> FederatedRecipe:
        """Sizes of a small model."""
        return FederatedRecipe(n_tracks=len(self.vectors), categories=(3,), width=16, cut_dim=8)

    def draws(self) -> PlayDraws:
        """The plays, ready for drawing."""
        return PlayDraws(self.plays, len(self.categories), categories=self.categories, recipe=self.recipe)


def make_world(*, n_users: int = 60, n_tracks: int = 12, n_plays: int = 10, seed: int = 0) -> SmallWorld:
    """Make one; every third user is unknown to the partner."""
    rng = np.random.default_rng(seed)
    taste = rng.normal(size=(n_users, 2))
    vectors = rng.normal(size=(n_tracks, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    user = np.repeat(np.arange(n_users), n_plays)
    track = rng.integers(0, n_tracks, len(user))
    likes = (taste[user] * rng.normal(size=(n_tracks, 2))[track]).sum(1) > 0
    known = np.arange(n_users) % 3 > 0
    features = np.concatenate([taste, rng.normal(size=(n_users, 3))], 1)[known].astype(np.float32)
    return SmallWorld(
        plays=PlayLog(
            user=user,
            track=track,
            day=np.tile(np.arange(n_plays, dtype=np.float32), n_users),
            completion=np.where(likes, 0.9, 0.2).astype(np.float32),
            action=np.where(likes, LIKE, DISLIKE).astype(np.int8),
        ),
        categories=rng.integers(0, 3, (n_users, 1)),
        vectors=torch.from_numpy(vectors),
        features=torch.from_numpy(features),
        row_at_partner=np.where(known, np.cumsum(known) - 1, -1),
    )


def train_jointly(
    model: TwoTower,
    tower: PartnerTower,
    draws: PlayDraws,
    *,
    vectors: torch.Tensor,
    features: torch.Tensor,
    row_at_partner: NDArray[np.int64],
    training: FederatedTraining,
) -> None:
    """Train both halves as one network in one process: the slow twin of the split training."""
    tables = ("played.", "own.", "own_biases.")
    groups = [
        {"params": [p for n, p in model.named_parameters() if not n.startswith(tables)], "weight_decay": 1e-2},
        {"params": [p for n, p in model.named_parameters() if n.startswith(tables)], "weight_decay": 3e-2},
        {"params": list(tower.parameters()), "weight_decay": 1e-2},
    ]
    optimiser = torch.optim.AdamW(groups, lr=training.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, training.n_steps)
    rng = np.random.default_rng(training.seed)
    torch.manual_seed(training.seed)
    model.train()
    for users in draws.passes(batch_size=training.batch_size, n_steps=training.n_steps, rng=rng):
        step = draws.draw(users, n_targets=training.n_targets, n_tracks=len(vectors), n_unobserved=4096, rng=rng)
        rows = row_at_partner[users]
        crossed = tower(features[torch.from_numpy(rows[rows >= 0])])  # no cut: one graph
        told = embed(model, step.first, vectors, rows=rows, crossed=crossed)
        warm = bool(rng.random() < training.warm_share)
        optimiser.zero_grad()
        model.loss(told, vectors, step, training=training, warm=warm).backward()
        optimiser.step()
        schedule.step()
    model.eval()
