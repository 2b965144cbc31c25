"""What a step of federated training learns from: a few plays that each user is known by, and others to predict.

Every user is treated as if they had come today: up to `n_first_plays` of their plays are shown, others are predicted.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metric_learning.federated.recipe import COMPLETE, TASKS, FederatedRecipe
from metric_learning.play_log import LIKE, PlayLog
from metric_learning.play_table import N_FEATURES, play_features

N_HOW = N_FEATURES - 1  # of a play, without how recent it is: a first play is always of today
WINDOW = 256  # plays of one user that a step chooses from
DISTANT = 2.0  # sorts behind every random number


@dataclass(frozen=True, kw_only=True)
class FirstPlays:
    """The few plays that some users are known by, and their demographics."""

    track: Tensor  # (batch, n_first_plays) row of the track's vector, 0 where there is no play
    how: Tensor  # (batch, n_first_plays, N_HOW) how each play went
    present: Tensor  # (batch, n_first_plays) 1, or 0 where there is no play
    categories: Tensor  # (batch, n_columns) demographic values, 0 unknown


@dataclass(frozen=True, kw_only=True)
class DrawnStep:
    """A step: users as they are on their first day, and what they played next."""

    users: NDArray[np.int64]  # (batch,) rows
    first: FirstPlays
    target: Tensor  # (batch, n_targets) tracks to predict, 0 where there is none
    labels: Tensor  # (batch, n_targets, n_tasks) 1 yes, 0 no, NaN not known
    sample: Tensor | None  # (n_unobserved,) random tracks for the softmax; None: all

    @property
    def is_positive(self) -> Tensor:
        """Tell which users liked anything of what they played next: (batch,)."""
        return (self.labels[..., 0] == 1).any(1)


class PlayDraws:
    """The plays of all users, sorted by user: 18 bytes a play.

    Parameters
    ----------
    plays
        The log, in order of time; tracks are rows of the vectors.
    n_users
        Number of users; one may have no plays.
    categories : (n_users, n_columns)
        Demographic values, 0 unknown.
    recipe
        Of the model.
    """

    def __init__(self, plays: PlayLog, n_users: int, *, categories: NDArray[np.int64], recipe: FederatedRecipe) -> None:
        order = np.argsort(plays.user, kind="stable")
        self.count = np.bincount(plays.user, minlength=n_users)
        self.start = np.cumsum(self.count) - self.count
        blank = PlayLog(  # read where there is no play
            user=np.zeros(1, np.int64),
            track=np.zeros(1, np.int64),
            day=np.zeros(1, np.float32),
            completion=np.full(1, np.nan, np.float32),
            action=np.zeros(1, np.int8),
        )
        columns = ("user", "track", "day", "completion", "action")
        self.plays = PlayLog(
            **{name: np.concatenate([getattr(plays, name)[order], getattr(blank, name)]) for name in columns}
        )
        self.categories, self.recipe = categories, recipe

    @property
    def n_able(self) -> int:
        """Number of users who can be learned from: those with at least two plays."""
        return int((self.count >= 2).sum())

    def first(self, users: NDArray[np.int64]) -> FirstPlays:
        """Show users by their latest plays, `n_first_plays` at most."""
        back = np.arange(self.recipe.n_first_plays)
        rows = (self.start + self.count)[users][:, None] - 1 - back
        return self._show(users, np.where(back < self.count[users][:, None], rows, -1))

    def passes(self, *, batch_size: int, n_steps: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
        """Deal the users with at least two plays into `n_steps` batches: each user once a pass, never more often.

        How often the partner is asked for a user then tells nothing of how much they play.
        """
        able = np.flatnonzero(self.count >= 2)
        if not len(able):
            raise ValueError("plays must hold a user with at least two plays, got none")
        n_dealt = 0
        while n_dealt < n_steps:
            order = rng.permutation(able)
            for start in range(0, len(order), batch_size)[: n_steps - n_dealt]:
                n_dealt += 1
                yield order[start : start + batch_size]

    def draw(
        self, users: NDArray[np.int64], *, n_targets: int, n_tracks: int, n_unobserved: int, rng: np.random.Generator
    ) -> DrawnStep:
        """Draw a step.

        Parameters
        ----------
        users : (batch,)
            Rows of users with at least two plays.
        n_targets
            Plays to predict, of each.
        n_tracks, n_unobserved
            How many tracks there are, and how many are drawn for the softmax, if there are more.
        rng
            Of the step.
        """
        n_first, n_window = self.recipe.n_first_plays, np.minimum(self.count[users], WINDOW)
        offset = self.start[users] + (rng.random(len(users)) * (self.count[users] - n_window + 1)).astype(np.int64)
        far = np.where(np.arange(n_window.max()) < n_window[:, None], 0.0, DISTANT)
        order = np.argsort(rng.random(far.shape) + far, 1)
        n_shown = np.minimum(rng.integers(0, n_first + 1, len(users)), n_window - 1)
        place = np.arange(n_first)
        shown = np.where(place < n_shown[:, None], self._rows(order, place + 0 * n_shown[:, None], offset), -1)
        place = n_shown[:, None] + np.arange(n_targets)
        targets = np.where(place < n_window[:, None], self._rows(order, place, offset), -1)
        sample = None if n_tracks <= n_unobserved else torch.from_numpy(rng.integers(0, n_tracks, n_unobserved))
        return DrawnStep(
            users=users,
            first=self._show(users, shown),
            target=torch.from_numpy(self.plays.track[targets]),
            labels=torch.from_numpy(np.where((targets >= 0)[..., None], self._labels(targets), np.nan)).float(),
            sample=sample,
        )

    @staticmethod
    def _rows(order: NDArray[np.int64], place: NDArray[np.int64], offset: NDArray[np.int64]) -> NDArray[np.int64]:
        """Find the plays in some places of a random order."""
        drawn: NDArray[np.int64] = np.take_along_axis(order, np.minimum(place, order.shape[1] - 1), 1)
        return drawn + offset[:, None]

    def _show(self, users: NDArray[np.int64], rows: NDArray[np.int64]) -> FirstPlays:
        """Lay out the plays in some rows; below 0: none."""
        read = self.plays.where(rows.ravel())
        how = play_features(read)[:, :N_HOW].reshape(*rows.shape, N_HOW)
        return FirstPlays(
            track=torch.from_numpy(self.plays.track[rows]),
            how=torch.from_numpy(how),
            present=torch.from_numpy((rows >= 0).astype(np.float32)),
            categories=torch.from_numpy(self.categories[users]),
        )

    def _labels(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Label plays for each task."""
        plays = self.plays.where(rows.ravel())
        completion = plays.completion
        complete = np.where(np.isnan(completion), np.nan, completion >= COMPLETE)
        return np.stack([plays.action == LIKE, complete, plays.rejected], 1).reshape(*rows.shape, len(TASKS))
