"""Training of our half, step by step, beside a partner that is asked for activations and told gradients."""

import logging
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metric_learning.federated.draws import DrawnStep, FirstPlays, PlayDraws
from metric_learning.federated.guards import guarded
from metric_learning.federated.partner import PartnerSide
from metric_learning.federated.recipe import FederatedRecipe, FederatedTraining
from metric_learning.federated.two_tower import TwoTower, UserVectors
from metric_learning.threads import one_thread

logger = logging.getLogger(__name__)

REPORT_EVERY = 100  # steps
TABLES = ("played.", "own.", "own_biases.")  # parameters of single tracks
TABLE_DECAY = 3.0  # weight decay of these, relative to the others'
BLOCK = 4096  # users embedded at a time

Floats = NDArray[np.float32]


class Learner:
    """Our half in training.

    Parameters
    ----------
    model
        New.
    draws
        The plays.
    vectors : (n_tracks, dim)
        The encoder's, of the tracks with plays.
    row_at_partner : (n_users,)
        Row of each user at the partner; below 0 where it does not know them.
    partner
        Of these; None: nobody is known to a partner.
    training
        How.
    """

    def __init__(  # noqa: PLR0913  (both parties, and how)
        self,
        model: TwoTower,
        draws: PlayDraws,
        *,
        vectors: Tensor,
        row_at_partner: NDArray[np.int64],
        partner: PartnerSide | None,
        training: FederatedTraining,
    ) -> None:
        self.model, self._draws, self._vectors, self._partner = model, draws, vectors, partner
        self._row_at_partner = row_at_partner if partner else np.full(len(row_at_partner), -1)
        self._training = training
        named = list(model.named_parameters())
        tables = [parameter for name, parameter in named if name.startswith(TABLES)]
        others = [parameter for name, parameter in named if not name.startswith(TABLES)]
        decay = training.weight_decay
        self._optimiser = torch.optim.AdamW(
            [{"params": others, "weight_decay": decay}, {"params": tables, "weight_decay": TABLE_DECAY * decay}],
            lr=training.learning_rate,
        )
        self._schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self._optimiser, training.n_steps)
        self._noise = torch.Generator().manual_seed(training.seed)

    def train(
        self,
        *,
        on_progress: Callable[[str], None] = logger.info,
        on_gradients: Callable[[Tensor, DrawnStep], None] | None = None,
    ) -> float:
        """Train both halves; returns the mean loss of the last `REPORT_EVERY` steps.

        Parameters
        ----------
        on_progress
            Called with a line of text from time to time; by default it is logged.
        on_gradients
            Called with what the partner is sent, (n, cut_dim), and the step, whose aligned users these are of.
        """
        training, rng, losses = self._training, np.random.default_rng(self._training.seed), list[float]()
        torch.manual_seed(training.seed)
        self.model.train()
        with one_thread():  # the products are small
            for users in self._draws.passes(batch_size=training.batch_size, n_steps=training.n_steps, rng=rng):
                step = self._draws.draw(
                    users,
                    n_targets=training.n_targets,
                    n_tracks=len(self._vectors),
                    n_unobserved=training.n_unobserved,
                    rng=rng,
                )
                losses.append(
                    self._take(step, warm=bool(rng.random() < training.warm_share), on_gradients=on_gradients)
                )
                if len(losses) % REPORT_EVERY == 0:
                    on_progress(f"step {len(losses)} of {training.n_steps}: loss {np.mean(losses[-REPORT_EVERY:]):.4f}")
        self.model.eval()
        return float(np.mean(losses[-REPORT_EVERY:]))

    def _take(self, step: DrawnStep, *, warm: bool, on_gradients: Callable[[Tensor, DrawnStep], None] | None) -> float:
        """Take one step on both sides."""
        rows = self._row_at_partner[step.users]
        aligned = np.flatnonzero(rows >= 0)
        crossed = None
        if self._partner is not None and len(aligned):
            crossed = self._partner.activations(rows[aligned]).requires_grad_()
        users = embed(self.model, step.first, self._vectors, rows=rows, crossed=crossed)
        loss = self.model.loss(users, self._vectors, step, training=self._training, warm=warm)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        self._schedule.step()
        if self._partner is not None and crossed is not None and crossed.grad is not None:
            labels = step.is_positive[torch.from_numpy(aligned)]
            gradients = guarded(crossed.grad, labels, self._training, self._noise)
            if on_gradients:
                on_gradients(gradients, step)
            self._partner.gradients(gradients)
        return float(loss.detach())


def embed(  # noqa: PLR0913  (what each party says of the users)
    model: TwoTower,
    first: FirstPlays,
    vectors: Tensor,
    *,
    rows: NDArray[np.int64],
    crossed: Tensor | None,
    known: Tensor | None = None,
) -> UserVectors:
    """Embed users, with or without what crossed.

    Parameters
    ----------
    model
        Our half.
    first
        Their plays.
    vectors : (n_tracks, dim)
        The encoder's.
    rows : (batch,)
        At the partner; below 0 where it does not know the user.
    crossed : (n_aligned, cut_dim)
        The activations of those it knows, in their order; None: nothing crossed.
    known : (n_tracks,)
        Row of each track in the model's tables, below 0 where it has none; None: they are its tables' tracks.
    """
    is_aligned = torch.from_numpy(rows >= 0) if crossed is not None else torch.zeros(len(rows), dtype=torch.bool)
    partner = torch.zeros(len(rows), model.recipe.cut_dim)
    if crossed is not None:
        partner = partner.index_put((is_aligned.nonzero().squeeze(1),), crossed)
    return model.users(
        first,
        vectors[first.track],
        first.track if known is None else known[first.track],
        crossed=partner,
        is_aligned=is_aligned,
    )


@torch.no_grad()
def embed_users(  # noqa: PLR0913  (as `embed`)
    model: TwoTower,
    draws: PlayDraws,
    vectors: Tensor,
    *,
    row_at_partner: NDArray[np.int64],
    partner: PartnerSide | None,
    known: Tensor | None = None,
) -> UserVectors:
    """Embed all users of a table of plays, asking the partner for those it knows; parameters as `embed` has them."""
    parts = []
    for start in range(0, len(row_at_partner), BLOCK):
        users = np.arange(start, min(start + BLOCK, len(row_at_partner)))
        rows = row_at_partner[users]
        crossed = partner.activations(rows[rows >= 0]) if partner is not None and (rows >= 0).any() else None
        parts.append(embed(model, draws.first(users), vectors, rows=rows, crossed=crossed, known=known))
    if not parts:
        raise ValueError("users must hold at least one user, got none")
    return UserVectors(
        recall=torch.cat([part.recall for part in parts]), tasks=torch.cat([part.tasks for part in parts])
    )


def make_model(recipe: FederatedRecipe, *, seed: int) -> TwoTower:
    """Create our half, untrained; the same seed gives the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TwoTower(recipe)
