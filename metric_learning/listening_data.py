"""Batches for metric learning from users: the sound of some warm tracks, and who liked and rejected which of them.

A step takes a random part of the warm tracks and triplets of a user, a track they liked among these and n that they
rejected; where they rejected too few, tracks they never played make up the number, the more popular ones more often: a
liked track is popular too, and popularity is not to be learned from sound.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor

from metric_learning.play_log import LIKE, NONE, PlayLog
from metric_learning.stored_mels import StoredMels

Mels = NDArray[np.float16] | NDArray[np.float32] | StoredMels


@dataclass(frozen=True, kw_only=True)
class StepSizes:
    """The sizes of a training step."""

    n_tracks: int = 64  # tracks
    n_segments: int = 3  # segments of each
    n_triplets: int = 1024  # of a user, a liked track and n others
    n_disliked: int = 1  # the n
    hardest_of: int = 1  # as many times n are drawn, and those nearest to the user are kept
    popularity: float = 0.5  # tracks never played are drawn in proportion to this power of how often others liked them
    n_steps: int = 40  # steps in an epoch
    explicit: bool = True  # rejected tracks first; False: only tracks never played


@dataclass(frozen=True, kw_only=True)
class Triplets:
    """Triplets of a user, a liked track and n rejected ones."""

    user: Tensor  # (n_triplets,) rows of users
    liked: Tensor  # (n_triplets,) places among the tracks of the step
    disliked: Tensor  # (n_triplets, n) likewise
    present: Tensor  # (n_triplets, n) False where there was none left


Step = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]  # sound of tracks, their rows, and `Triplets`


class Sounds(Protocol):
    """The sound of warm tracks, as training reads it."""

    def __len__(self) -> int: ...

    def draw(self, tracks: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
        """Read some tracks by their rows."""
        ...


@dataclass(frozen=True, kw_only=True)
class DrawnSegments:
    """Random segments of tracks, for a training that goes below the head."""

    log_mel: Mels  # (n_tracks, n_segments, n_mels, n_frames); may be memory-mapped
    n_segments: int

    def __len__(self) -> int:
        return len(self.log_mel)

    def draw(self, tracks: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
        """Read random segments of tracks: (n, n_segments, n_mels, n_frames)."""
        n_there = self.log_mel.shape[1]
        places = np.argsort(rng.random((len(tracks), n_there)), axis=1)[:, : min(self.n_segments, n_there)]
        return torch.from_numpy(np.asarray(self.log_mel[tracks[:, None], places], np.float32))


@dataclass(frozen=True, kw_only=True)
class DrawnEmbeddings:
    """Pooled embeddings of tracks, each of a random version, for a training of the head alone."""

    pooled: NDArray[np.float32]  # (n_versions * n_tracks, segment_dim), version by version; may be memory-mapped
    n_tracks: int

    def __len__(self) -> int:
        return self.n_tracks

    def draw(self, tracks: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
        """Read a random version of tracks: (n, segment_dim)."""
        version = rng.integers(len(self.pooled) // self.n_tracks, size=len(tracks))
        return torch.from_numpy(self.pooled[version * self.n_tracks + tracks])


class ListeningSteps:
    """Training steps, drawn anew in every epoch, reproducible by seed.

    Parameters
    ----------
    sounds
        Of warm tracks.
    plays
        Of warm tracks; sorted by track unless they are already. A step reads those of its tracks.
    n_users
        Number of users.
    sizes
        Of a step.
    seed
        Of the draw.
    """

    def __init__(self, sounds: Sounds, plays: PlayLog, n_users: int, *, sizes: StepSizes, seed: int) -> None:
        self.sounds = sounds
        self.sizes = sizes
        self.seed = seed
        self.n_users = n_users
        self.plays = plays.in_order_of("track")
        self.count = plays.count_by("track", len(sounds))
        self.end = np.cumsum(self.count)
        n_likes = plays.count_by("track", len(sounds), likes_only=True)
        self.is_liked = n_likes > 0
        self.pull = np.maximum(n_likes, 1.0) ** sizes.popularity

    def draw_epoch(self, epoch: int) -> Iterator[Step]:
        """Draw the steps of an epoch: what they are depends on the seed, its number and the device alone.

        Parameters
        ----------
        epoch
            Counted from 0.
        """
        rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
        rng = np.random.default_rng([self.seed, epoch, rank, 0])
        for _ in range(self.sizes.n_steps):
            tracks = rng.choice(len(self.sounds), min(self.sizes.n_tracks, len(self.sounds)), replace=False)
            if self.is_liked.any() and not self.is_liked[tracks].any():  # of a million tracks few may be liked
                tracks[0] = rng.choice(np.flatnonzero(self.is_liked))
            triplets = self.draw_triplets(tracks, rng)
            sound = self.sounds.draw(tracks, rng)
            rows = torch.from_numpy(tracks)
            yield sound, rows, triplets.user, triplets.liked, triplets.disliked, triplets.present

    def draw_triplets(self, tracks: NDArray[np.int64], rng: np.random.Generator) -> Triplets:
        """Draw triplets among some tracks.

        Parameters
        ----------
        tracks : (n,)
            Their rows.
        rng
            The random generator.

        Returns
        -------
        triplets
        """
        opinion, heard = self._tables(tracks)
        users, liked = (opinion > 0).nonzero()
        if len(users) == 0:
            raise ValueError("plays must hold likes of the tracks of a step, got none (are there any likes at all?)")
        chosen = rng.choice(len(users), self.sizes.n_triplets)
        predicted = opinion[users[chosen]].toarray()
        unobserved = ~heard[users[chosen]].toarray()
        rejected = (predicted < 0) & self.sizes.explicit
        # rejected tracks first, then tracks never played, each in a random order of its own; the rest are not eligible
        order = rng.exponential(size=predicted.shape) / np.where(unobserved, self.pull[tracks], 1.0)
        order = order / (1 + order) + 1.0 * unobserved + 4.0 * ~(rejected | unobserved)
        order[rejected] -= 1
        n_drawn = min(self.sizes.n_disliked * self.sizes.hardest_of, len(tracks))
        disliked = np.argpartition(order, n_drawn - 1, axis=1)[:, :n_drawn]
        present = np.take_along_axis(order, disliked, axis=1) < 4
        return Triplets(
            user=torch.from_numpy(users[chosen].astype(np.int64)),
            liked=torch.from_numpy(liked[chosen].astype(np.int64)),
            disliked=torch.from_numpy(disliked),
            present=torch.from_numpy(present),
        )

    def _tables(self, tracks: NDArray[np.int64]) -> tuple[csr_matrix, csr_matrix]:
        """Read who liked (above 0) and rejected (below 0) which of some tracks, and who has played it.

        Returns
        -------
        opinion, heard : (n_users, n)
        """
        count, shape = self.count[tracks], (self.n_users, len(tracks))
        place = np.repeat(np.arange(len(tracks)), count)
        row = np.arange(len(place)) + np.repeat(self.end[tracks] - np.cumsum(count), count)
        user, action = self.plays.user[row], self.plays.action[row]
        spoken = action != NONE
        opinion = np.where(action[spoken] == LIKE, 1, -1)
        heard = csr_matrix((np.ones(len(user), np.bool_), (user, place)), shape=shape)
        return csr_matrix((opinion, (user[spoken], place[spoken])), shape=shape), heard
