"""Vectors of tracks and users computed from plays before a day only, for a fair ablation.

The shipped model was trained on all plays of the warm tracks, so its vectors leak their last days. Here its user tower
and its listening head are fitted again on the plays before a day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from audio_engine.evaluation.cold_start.benchmark import embed_mels
from audio_engine.evaluation.cold_start.data import ColdStartData, open_mels
from audio_engine.plays.demographics import fit_columns, numbers_of
from audio_engine.training.pooling import pool_twice
from audio_engine.training.training import ListeningData, TrainingSettings, fit_listening_encoder, make_user_tower
from metric_learning.checkpoint import load_checkpoint
from metric_learning.listening_module import ColdTracks
from metric_learning.play_table import PlayTable
from metric_learning.train_user import UserTraining, train_user_tower
from metric_learning.user import embed_users

Floats = NDArray[np.float32]
SEED = 0  # of the user tower and of the augmentation of tracks


@dataclass(frozen=True, kw_only=True)
class PastVectors:
    """Vectors of tracks and users from data before a day."""

    warm: Floats  # (n_warm, dim)
    cold: Floats  # (n_cold, dim)
    user_vectors: tuple[Floats, ...]  # each (n_users, dim), from the plays before each of the given days


@dataclass(frozen=True, kw_only=True)
class SoundModel:
    """A model, and the log-mels in its recipe."""

    model_dir: Path
    store: Path


def past_vectors(data: ColdStartData, sound: SoundModel, *, before: float, days: Sequence[float]) -> PastVectors:
    """Fit the listening part of a model again on the plays before a day, then embed tracks and users by it.

    Parameters
    ----------
    data
        The world.
    sound
        Its filters and its projection are the starting point.
    before
        The day from which plays are excluded from training.
    days
        Users' vectors are computed from the plays before each of these days.

    Returns
    -------
    vectors
    """
    encoder, recipe = load_checkpoint(sound.model_dir)
    warm, cold = open_mels(data.warm, recipe, sound.store), open_mels(data.cold, recipe, sound.store)
    plays = data.plays.where(data.plays.day < before)
    columns = fit_columns(data.users)
    listening = ListeningData(
        n_users=data.n_users,
        columns=columns,
        categories=numbers_of(data.users, columns),
        warm_ids=data.warm.track_ids,
        warm_artists=data.warm.artist_keys,
        warm_mels=warm,
        plays=plays,
        plays_by_track=plays,
        cold=ColdTracks(log_mel=cold[:0], feedback=csr_array((data.n_users, 0), dtype=np.int8)),
    )
    torch.manual_seed(SEED)
    table, tower = make_user_tower(listening)
    settings = TrainingSettings(user=UserTraining(seed=SEED))
    train_user_tower(tower, table, training=settings.user)
    pooled = pool_twice(encoder, warm, seed=settings.audio.seed)
    fitted = fit_listening_encoder(encoder, tower, table, pooled=pooled, data=listening, settings=settings)

    def user_vectors(day: float) -> Floats:
        plays = data.plays.where(data.plays.day < day)
        return embed_users(tower, PlayTable(plays, data.n_users, recipe=tower.recipe, categories=table.categories))

    return PastVectors(
        warm=embed_mels(fitted, warm),
        cold=embed_mels(fitted, cold),
        user_vectors=tuple(user_vectors(day) for day in days),
    )
