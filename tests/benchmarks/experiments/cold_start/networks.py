"""Baseline networks from earlier papers, trained as published, that the audio tower has to beat.

Each learns from log-mel segments or fixed statistics of warm tracks and their plays, embeds any track, and supplies
user vectors to compare with. Each is small enough for two cores.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from metric_learning.losses import hinge_loss, softmax_loss
from metric_learning.play_log import PlayLog

Floats = NDArray[np.float32]
Mels = NDArray[np.float16] | NDArray[np.float32]
DIM = 40
TABLE_DEVIATION = 0.05  # of an initial vector of a table
N_UNOBSERVED = 20  # negatives per liked track, as in DCUE
CLCREC_TEMPERATURE = 0.2
CLCREC_SWAP = 0.5  # how often CLCRec replaces a track's vector by its content


@dataclass(frozen=True, kw_only=True)
class BaselineTraining:
    """Training hyperparameters of a baseline, chosen on the cold validation tracks."""

    n_steps: int = 200
    batch_size: int = 4096  # plays in a step
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    seed: int = 0


class ConvEncoder(nn.Module):
    """One-dimensional convolutions over time, mean and maximum over time, one layer: log-mel segments to vectors.

    Parameters
    ----------
    n_mels
        Bands, used as channels.
    width
        Channels of each convolution.
    dim
        Numbers in a vector.

    References
    ----------
    A. van den Oord, S. Dieleman, B. Schrauwen, Deep content-based music recommendation, NeurIPS 2013, section 4.2;
    three layers of 4 frames and pooling by 2, batch normalisation added.
    """

    def __init__(self, n_mels: int, *, width: int = 96, dim: int = DIM) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.BatchNorm1d(n_mels)]
        for n_in in (n_mels, width, width):
            layers += [nn.Conv1d(n_in, width, 4), nn.BatchNorm1d(width), nn.ReLU(), nn.MaxPool1d(2)]
        self.convolutions = nn.Sequential(*layers)
        self.project = nn.Sequential(nn.Dropout(0.3), nn.Linear(2 * width, dim))

    def forward(self, log_mel: Tensor) -> Tensor:
        """Embed segments.

        Parameters
        ----------
        log_mel : (n, n_mels, n_frames)

        Returns
        -------
        vectors : (n, dim)
            Of any length.
        """
        hidden = self.convolutions(log_mel)
        vectors: Tensor = self.project(torch.cat([hidden.mean(-1), hidden.amax(-1)], dim=-1))
        return vectors


@torch.inference_mode()
def embed_segments(network: nn.Module, log_mel: Mels) -> Floats:
    """Embed tracks as the mean over their segments.

    Parameters
    ----------
    network
        Takes (n, n_mels, n_frames).
    log_mel : (n_tracks, n_segments, n_mels, n_frames)

    Returns
    -------
    vectors : (n_tracks, dim)
    """
    network.eval()
    rows = [network(torch.from_numpy(np.asarray(track, np.float32))).mean(0) for track in log_mel]
    return np.asarray(torch.stack(rows).numpy())


@torch.inference_mode()
def embed_statistics(network: nn.Module, statistics: Floats) -> Floats:
    """Embed tracks by their statistics.

    Parameters
    ----------
    network
        Takes (n_tracks, n).
    statistics : (n_tracks, n)

    Returns
    -------
    vectors : (n_tracks, dim)
    """
    network.eval()
    return np.asarray(network(torch.from_numpy(statistics)).numpy())


def train_factor_regression(log_mel: Mels, factors: Floats, training: BaselineTraining) -> ConvEncoder:
    """Train a network to predict the collaborative factors of warm tracks.

    Parameters
    ----------
    log_mel : (n_tracks, n_segments, n_mels, n_frames)
        Of warm tracks.
    factors : (n_tracks, dim)
        The targets.
    training
        Hyperparameters; a step takes one random segment of every track.

    Returns
    -------
    network
        Returns factors, in their own units.

    References
    ----------
    A. van den Oord, S. Dieleman, B. Schrauwen, Deep content-based music recommendation, NeurIPS 2013, eq. 4: mean
    squared error.
    """
    torch.manual_seed(training.seed)
    network = ConvEncoder(log_mel.shape[2], dim=factors.shape[1])
    target, scale = torch.from_numpy(factors), float(factors.std())
    optimiser = _optimiser(network.parameters(), training)
    for segments in _random_segments(log_mel, training):
        _step(optimiser, F.mse_loss(network(segments), target / scale))
    with torch.no_grad():
        last = network.project[-1]
        for parameter in last.parameters():
            parameter.mul_(scale)
    return network


def train_dcue(log_mel: Mels, plays: PlayLog, n_users: int, training: BaselineTraining) -> tuple[ConvEncoder, Floats]:
    """Train a user table and a network together, by a hinge loss on cosines.

    Parameters
    ----------
    log_mel : (n_tracks, n_segments, n_mels, n_frames)
        Of warm tracks.
    plays
        Of warm tracks; liked ones are positives.
    n_users
        Rows of the table.
    training
        How.

    Returns
    -------
    network
        Its vectors are compared by cosine.
    users : (n_users, dim)
        Unit vectors.

    References
    ----------
    J. Lee, K. Lee, J. Park, J. Park, J. Nam, Deep content-user embedding model for music recommendation, DLRS 2018:
    margin 0.2, 20 negatives among the tracks that the user has not played.
    """
    torch.manual_seed(training.seed)
    network, users = ConvEncoder(log_mel.shape[2]), _table(n_users)
    draw = _unobserved_draw(plays, n_users, len(log_mel), training)
    optimiser = _optimiser([*network.parameters(), *users.parameters()], training)
    for segments in _random_segments(log_mel, training):
        user, liked, unobserved = next(draw)
        vectors = F.normalize(network(segments), dim=-1)
        loss = hinge_loss(F.normalize(users(user), dim=-1), vectors[liked], vectors[unobserved])
        _step(optimiser, loss)
    return network, F.normalize(users.weight.detach(), dim=-1).numpy()


def train_clcrec(
    statistics: Floats, plays: PlayLog, n_users: int, training: BaselineTraining
) -> tuple[nn.Module, Floats]:
    """Train user and track tables and a network on content together, by contrastive losses between them.

    Parameters
    ----------
    statistics : (n_tracks, n)
        Content of warm tracks.
    plays
        Of warm tracks; liked ones are positives.
    n_users
        Rows of the user table.
    training
        How.

    Returns
    -------
    network
        Takes statistics (n_tracks, n); its vectors are compared by cosine.
    users : (n_users, dim)
        Unit vectors.

    References
    ----------
    Y. Wei et al., Contrastive learning for cold-start recommendation, ACM MM 2021, eq. 8 (users against tracks, the
    track's vector swapped for its content at random) and eq. 10 (the track's vector against contents); weighted
    equally.
    """
    torch.manual_seed(training.seed)
    content = torch.from_numpy(statistics)
    network = nn.Sequential(nn.Linear(content.shape[1], 256), nn.LeakyReLU(), nn.Dropout(0.3), nn.Linear(256, DIM))
    users, tracks = _table(n_users), _table(len(content))
    draw = _unobserved_draw(plays, n_users, len(content), training)
    optimiser = _optimiser([*network.parameters(), *users.parameters(), *tracks.parameters()], training)
    everything = torch.arange(len(content))
    for _ in range(training.n_steps):
        user, liked, unobserved = next(draw)
        heard, own = F.normalize(network(content), dim=-1), F.normalize(tracks.weight, dim=-1)
        mixed = torch.where(torch.rand(len(content), 1) < CLCREC_SWAP, heard, own)
        by_user = softmax_loss(
            F.normalize(users(user), dim=-1), mixed[liked], mixed[unobserved], temperature=CLCREC_TEMPERATURE
        )
        by_track = F.cross_entropy(own @ heard.T / CLCREC_TEMPERATURE, everything)
        _step(optimiser, by_user + by_track)
    return network.eval(), F.normalize(users.weight.detach(), dim=-1).numpy()


def _table(n_rows: int) -> nn.Embedding:
    """Create a table of short vectors, so that a step can still change their direction."""
    table = nn.Embedding(n_rows, DIM)
    nn.init.normal_(table.weight, std=TABLE_DEVIATION)
    return table


def _optimiser(parameters: object, training: BaselineTraining) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=training.learning_rate, weight_decay=training.weight_decay)  # type: ignore[arg-type]


def _step(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    """Take one optimiser step."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()


def _random_segments(log_mel: Mels, training: BaselineTraining) -> Iterator[Tensor]:
    """Yield one random segment of every track, endlessly: (n_tracks, n_mels, n_frames)."""
    rng = np.random.default_rng(training.seed)
    for _ in range(training.n_steps):
        segment = rng.integers(0, log_mel.shape[1], len(log_mel))
        yield torch.from_numpy(np.asarray(log_mel[np.arange(len(log_mel)), segment], np.float32))


def _unobserved_draw(
    plays: PlayLog, n_users: int, n_tracks: int, training: BaselineTraining
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Draw likes, each with 20 tracks that the user has not played (or a played one, if all 8 tries hit one)."""
    rng = np.random.default_rng(training.seed)
    likes = np.flatnonzero(plays.liked)
    heard = np.zeros((n_users, n_tracks), np.bool_)
    heard[plays.user, plays.track] = True
    while True:
        chosen = rng.choice(likes, training.batch_size)
        user = plays.user[chosen]
        unobserved = rng.integers(0, n_tracks, (len(chosen), N_UNOBSERVED))
        for _ in range(8):
            again = heard[user[:, None], unobserved]
            unobserved[again] = rng.integers(0, n_tracks, int(again.sum()))
        yield torch.from_numpy(user), torch.from_numpy(plays.track[chosen]), torch.from_numpy(unobserved)
