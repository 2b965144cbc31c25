"""The cold-start benchmark: whether new tracks reach their users from audio alone, for baselines and trained models.

Candidates are all cold tracks, without sampling; tracks by artists without a warm track (``unseen``) are reported
separately from the others (``seen``). Intervals come from resampling users.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from audio_engine.evaluation.cold_start.baselines import baseline_similarities, track_statistics, warm_upper_bound
from audio_engine.evaluation.cold_start.data import ColdStartData, open_mels
from audio_engine.evaluation.cold_start.factors import weighted_signals
from audio_engine.metrics.bootstrap import user_weights
from audio_engine.metrics.ranking_quality import cold_start_metrics
from audio_engine.metrics.results import Result, results_of
from audio_engine.metrics.similarity_table import SimilarityTable
from audio_engine.plays.demographics import numbers_of
from audio_engine.recall.learn_users import TOWER_SHARE
from features.recipe import MelRecipe
from metric_learning.alternating_least_squares import solve_rows
from metric_learning.checkpoint import load_checkpoint
from metric_learning.encoder import AudioEncoder
from metric_learning.listening_data import Mels
from metric_learning.play_log import PlayLog
from metric_learning.play_table import PlayTable
from metric_learning.user import UserTower, embed_users
from metric_learning.user_checkpoint import has_user_tower, load_user_tower

Floats = NDArray[np.float32]
BOOTSTRAP_SEED = 0
USER_RIDGE = 3.0  # weight on a user's vector when it is fitted to the vectors of tracks they played


def score_methods(
    data: ColdStartData, *, models: Sequence[Path], store: Path, seeds: Sequence[int] = (0,), baselines: bool = True
) -> Iterator[Result]:
    """Score baselines and models on the cold tracks of a world; `build_mels` first.

    Parameters
    ----------
    data
        The world.
    models
        Folders of trained models; each gets its own row, and its position as seed.
    store
        The cache of log-mels.
    seeds
        Seeds of the baselines.
    baselines
        Whether to train and score the baselines too.

    Yields
    ------
    result
        As soon as a method is finished; about ``artists`` (which cold tracks: unseen, seen or all) and ``seed``.
    """
    weights = user_weights(data.n_users, seed=BOOTSTRAP_SEED)
    if baselines:
        recipe = MelRecipe()
        statistics = track_statistics([open_mels(tracks, recipe, store) for tracks in (data.warm, data.cold)], recipe)
        for seed in seeds:
            for method, similarity in baseline_similarities(data, statistics, seed=seed):
                yield from score_similarity(data, similarity, method=method, seed=seed, weights=weights)
            yield from _upper_bound_rows(data, seed=seed, weights=weights)
    for seed, model_dir in enumerate(models):
        method, similarity = model_similarity(data, model_dir, store)
        yield from score_similarity(data, similarity, method=method, seed=seed, weights=weights)


def model_similarity(data: ColdStartData, model_dir: Path, store: Path) -> tuple[str, SimilarityTable]:
    """Compare every user with every cold track by a trained model.

    A model trained with users has a user tower; for one without, or whose tower knows the tracks of less than half of
    the plays, as that of another world, each user's vector is fitted to its vectors of the tracks they played, by ridge
    regression.

    Parameters
    ----------
    data
        The world.
    model_dir
        The model.
    store
        The cache of log-mels, in the model's recipe.

    Returns
    -------
    method
        The name of the row.
    similarity : (n_users, n_cold)
        Cosines.
    """
    encoder, recipe = load_checkpoint(model_dir)
    cold = embed_mels(encoder, open_mels(data.cold, recipe, store))
    if has_user_tower(model_dir):
        tower, rows = _tower_of(data, model_dir)
        if (rows[data.plays.track] >= 0).mean() >= TOWER_SHARE:  # the rule of recall
            return "audio tower and user tower", SimilarityTable.of_vectors(_users_by(tower, rows, data), cold)
    warm = warm_vectors(data, model_dir, store)
    middle = warm.mean(0)
    users = fitted_users(data.plays, warm - middle, n_users=data.n_users)
    return "audio encoder, users by ridge", SimilarityTable.of_vectors(users, cold - middle)


def warm_vectors(data: ColdStartData, model_dir: Path, store: Path) -> Floats:
    """Embed the warm tracks by a model: (n_warm, dim), unit length."""
    encoder, recipe = load_checkpoint(model_dir)
    return embed_mels(encoder, open_mels(data.warm, recipe, store))


@torch.inference_mode()
def embed_mels(encoder: AudioEncoder, log_mel: Mels) -> Floats:
    """Embed tracks from their stored log-mels.

    Parameters
    ----------
    encoder
        In evaluation mode.
    log_mel : (n_tracks, n_segments, n_mels, n_frames)

    Returns
    -------
    vectors : (n_tracks, dim)
    """
    rows = [encoder(torch.from_numpy(track[None].astype(np.float32))) for track in log_mel]
    return np.asarray(torch.cat(rows).numpy())


def tower_users(data: ColdStartData, model_dir: Path) -> Floats:
    """Embed every user by the user tower of a model, from their plays of the warm tracks it knows."""
    return _users_by(*_tower_of(data, model_dir), data)


def _tower_of(data: ColdStartData, model_dir: Path) -> tuple[UserTower, NDArray[np.int64]]:
    """Load the user tower of a model, with the row in it of each warm track; -1: it does not know the track."""
    tower, track_ids = load_user_tower(model_dir)
    row_of = {track_id: row for row, track_id in enumerate(track_ids)}
    return tower, np.array([row_of.get(track_id, -1) for track_id in data.warm.track_ids])


def _users_by(tower: UserTower, rows: NDArray[np.int64], data: ColdStartData) -> Floats:
    """Embed every user by a user tower, in which the warm tracks have these rows."""
    plays = data.plays.remap(rows)
    categories = numbers_of(data.users, tower.recipe.columns)
    return embed_users(tower, PlayTable(plays, data.n_users, recipe=tower.recipe, categories=categories))


def fitted_users(plays: PlayLog, tracks: Floats, *, n_users: int) -> Floats:
    """Fit each user's vector to the vectors of tracks they played.

    Parameters
    ----------
    plays
        Of these tracks.
    tracks : (n_tracks, dim)
        Their vectors, of mean 0.
    n_users
        Number of users.

    Returns
    -------
    users : (n_users, dim)
        Of any length.
    """
    signal, weight = weighted_signals(plays, (n_users, len(tracks)))
    mean = (weight * signal).sum(1) / np.maximum(weight.sum(1), 1e-9)
    signal.data -= np.repeat(mean, np.diff(signal.indptr)).astype(np.float32)
    return solve_rows(tracks, weight, weight * signal, ridge=USER_RIDGE)


def score_similarity(
    data: ColdStartData, similarity: SimilarityTable, *, method: str, seed: int, weights: NDArray[np.float32]
) -> Iterator[Result]:
    """Score a table of similarities on unseen artists, on seen ones, and on all."""
    for artists, kept in (("unseen", ~data.seen), ("seen", data.seen), ("all", np.ones_like(data.seen))):
        if kept.any():
            found = cold_start_metrics(
                similarity.of_tracks(kept), data.feedback[:, kept], data.heard[:, kept], weights=weights
            )
            yield from results_of(found, method=method, about={"artists": artists, "seed": seed})


def _upper_bound_rows(data: ColdStartData, *, seed: int, weights: NDArray[np.float32]) -> Iterator[Result]:
    """Score collaborative factors on held-out plays of warm tracks."""
    similarity, feedback, heard = warm_upper_bound(data, seed=seed)
    found = cold_start_metrics(similarity, feedback, heard, weights=weights)
    yield from results_of(found, method="collaborative factors, warm tracks", about={"artists": "all", "seed": seed})
