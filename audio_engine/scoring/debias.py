"""Popularity debiasing of a matrix factorisation of users and tracks: by inverse propensities, or MACR.

Inverse propensities weigh the plays of rare tracks more in training, and serve the match as it is. They win at an equal
like rate (docs/experiments/popularity_debiasing.md).

MACR separates three causes of a play: the match of user and track ŷ_k, how much this user plays at all ŷ_u, and how
much this track is played by anyone ŷ_i. When serving, a constant c represents the match due to popularity alone: (ŷ_k −
c)·σ(ŷ_i)·σ(ŷ_u). The larger c, the better a popular track must match to rank at the top.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from metric_learning.play_log import PlayLog

Floats = NDArray[np.float32]

MAX_WEIGHT = 10.0  # of a play, by its inverse propensity


@dataclass(frozen=True, kw_only=True)
class DebiasSettings:
    """Training settings, chosen on the experiment's validation days (docs/experiments/popularity_debiasing.md)."""

    dim: int = 16  # of the vectors whose dot product is the match
    with_branches: bool = True  # False: the match alone, a plain factorisation
    track_loss_weight: float = 0.3  # α of the paper (there 1e-3 to 1e-2), so high that σ(ŷ_i) follows popularity
    user_loss_weight: float = 0.1  # β of the paper
    propensity: float = 0.0  # power of a track's plays by which the weight of each of them is divided; 0: all alike
    weight_decay: float = 1e-5
    learning_rate: float = 1e-2
    batch_size: int = 8_192  # plays, positive and negative
    n_epochs: int = 20  # passes over the plays
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("dim", "learning_rate", "batch_size", "n_epochs"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if not 0 <= self.propensity <= 1:
            raise ValueError(f"propensity must be between 0 and 1, got {self.propensity}")


@dataclass(frozen=True, kw_only=True)
class DebiasedModel:
    """The trained model, as arrays."""

    users: Floats  # (n_users, dim)
    tracks: Floats  # (n_tracks, dim)
    user_activity: Floats  # (n_users,) σ(ŷ_u), 1 without branches
    track_popularity: Floats  # (n_tracks,) σ(ŷ_i), 1 without branches

    def match(self, users: NDArray[np.int64] | slice = slice(None)) -> Floats:
        """Compute ŷ_k of some users (by default all) and every track: (n_users, n_tracks)."""
        return np.asarray(self.users[users] @ self.tracks.T)

    def scores(self, c: float, users: NDArray[np.int64] | slice = slice(None)) -> Floats:
        """Score every track for some users, by default all.

        Parameters
        ----------
        c
            In the unit of ŷ_k; 0 keeps popularity.
        users : (n_users,)
            Rows.

        Returns
        -------
        score : (n_users, n_tracks)
            (ŷ_k − c)·σ(ŷ_i)·σ(ŷ_u). The last factor does not change a user's order of tracks.

        References
        ----------
        T. Wei et al., Model-agnostic counterfactual reasoning for eliminating popularity bias in recommender system,
        KDD 2021: the counterfactual inference, with c for the unknown match.
        """
        return np.asarray((self.match(users) - c) * self.track_popularity * self.user_activity[users, None])


def train_debiased(
    plays: PlayLog,
    *,
    n_users: int,
    n_tracks: int,
    vectors: Floats | None = None,
    settings: DebiasSettings | None = None,
) -> DebiasedModel:
    """Train the match and the two branches together.

    Parameters
    ----------
    plays
        Plays that were liked, or played past the half and not rejected, are positive. Each gets one negative, a track
        drawn uniformly from those without a positive play of the user: with more, most matches would be below 0, where
        a large σ(ŷ_i) pulls down, and the branch would learn who is not popular.
    n_users, n_tracks
        Size of the tables.
    vectors : (n_tracks, dim_sound)
        Audio vectors; a learned projection of them is added to the vector of each track. None: ids alone.
    settings
        Training settings.

    Returns
    -------
    model

    Raises
    ------
    ValueError
        When no play is positive, or the vectors are not one per track.

    References
    ----------
    T. Wei et al., KDD 2021: the loss L_O + α·L_I + β·L_U, each the binary cross-entropy of σ(·). Changed here: each
    branch is one number per user or track, where the paper uses a linear function of the vectors; and the audio
    projection is added. T. Schnabel et al., Recommendations as treatments, ICML 2016: inverse propensities, here a
    power of the plays.
    """
    settings = settings or DebiasSettings()
    good = plays.where(plays.signal() > 0)
    if not len(good):
        raise ValueError(f"plays must hold some that were liked or played past the half, got none of {len(plays)}")
    if vectors is not None and len(vectors) != n_tracks:
        raise ValueError(f"vectors must be {n_tracks}, one per track, got {len(vectors)}")
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    model = _Branches(n_users, n_tracks, settings.dim, vectors)
    optimiser = torch.optim.Adam(model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    known = np.unique(good.user * n_tracks + good.track)
    of_track = play_weights(np.bincount(plays.track, minlength=n_tracks), settings.propensity)
    for _ in range(settings.n_epochs):
        users, tracks, sign, weight = _one_pass(good, known, of_track, rng=rng)
        for start in range(0, len(users), settings.batch_size):
            rows = slice(start, start + settings.batch_size)
            loss = _loss(model(users[rows], tracks[rows]), sign[rows], settings, weight[rows])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return model.arrays(with_branches=settings.with_branches)


def play_weights(n_plays: NDArray[np.int64], power: float) -> Floats:
    """Weigh the plays of each track by its inverse propensity: (mean plays / plays)^power, at most `MAX_WEIGHT`.

    Parameters
    ----------
    n_plays : (n_tracks,)
        A track without a play counts as one with a single play.
    power
        0: all plays weigh 1; 1: all tracks weigh the same.

    Returns
    -------
    weights : (n_tracks,)
        Scaled so that their mean is 1.
    """
    known = np.maximum(n_plays, 1)
    weights = np.minimum((known.mean() / known) ** power, MAX_WEIGHT)
    return np.asarray(weights / weights.mean(), np.float32)


class _Branches(nn.Module):
    """Vectors of users and tracks, whose dot product is the match, and a number each for the branches."""

    vectors: Tensor | None  # (n_tracks, dim_sound)

    def __init__(self, n_users: int, n_tracks: int, dim: int, vectors: Floats | None) -> None:
        super().__init__()
        self.users, self.ids = nn.Embedding(n_users, dim), nn.Embedding(n_tracks, dim)
        for table in (self.users, self.ids):
            nn.init.normal_(table.weight, std=dim**-0.5)
        self.sound = None if vectors is None else nn.Linear(vectors.shape[1], dim, bias=False)
        self.register_buffer("vectors", None if vectors is None else torch.as_tensor(vectors, dtype=torch.float32))
        self.user_branch, self.track_branch = nn.Embedding(n_users, 1), nn.Embedding(n_tracks, 1)
        for table in (self.user_branch, self.track_branch):
            nn.init.zeros_(table.weight)

    def tracks(self, rows: Tensor) -> Tensor:
        """Look up the vectors of tracks: (n, dim)."""
        vectors: Tensor = self.ids(rows)
        if self.sound is not None and self.vectors is not None:
            vectors = vectors + self.sound(self.vectors[rows])
        return vectors

    def forward(self, users: Tensor, tracks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute ŷ_k, ŷ_i and ŷ_u, each (n,)."""
        match = (self.users(users) * self.tracks(tracks)).sum(1)
        return match, self.track_branch(tracks).squeeze(1), self.user_branch(users).squeeze(1)

    @torch.no_grad()
    def arrays(self, *, with_branches: bool) -> DebiasedModel:
        """Return the arrays for serving."""
        users, tracks = self.users.weight, self.tracks(torch.arange(self.ids.num_embeddings))
        activity, popularity = (branch.weight.sigmoid().squeeze(1) for branch in (self.user_branch, self.track_branch))
        if not with_branches:
            activity, popularity = torch.ones_like(activity), torch.ones_like(popularity)
        return DebiasedModel(
            users=users.numpy(),
            tracks=tracks.numpy(),
            user_activity=activity.numpy(),
            track_popularity=popularity.numpy(),
        )


def _loss(
    outputs: tuple[Tensor, Tensor, Tensor], sign: Tensor, settings: DebiasSettings, weight: Tensor | float = 1.0
) -> Tensor:
    """Compute L_O + α·L_I + β·L_U, the weighted mean over plays; sign is 1 for a positive, −1 for a negative."""
    match, popularity, activity = outputs
    if not settings.with_branches:
        return -(weight * logsigmoid(sign * match)).mean()
    joint = match * popularity.sigmoid() * activity.sigmoid()
    return -(
        weight
        * (
            logsigmoid(sign * joint)
            + settings.track_loss_weight * logsigmoid(sign * popularity)
            + settings.user_loss_weight * logsigmoid(sign * activity)
        )
    ).mean()


def _one_pass(
    good: PlayLog, known: NDArray[np.int64], of_track: Floats, *, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Shuffle the positives with fresh negatives: users, tracks, signs, and the weight of the positive's track."""
    n_tracks = len(of_track)
    others = rng.integers(n_tracks, size=len(good))
    keys = good.user * n_tracks + others
    is_new = known[np.searchsorted(known, keys).clip(max=len(known) - 1)] != keys
    users, tracks = np.append(good.user, good.user[is_new]), np.append(good.track, others[is_new])
    sign = np.append(np.ones(len(good), np.float32), np.full(is_new.sum(), -1, np.float32))
    weight = of_track[np.append(good.track, good.track[is_new])]
    order = rng.permutation(len(users))
    return (
        torch.from_numpy(users[order]),
        torch.from_numpy(tracks[order]),
        torch.from_numpy(sign[order]),
        torch.from_numpy(weight[order]),
    )
