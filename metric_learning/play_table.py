"""Play table: padded batches of users with their plays, and the features of each play that the user tower reads."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metric_learning.play_log import ACTIONS, PlayLog

if TYPE_CHECKING:
    from metric_learning.user_recipe import UserRecipe

HALF_LIFE_DAYS = 30.0  # days after which a play counts as half as recent
N_FEATURES = len(ACTIONS) + 3  # of a play: the action, the share played, whether that is known, how recent
NOBODYS = PlayLog(  # a play for batches to read where a log has none, and to mask
    user=np.zeros(1, np.int64),
    track=np.zeros(1, np.int64),
    day=np.zeros(1, np.float32),
    completion=np.full(1, np.nan, np.float32),
    action=np.zeros(1, np.int8),
)


@dataclass(frozen=True, kw_only=True)
class UserBatch:
    """The plays of some users, padded to one length."""

    track: Tensor  # (batch, length) row of the track; n_tracks where there is no play
    features: Tensor  # (batch, length, N_FEATURES) how each play went
    present: Tensor  # (batch, length) False where there is no play
    categories: Tensor  # (batch, n_columns) demographic values, 0 where not known

    def without(self, hidden: Tensor) -> "UserBatch":
        """Mask some plays, as if they had not happened yet."""
        present = self.present & ~hidden
        return replace(self, present=present)

    def to(self, device: torch.device) -> "UserBatch":
        """Move it to a device."""
        return UserBatch(**{name: getattr(self, name).to(device) for name in self.__dataclass_fields__})


class PlayTable:
    """The plays of all users, ready for batching: 13 bytes a play, which may be memory-mapped.

    What the tower reads is worked out by the batch.

    Parameters
    ----------
    plays
        The log, each user's plays in order of time; it is sorted by user unless it is already.
    n_users
        Number of users; one may have no plays.
    recipe
        Of the tower that reads them.
    categories : (n_users, n_columns)
        Demographic values, as `UserColumn` numbers them; None: nothing is known of anyone.
    now
        Day from which the age of a play is counted; by default that of the last play.
    """

    def __init__(
        self,
        plays: PlayLog,
        n_users: int,
        *,
        recipe: "UserRecipe",
        categories: NDArray[np.int64] | None = None,
        now: float | None = None,
    ) -> None:
        plays = plays.in_order_of("user")
        self.recipe = recipe
        n_plays = plays.count_by("user", n_users)
        self.now = float(plays.day.max(initial=0)) if now is None else now
        read = plays if len(plays) else NOBODYS
        self.track = read.track.astype(np.int32, copy=False)
        self.day, self.completion, self.action = read.day, read.completion, read.action
        self.end = np.cumsum(n_plays)
        self.count = np.minimum(n_plays, recipe.max_plays)
        unknown = np.zeros((n_users, len(recipe.columns)), np.int64)
        self.categories = unknown if categories is None else categories

    def batch(self, users: NDArray[np.int64]) -> tuple[UserBatch, Tensor]:
        """Return a batch of users.

        Parameters
        ----------
        users : (batch,)
            Their rows.

        Returns
        -------
        plays
            Padded to the longest.
        signal : (batch, length)
            The taste signal of each play, 0 where there is none.
        """
        count = self.count[users]
        back = np.arange(max(1, count.max()))[None, :]
        present = back < count[:, None]
        row = np.where(present, self.end[users][:, None] - 1 - back, 0)
        read = PlayLog(
            user=np.broadcast_to(users[:, None], row.shape),
            track=self.track[row].astype(np.int64),
            day=self.day[row],
            completion=self.completion[row],
            action=self.action[row],
        )
        batch = UserBatch(
            track=torch.from_numpy(np.where(present, read.track, self.recipe.n_tracks)),
            features=torch.from_numpy(play_features(read, now=self.now)),
            present=torch.from_numpy(present),
            categories=torch.from_numpy(self.categories[users]),
        )
        return batch, torch.from_numpy(np.where(present, read.signal(), 0).astype(np.float32))


def play_features(plays: PlayLog, *, now: float | None = None) -> NDArray[np.float32]:
    """Describe how each play went.

    Parameters
    ----------
    plays
        The log.
    now
        Day from which ages are counted; by default that of the last play.

    Returns
    -------
    features : (n_plays, N_FEATURES), or (batch, length, N_FEATURES) where the columns of the log are (batch, length)
        The action, one-hot of four; share played, from -1 to 1, and whether it is known; how recent, 1 for today.
    """
    action = np.eye(len(ACTIONS), dtype=np.float32)[plays.action]
    known = ~np.isnan(plays.completion)
    heard = np.where(known, 2 * plays.completion - 1, 0)
    age = np.maximum((plays.day.max(initial=0) if now is None else now) - plays.day, 0)
    recent = np.exp2(-age / HALF_LIFE_DAYS)
    return np.concatenate([action, np.stack([heard, known, recent], -1)], -1).astype(np.float32)
