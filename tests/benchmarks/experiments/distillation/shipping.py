"""The model that ships, from taught features: sound and makers, then users, with what the networks did not hear.

A network that heard a track expects its teachers' features better than those of a new one. So what is fitted to the
taught features of warm tracks is fitted to those that a network expects which did not hear their package.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from audio_engine.training.data import PlayFiles, read_listening, split_tracks
from audio_engine.training.mel_cache import cache_mels, default_store
from audio_engine.training.pooling import pool_twice
from audio_engine.training.training import ListeningData, TrainingSettings, fit_listening_encoder, make_user_tower
from metric_learning.checkpoint import load_checkpoint, save_checkpoint
from metric_learning.encoder import AudioEncoder
from metric_learning.train_user import train_user_tower
from metric_learning.user_checkpoint import save_user_tower
from tests.benchmarks.experiments.distillation.learning import folds_of

Floats = NDArray[np.float32]


def ship(
    world: Path, audio: Path, *, pretrained: Path, folds: Sequence[Path], out: Path, tell: Callable[[str], None]
) -> str:
    """Train the user tower, fit the listening head and write the model.

    Parameters
    ----------
    world, audio
        Tracks, users and plays, and the folder of the sound; tracks outside ``train`` are not opened.
    pretrained
        Model that `pretrain` made from the network that heard all packages.
    folds
        Models whose networks did not hear the packages of fold 0, 1, …
    out
        Where the model goes.
    tell
        Called with lines of text.

    Returns
    -------
    model_id
    """
    encoder, recipe = load_checkpoint(pretrained)
    warm = split_tracks(world / "tracks.parquet", audio)[0]
    cache_mels([warm.by_id], recipe, default_store(), on_progress=tell)
    files = PlayFiles(plays=world / "plays_train.parquet", users=world / "users.parquet")
    tables, store = (warm, warm.none()), default_store()
    data, _ = read_listening(files, tables, recipe=recipe, store=store, hold_out=False)
    packages = dict(pl.read_parquet(world / "tracks.parquet").select("track", "package").iter_rows())
    fold = folds_of([packages[track] for track in data.warm_ids])
    settings = TrainingSettings.of(max_epochs=0)
    pooled = pool_unheard(encoder, [load_checkpoint(folder)[0] for folder in folds], data, fold)
    torch.manual_seed(settings.user.seed)
    table, tower = make_user_tower(data)
    tell(f"user tower: loss {train_user_tower(tower, table, training=settings.user, on_progress=tell):.4f}")
    shipped = fit_listening_encoder(encoder, tower, table, pooled=pooled, data=data, settings=settings)
    model_id = save_checkpoint(out, shipped, recipe)
    save_user_tower(out, tower, data.warm_ids)
    return model_id


def pool_unheard(
    encoder: AudioEncoder, unheard: Sequence[AudioEncoder], data: ListeningData, fold: NDArray[np.int64]
) -> Floats:
    """Pool each warm track in two versions, by the network that did not hear it; standardised as by the encoder."""
    pooled = []
    for network in unheard:
        network.mean.copy_(encoder.mean)
        network.deviation.copy_(encoder.deviation)
        pooled.append(pool_twice(network, data.warm_mels, seed=0))
    twice = np.tile(fold, 2)
    return np.stack([pooled[number][row] for row, number in enumerate(twice)])
