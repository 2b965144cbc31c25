"""Training of a ranker's network: binary cross-entropy over likes and rejections, with ids masked at random.

A row whose track is masked looks like a new track when serving: no id, no counts, half of the time an unknown artist
too. So row 0 of the tables is trained for such tracks, and the vectors are used on their own.
"""

import logging

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from audio_engine.ranking.config import RankerConfig
from audio_engine.ranking.counts import KEYS
from audio_engine.ranking.counts import NUMBERS as COUNT_NUMBERS
from audio_engine.ranking.features import IDS
from audio_engine.ranking.networks import DeepCross, DeepFM, Fields
from metric_learning.threads import one_thread

logger = logging.getLogger(__name__)

UNKNOWN_ARTISTS = 0.5  # share of the masked tracks whose artist is masked too


def train_network(
    network: DeepFM | DeepCross, fields: Fields, liked: NDArray[np.bool_], *, unheard: Tensor, config: RankerConfig
) -> float:
    """Train a network in place.

    Parameters
    ----------
    network
        Untrained.
    fields
        Of the examples.
    liked : (n,)
        Whether each was liked; it was rejected otherwise.
    unheard : (n_numbers,)
        The numbers of a user or track without plays.
    config
        How.

    Returns
    -------
    loss
        Mean over the last epoch.
    """
    with one_thread():  # matrix products are small, and on a busy machine two threads wait for each other
        return _train(network, fields, liked, unheard=unheard, config=config)


def _train(
    network: DeepFM | DeepCross, fields: Fields, liked: NDArray[np.bool_], *, unheard: Tensor, config: RankerConfig
) -> float:
    """Run the epochs; returns the mean loss of the last."""
    generator = torch.Generator().manual_seed(config.seed)
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    n_batches = -(-len(fields) // config.batch_size)
    n_epochs = max(config.n_epochs, -(-config.min_steps // n_batches))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(1, n_epochs * n_batches))
    target, losses = torch.from_numpy(liked.astype(np.float32)), [0.0]
    network.train()
    for done in range(n_epochs):
        losses = []
        for batch in torch.split(torch.randperm(len(fields), generator=generator), config.batch_size):
            seen = forget(fields.rows(batch), unheard=unheard, config=config, generator=generator)
            loss = F.binary_cross_entropy_with_logits(network(seen), target[batch])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
        logger.info("pass %d: log loss %.4f", done, np.mean(losses))
    network.eval()
    return float(np.mean(losses))


def forget(fields: Fields, *, unheard: Tensor, config: RankerConfig, generator: torch.Generator) -> Fields:
    """Mask tracks, artists and users at random, with their ids and counts, and drop parts of vectors.

    Parameters
    ----------
    fields
        Of a batch.
    unheard : (n_numbers,)
        The numbers of a user or track without plays.
    config
        The shares.
    generator
        The random generator.

    Returns
    -------
    fields
    """
    draw = torch.rand(3, len(fields), generator=generator)
    track, user = draw[0] < config.unknown_tracks, draw[1] < config.unknown_users
    artist = track & (draw[2] < UNKNOWN_ARTISTS)
    gone = {"user": user, "track": track, "artist": artist, "user_artist": user | artist}
    categories, numbers = fields.categories.clone(), fields.numbers.clone()
    for column, name in enumerate(IDS):
        categories[gone[name], column] = 0
    for i, key in enumerate(KEYS):
        columns = slice(i * len(COUNT_NUMBERS) // len(KEYS), (i + 1) * len(COUNT_NUMBERS) // len(KEYS))
        numbers[gone[key], columns] = unheard[columns]
    kept = torch.rand(fields.vectors.shape, generator=generator) >= config.vector_dropout
    return Fields(categories=categories, numbers=numbers, vectors=fields.vectors * kept / (1 - config.vector_dropout))
