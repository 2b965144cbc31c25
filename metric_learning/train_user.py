"""Training of the user tower: hide some of a user's plays, then predict them.

In every step a share of each user's plays is hidden. The tower sees the others, and its vector must (1) rank the hidden
tracks that the user responded to above all other warm tracks, by sampled softmax, and (2) rank each hidden track that
was liked above those that were disliked or skipped. A tenth of the users is held out for early stopping.
"""

import copy
import logging
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from metric_learning.play_table import PlayTable
from metric_learning.user import UserTower

logger = logging.getLogger(__name__)

PATIENCE = 10  # epochs without a better loss on the held-out users before training stops


@dataclass(frozen=True, kw_only=True)
class UserTraining:
    """The hyperparameters of user tower training."""

    max_epochs: int = 60  # over the users
    batch_size: int = 256  # users
    learning_rate: float = 5e-3
    weight_decay: float = 1e-4
    hidden_share: float = 0.4  # of each user's plays, in every step
    n_unobserved: int = 4096  # random tracks in the softmax; all tracks if there are no more than this
    opinion_weight: float = 1.0  # weight of separating liked from rejected, relative to the softmax over warm tracks
    seed: int = 0


def train_user_tower(tower: UserTower, table: PlayTable, *, training: UserTraining | None = None) -> float:
    """Train a user tower in place; the state with the best loss on held-out users is kept.

    Parameters
    ----------
    tower
        New, or trained before.
    table
        Plays of warm tracks.
    training
        Hyperparameters.

    Returns
    -------
    loss
        The best on the held-out users.

    References
    ----------
    P. Covington, J. Adams, E. Sargin, Deep neural networks for YouTube recommendations, RecSys 2016, section 3: sampled
    softmax. Hiding at random instead of the next play, as in D. Liang et al., Variational autoencoders for
    collaborative filtering, WWW 2018, section 3.
    """
    training = training or UserTraining()
    rng = np.random.default_rng(training.seed)
    users = rng.permutation(np.flatnonzero(table.count >= 2))
    held, users = users[: len(users) // 10], users[len(users) // 10 :]
    torch.manual_seed(training.seed)
    optimiser = torch.optim.AdamW(tower.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay)
    best, best_state, since = np.inf, copy.deepcopy(tower.state_dict()), 0
    for n_epochs in range(training.max_epochs):
        tower.train()
        rng.shuffle(users)
        for start in range(0, len(users), training.batch_size):
            loss = _hidden_loss(tower, table, users[start : start + training.batch_size], training=training, rng=rng)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        found = _held_loss(tower, table, held, training)
        logger.info("pass %d: loss %.4f on %d held-out users", n_epochs, found, len(held))
        best, best_state, since = (
            (found, copy.deepcopy(tower.state_dict()), 0) if found < best else (best, best_state, since + 1)
        )
        if since >= PATIENCE:
            break
    tower.load_state_dict(best_state)
    tower.eval()
    return float(best)


def _hidden_loss(
    tower: UserTower, table: PlayTable, users: NDArray[np.int64], *, training: UserTraining, rng: np.random.Generator
) -> Tensor:
    """Hide some plays of some users, and compute the loss of predicting them."""
    plays, signal = table.batch(users)
    hidden = plays.present & torch.from_numpy(rng.random(signal.shape) < training.hidden_share)
    user = tower(plays.without(hidden))
    own = tower.logits_of(user, plays.track)
    n_tracks = tower.recipe.n_tracks
    sample = (
        torch.from_numpy(rng.integers(0, n_tracks, training.n_unobserved)) if n_tracks > training.n_unobserved else None
    )
    taken = torch.where(hidden, signal.clamp(min=0), 0.0)
    warm = _warm_loss(tower.logits(user, sample), own, taken=taken, n_tracks=n_tracks)
    return warm + training.opinion_weight * _opinion_loss(own, signal, hidden)


def _warm_loss(logits: Tensor, own: Tensor, *, taken: Tensor, n_tracks: int) -> Tensor:
    """Predict the hidden tracks with a positive signal, by a softmax over all warm tracks or a random part of them."""
    against = torch.logsumexp(logits, dim=-1, keepdim=True)
    if logits.shape[-1] < n_tracks:  # each sampled track represents several, and the target itself is not among them
        against = torch.logaddexp(own, against + np.log(n_tracks / logits.shape[-1]))
    return ((against - own) * taken).sum() / taken.sum().clamp(min=1.0)


def _opinion_loss(own: Tensor, signal: Tensor, hidden: Tensor) -> Tensor:
    """Rank each hidden track that was liked above all the user's hidden ones that were rejected."""
    liked, rejected = hidden & (signal >= 1), hidden & (signal <= -1)
    against = torch.logsumexp(own.masked_fill(~rejected, -1e4), dim=-1, keepdim=True)
    comparable = liked & rejected.any(1, keepdim=True)
    return torch.where(comparable, F.softplus(against - own), 0.0).sum() / comparable.sum().clamp(min=1)


@torch.no_grad()
def _held_loss(tower: UserTower, table: PlayTable, held: NDArray[np.int64], training: UserTraining) -> float:
    """Measure the loss on the held-out users, each time with the same plays hidden."""
    tower.eval()
    rng = np.random.default_rng(training.seed)
    batches = [held[start : start + training.batch_size] for start in range(0, len(held), training.batch_size)]
    losses = [float(_hidden_loss(tower, table, users, training=training, rng=rng)) for users in batches]
    return float(np.mean(losses)) if losses else 0.0
