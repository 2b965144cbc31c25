"""Training of the user tower: hide some of a user's plays, then predict them.

In every step a share of each user's plays is hidden. The tower sees the others, and its vector must (1) rank the hidden
tracks that the user responded to above all other warm tracks, by sampled softmax, and (2) rank each hidden track that
was liked above those that were disliked or skipped. A tenth of the users, not more than `N_HELD`, is held out for early
stopping. A step reads and writes the vectors of its own tracks only, so that a pass costs what its plays cost.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from metric_learning.play_table import PlayTable
from metric_learning.time_left import TimeLeft
from metric_learning.user import UserTower
from metric_learning.user_steps import UserStep, draw_step, pass_batches
from metric_learning.user_training_state import UserTrainingState, fingerprint

logger = logging.getLogger(__name__)

PATIENCE = 10  # passes over the users without a better loss on those held out before training stops
N_HELD = 4096  # users held out at most
SAVE_EVERY_S = 60.0  # seconds between checkpoints
PASS, STEP, DROPOUT, HELD = range(4)  # what chance is for


@dataclass(frozen=True, kw_only=True)
class UserTraining:
    """The hyperparameters of user tower training."""

    max_epochs: int = 60  # over the users
    steps_per_round: int = 250  # between two looks at the held-out users; where a pass has fewer steps, it is a round
    batch_size: int = 256  # users
    learning_rate: float = 5e-3
    weight_decay: float = 1e-4  # of what is not the vector of a track
    hidden_share: float = 0.4  # of each user's plays, in every step
    n_unobserved: int = 4096  # random tracks in the softmax; all tracks if there are no more than this
    opinion_weight: float = 1.0  # weight of separating liked from rejected, relative to the softmax over warm tracks
    seed: int = 0


def train_user_tower(  # noqa: PLR0913  (a training, and who is told of it)
    tower: UserTower,
    table: PlayTable,
    *,
    training: UserTraining | None = None,
    checkpoint: Path | None = None,
    on_progress: Callable[[str], None] = logger.info,
    log_metrics: Callable[[Mapping[str, float], int], None] | None = None,
) -> float:
    """Train a user tower in place; the state with the best loss on held-out users is kept.

    Parameters
    ----------
    tower
        New, or trained before.
    table
        Plays of warm tracks.
    training
        Hyperparameters.
    checkpoint
        File in which the training is kept from time to time: run again after a kill, with the same tower, plays and
        hyperparameters, it goes on from there and ends the same. None: it begins anew.
    on_progress
        Called with a line of text after each round; by default it is logged.
    log_metrics
        Called after each round with its measures and the number of steps.

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
    mark = fingerprint(tower, table, training) if checkpoint else ""
    tower.to("cuda" if torch.cuda.is_available() else "cpu")
    state = UserTrainingState(tower, learning_rate=training.learning_rate, weight_decay=training.weight_decay)
    if checkpoint:
        state.resume(checkpoint, mark=mark)
    held, users = _split_users(table, seed=training.seed)
    n_in_pass = -(-len(users) // training.batch_size)
    n_steps, n_in_round = training.max_epochs * n_in_pass, min(n_in_pass, training.steps_per_round)
    time_left, saved_s = TimeLeft(total=n_steps, done=state.n_steps), time.monotonic()
    for batch in _batches_from(state.n_steps, n_steps, users=users, count=table.count, training=training):
        if state.n_rounds_since * n_in_round >= PATIENCE * n_in_pass:
            break
        step = _draw(table, batch, training=training, rng=_random(training, STEP, state.n_steps))
        _take_step(state, step, training)
        if state.n_steps % n_in_round and state.n_steps < n_steps:
            continue
        held_loss = _held_loss(tower, table, held, training)
        state.end_round(held_loss)
        if log_metrics:
            log_metrics({"held_loss": held_loss, "best_loss": state.best_loss}, state.n_steps)
        on_progress(
            f"user tower: pass {state.n_steps / n_in_pass:.1f} of at most {training.max_epochs}, "
            f"best loss {state.best_loss:.4f} on {len(held)} held-out users, at most {time_left.after(state.n_steps)}"
        )
        if checkpoint and time.monotonic() - saved_s >= SAVE_EVERY_S:
            state.save(checkpoint, mark=mark)
            saved_s = time.monotonic()
    if not np.isfinite(state.best_loss):  # no step was taken
        state.end_round(_held_loss(tower, table, held, training))
    if checkpoint:
        state.save(checkpoint, mark=mark)
    tower.load_state_dict(state.best)
    tower.to("cpu").eval()
    torch.manual_seed(training.seed)  # what comes after draws the same whether steps were taken now or before a kill
    return state.best_loss


def _split_users(table: PlayTable, *, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Hold out some of the users with two plays or more: rows of these, and of the others; the only one is both."""
    users = np.random.default_rng(seed).permutation(np.flatnonzero(table.count >= 2))
    held, others = np.split(users, [min(max(len(users) // 10, 1), N_HELD)]) if len(users) > 1 else (users, users)
    return held[np.argsort(table.count[held], kind="stable")], others  # a batch is as long as its longest


def _batches_from(
    first: int, last: int, *, users: NDArray[np.int64], count: NDArray[np.int64], training: UserTraining
) -> Iterator[NDArray[np.int64]]:
    """Deal users to the steps from `first` to before `last`, pass after pass."""
    while first < last:
        number, n_done = divmod(first, -(-len(users) // training.batch_size))
        batches = pass_batches(users, count, size=training.batch_size, rng=_random(training, PASS, number))
        yield from batches[n_done : n_done + last - first]
        first += len(batches) - n_done


def _draw(table: PlayTable, users: NDArray[np.int64], *, training: UserTraining, rng: np.random.Generator) -> UserStep:
    """Draw a step as the hyperparameters have it."""
    return draw_step(
        table,
        users,
        hidden_share=training.hidden_share,
        n_unobserved=training.n_unobserved,
        rng=rng,
    )


def _random(training: UserTraining, of: int, number: int) -> np.random.Generator:
    """Make the random generator of a pass, a step or a held-out batch.

    It depends on the seed and its number alone: a training that was killed goes on as if it had not been.
    """
    return np.random.default_rng([training.seed, of, number])


def _take_step(state: UserTrainingState, step: UserStep, training: UserTraining) -> None:
    """Learn from a step; what is dropped out depends on its number, as what is drawn does."""
    torch.manual_seed(int(_random(training, DROPOUT, state.n_steps).integers(1 << 62)))
    state.tower.train()
    step = step.to(state.tower.log_ridge.device)
    vectors = state.tracks.read(step.rows)
    state.step(_hidden_loss(state.tower, step, vectors, training), rows=step.rows, vectors=vectors)


def _hidden_loss(tower: UserTower, step: UserStep, vectors: Sequence[Tensor], training: UserTraining) -> Tensor:
    """Compute the loss of predicting hidden plays; `vectors` of `step.rows`, as `UserTower.track_tables` has them."""
    played, *offered = vectors
    user = tower.embed(step.plays.without(step.hidden), F.embedding(step.plays.track, played))
    own = tower.logits_with(user, *(F.embedding(step.plays.track, table) for table in offered))
    drawn = offered if step.sample is None else [F.embedding(step.sample, table) for table in offered]
    taken = torch.where(step.hidden, step.signal.clamp(min=0), 0.0)
    warm = _warm_loss(tower.logits_with(user, *drawn), own, taken=taken, n_tracks=tower.recipe.n_tracks)
    return warm + training.opinion_weight * _opinion_loss(own, step.signal, step.hidden)


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
    losses = []
    for start in range(0, len(held), training.batch_size):
        users = held[start : start + training.batch_size]
        step = _draw(table, users, training=training, rng=_random(training, HELD, start))
        step = step.to(tower.log_ridge.device)
        vectors = [tracks.index_select(0, step.rows) for tracks in tower.track_tables()]
        losses.append(float(_hidden_loss(tower, step, vectors, training)))
    return float(np.mean(losses)) if losses else 0.0
