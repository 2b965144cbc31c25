"""Response model: how a user would respond to any track, fitted to all plays of warm and cold tracks.

A log covers only the tracks that were played. This model fills in the rest of the table from who played what and how it
went; it uses neither audio nor artists, so that it favours none of the vectors it evaluates.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import Tensor, nn
from torch.nn import functional as F

from metric_learning.play_log import ACTIONS, NONE, PlayLog

N_OUTPUTS = len(ACTIONS)  # log odds of like, dislike and skip against none, and of the share played
WAYS = (1.0, -1.0, -1.0, 1.0)  # initial sign of each output's dependence on taste
HEARD_RANGE = (0.02, 0.98)  # clipping range of the share played before its log odds
BLOCK_ROWS = 500  # users at a time

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class ResponseSettings:
    """How the model is fitted; chosen on a tenth of the plays, reported on another (docs/experiments/simulation.md)."""

    dim: int = 5  # numbers in the taste of a user and in the character of a track
    ridge: float = 20.0  # on the squared length of both
    bias_ridge: float = 6.0  # on the squares of a user's own log odds; a third of it on a track's
    n_steps: int = 150  # over all plays
    learning_rate: float = 0.05
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Response:
    """Every user's simulated response to every track."""

    probability: Floats  # (n_users, n_tracks, 4) of each of `ACTIONS`, should they play it
    completion: tuple[Floats, ...]  # by action: shares played in the log, to draw from

    def draw(
        self, users: NDArray[np.int64], tracks: NDArray[np.int64], chance: Floats, heard: Floats
    ) -> tuple[NDArray[np.int8], Floats]:
        """Play tracks to users.

        Parameters
        ----------
        users, tracks : (n,)
            The pairs.
        chance, heard : (n,)
            From 0 to 1: they decide the action and the share played.

        Returns
        -------
        action : (n,)
            Place in `ACTIONS`.
        completion : (n,)
            Share played, drawn from plays with that action in the log.
        """
        bounds = np.cumsum(self.probability[users, tracks], axis=1)[:, :-1]
        action = (chance[:, None] >= bounds).sum(1).astype(np.int8)
        completion = np.empty(len(action), np.float32)
        for code, known in enumerate(self.completion):
            of_it = action == code
            completion[of_it] = known[(heard[of_it] * len(known)).astype(np.int64)]
        return action, completion


def fit_response(plays: PlayLog, shape: tuple[int, int], settings: ResponseSettings | None = None) -> Response:
    """Fit users' responses to tracks, and compute them for every pair.

    The log odds of each action are the sum of terms for the action, the user, the track, and the user's taste times the
    track's character, with a weight per kind of action; the share played without an action depends on the same taste.
    The most likely such numbers under normal priors are found by gradient steps over all plays.

    Parameters
    ----------
    plays
        All plays.
    shape
        Number of users and of tracks.
    settings
        How.

    Returns
    -------
    response

    References
    ----------
    R. Salakhutdinov, A. Mnih, Probabilistic matrix factorization, NIPS 2007: the priors; with a multinomial response,
    as in the choice models of D. McFadden, Conditional logit analysis of qualitative choice behavior, 1974.
    """
    settings = settings or ResponseSettings()
    torch.manual_seed(settings.seed)
    model = _Taste(shape, settings.dim)
    optimiser = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.n_steps)
    known = np.clip(plays.completion, *HEARD_RANGE)
    heard = torch.from_numpy(np.log(known / (1 - known)))
    users, tracks, action = (torch.from_numpy(values) for values in (plays.user, plays.track, plays.action.astype(int)))
    for _ in range(settings.n_steps):
        outputs = model(users, tracks)
        updated = F.cross_entropy(_logits(outputs), action, reduction="sum")
        updated = updated + 0.5 * ((outputs[:, -1] - heard)[action == NONE] ** 2).nansum()
        loss = (updated + model.prior(settings)) / len(plays)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    completion = tuple(
        plays.completion[(plays.action == code) & ~np.isnan(plays.completion)] for code in range(len(ACTIONS))
    )
    return Response(probability=model.table(), completion=tuple(_or_zero(known) for known in completion))


class _Taste(nn.Module):
    """The parameters of all users and tracks."""

    def __init__(self, shape: tuple[int, int], dim: int) -> None:
        super().__init__()
        self.taste = nn.Parameter(0.1 * torch.randn(shape[0], dim))
        self.character = nn.Parameter(0.3 * torch.randn(shape[1], dim))
        self.of_user, self.of_track = (nn.Parameter(torch.zeros(n, N_OUTPUTS)) for n in shape)
        self.way = nn.Parameter(torch.tensor(WAYS))
        self.common = nn.Parameter(torch.zeros(N_OUTPUTS))

    def forward(self, users: Tensor, tracks: Tensor) -> Tensor:
        """Compute the outputs of each pair: (n, N_OUTPUTS)."""
        match = (self.taste[users] * self.character[tracks]).sum(1, keepdim=True)
        return self.common + self.of_user[users] + self.of_track[tracks] + match * self.way

    def prior(self, settings: ResponseSettings) -> Tensor:
        """Compute the penalty on the parameters."""
        of_match = (self.taste**2).sum() + (self.character**2).sum()
        own = (self.of_user**2).sum() + (self.of_track**2).sum() / 3
        return settings.ridge * of_match + settings.bias_ridge * own

    @torch.no_grad()
    def table(self) -> Floats:
        """Compute the probability of each action for every pair: (n_users, n_tracks, 4)."""
        blocks = []
        for users in torch.split(torch.arange(len(self.taste)), BLOCK_ROWS):
            match = (self.taste[users] @ self.character.T)[:, :, None] * self.way
            outputs = self.common + self.of_user[users][:, None] + self.of_track + match
            logits = _logits(outputs.reshape(-1, N_OUTPUTS)).reshape(len(users), -1, len(ACTIONS))
            blocks.append(softmax(logits.numpy(), axis=-1))
        return np.concatenate(blocks).astype(np.float32)


def _logits(outputs: Tensor) -> Tensor:
    """Prepend the log odds of ``none``, 0, to those of the others."""
    return torch.cat([torch.zeros_like(outputs[:, :1]), outputs[:, : len(ACTIONS) - 1]], dim=1)


def _or_zero(known: Floats) -> Floats:
    """Return a share of 0 to draw for an action that the log lacks."""
    return known if len(known) else np.zeros(1, np.float32)
