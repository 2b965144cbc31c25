"""Steps of user tower training: which users a step takes, which of their plays it hides, which tracks it reads.

A step numbers the tracks that it needs from 0: its cost does not know how many there are.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metric_learning.play_table import PlayTable, UserBatch

FORGOTTEN = 0.1  # of demographic values, in every step: what stands for one that is not known is learned too
SORTED_TOGETHER = 16  # batches whose users are sorted by their number of plays: a batch is as long as its longest


@dataclass(frozen=True, kw_only=True)
class UserStep:
    """What a step learns from."""

    rows: Tensor  # (n_rows,) the tracks of the step, as rows of the tower's tables
    plays: UserBatch  # with tracks numbered as in `rows`, any where there is no play
    signal: Tensor  # (batch, length) taste signal of each play
    hidden: Tensor  # (batch, length) plays to predict
    sample: Tensor | None  # (n_unobserved,) places in `rows` of random tracks for the softmax; None: `rows` are all

    def to(self, device: torch.device) -> "UserStep":
        """Move it to a device."""
        return UserStep(
            rows=self.rows.to(device),
            plays=self.plays.to(device),
            signal=self.signal.to(device),
            hidden=self.hidden.to(device),
            sample=None if self.sample is None else self.sample.to(device),
        )


def pass_batches(
    users: NDArray[np.int64], count: NDArray[np.int64], *, size: int, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Deal users into batches, in random order; those of a batch have about as many plays.

    Parameters
    ----------
    users : (n,)
        Their rows.
    count : (n_users,)
        Plays of each user.
    size
        Users in a batch.
    rng
        Of the pass alone.

    Returns
    -------
    batches
        Each (size,), the smallest (1,).
    """
    order = rng.permutation(users)
    batches = []
    for start in range(0, len(order), SORTED_TOGETHER * size):
        together = order[start : start + SORTED_TOGETHER * size]
        together = together[np.argsort(count[together], kind="stable")]
        batches += [together[first : first + size] for first in range(0, len(together), size)]
    return [batches[place] for place in rng.permutation(len(batches))]


def draw_step(
    table: PlayTable, users: NDArray[np.int64], *, hidden_share: float, n_unobserved: int, rng: np.random.Generator
) -> UserStep:
    """Draw a step.

    Parameters
    ----------
    table
        The plays.
    users : (batch,)
        Rows of the users that it takes.
    hidden_share
        Of the plays of each.
    n_unobserved
        Random tracks; all of them if there are no more than this.
    rng
        Of the step alone.

    Returns
    -------
    step
    """
    plays, signal = table.batch(users)
    hidden = plays.present & torch.from_numpy(rng.random(signal.shape) < hidden_share)
    is_known = torch.from_numpy(rng.random(plays.categories.shape) >= FORGOTTEN)
    plays = replace(plays, categories=plays.categories * is_known)
    n_tracks = table.recipe.n_tracks
    if n_tracks <= n_unobserved:
        plays = replace(plays, track=plays.track.clamp(max=n_tracks - 1))
        return UserStep(rows=torch.arange(n_tracks), plays=plays, signal=signal, hidden=hidden, sample=None)
    sample = torch.from_numpy(rng.integers(0, n_tracks, n_unobserved))
    track = torch.where(plays.present, plays.track, sample[0])
    rows, places = torch.unique(torch.cat([track.flatten(), sample]), return_inverse=True)
    return UserStep(
        rows=rows,
        plays=replace(plays, track=places[: track.numel()].view_as(track)),
        signal=signal,
        hidden=hidden,
        sample=places[track.numel() :],
    )
