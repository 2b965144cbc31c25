"""Baselines of the cold-start benchmark: each is trained on warm tracks, then scores cold ones.

Every function returns a table of similarities (n_users, n_cold); more is better. Settings are chosen within the warm
tracks, by cross-validation over artists.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics.pairwise import euclidean_distances, rbf_kernel
from sklearn.model_selection import GroupKFold

from audio_engine.evaluation.cold_start.data import ColdStartData
from audio_engine.evaluation.cold_start.factors import Factors, collaborative_factors
from audio_engine.evaluation.cold_start.mel_statistics import (
    mean_and_deviation,
    mfcc_statistics,
    rich_statistics,
    standardise_groups,
)
from features.recipe import MelRecipe
from metric_learning.play_log import feedback_table, played_table

Floats = NDArray[np.float32]
NEARNESS = 0.4  # of cosine, over which a neighbour's vote falls to a third; chosen on valid_cold
N_FOLDS = 5  # of artists
RIDGES = (0.03, 0.1, 0.3, 1.0, 3.0)  # of the linear baseline, per unit of the kernel's diagonal
RBF_SHARPNESS, RBF_RIDGE = 0.3, 0.1  # over the median squared distance, and of the kernel; chosen on valid_cold


def random_similarity(data: ColdStartData, *, seed: int) -> Floats:
    """Draw random similarities."""
    return np.random.default_rng(seed).random((data.n_users, len(data.cold)), np.float32)


def artist_mean(data: ColdStartData, factors: Factors) -> Floats:
    """Represent a cold track by the mean of its artist's warm ones; without any, all users get the same score."""
    warm_keys, middle = np.array(data.warm.artist_keys), factors.tracks.mean(0)
    rows = [factors.tracks[warm_keys == key] - middle for key in data.cold.artist_keys]
    tracks = np.stack([own.mean(0) if len(own) else np.zeros_like(middle) for own in rows])
    return _similarity(factors.users, tracks)


def neighbour_votes(data: ColdStartData, statistics: Floats) -> Floats:
    """Score a track by votes of the tracks a user played, weighted by audio similarity: likes for, rejections against.

    Parameters
    ----------
    data
        The warm plays: likes, rejections and completion.
    statistics : (n_warm + n_cold, n)
        Compared by cosine.

    Returns
    -------
    similarity : (n_users, n_cold)

    References
    ----------
    B. Sarwar et al., Item-based collaborative filtering recommendation algorithms, WWW 2001, eq. 5; content instead of
    ratings for the similarity, and an exponential instead of a cut after k neighbours.
    """
    unit = statistics / np.linalg.norm(statistics, axis=1, keepdims=True)
    near = np.exp((unit[len(data.warm) :] @ unit[: len(data.warm)].T - 1) / NEARNESS)
    opinion = np.zeros((data.n_users, len(data.warm)), np.float32)
    opinion[data.plays.user, data.plays.track] = data.plays.signal() * data.plays.weight()
    return _similarity(opinion, near)


def ridge_to_factors(data: ColdStartData, factors: Factors, statistics: Floats) -> Floats:
    """Predict collaborative factors from statistics by linear regression, with the ridge chosen on held-out artists."""
    warm, cold = statistics[: len(data.warm)], statistics[len(data.warm) :]
    kernel, middle = warm @ warm.T, factors.tracks.mean(0)
    target = factors.tracks - middle
    folds = list(GroupKFold(N_FOLDS).split(target, groups=data.warm.artist_keys))

    def error(ridge: float) -> float:
        misses = [
            kernel[np.ix_(test, train)] @ _solve(kernel[np.ix_(train, train)], target[train], ridge) - target[test]
            for train, test in folds
        ]
        return float(sum((miss**2).sum() for miss in misses))

    weights = _solve(kernel, target, min(RIDGES, key=error))
    return _similarity(factors.users, (cold @ warm.T @ weights + middle).astype(np.float32))


def kernel_ridge_to_factors(data: ColdStartData, factors: Factors, statistics: Floats) -> Floats:
    """Predict collaborative factors from statistics by regression with a Gaussian kernel."""
    warm, cold = statistics[: len(data.warm)], statistics[len(data.warm) :]
    squared = euclidean_distances(warm, squared=True)
    gamma = RBF_SHARPNESS / float(np.median(squared[squared > 0]))
    middle = factors.tracks.mean(0)
    weights = _solve(rbf_kernel(warm, gamma=gamma), factors.tracks - middle, RBF_RIDGE)
    return _similarity(factors.users, (rbf_kernel(cold, warm, gamma=gamma) @ weights + middle).astype(np.float32))


def baseline_similarities(
    data: ColdStartData, log_mel: NDArray[np.float16], recipe: MelRecipe, *, seed: int
) -> Iterator[tuple[str, Floats]]:
    """Train every baseline and score the cold tracks.

    Parameters
    ----------
    data
        The world.
    log_mel : (n_warm + n_cold, n_segments, n_mels, n_frames)
        Warm tracks first.
    recipe
        Of the log-mel.
    seed
        Seed of all randomness in training.

    Yields
    ------
    method, similarity
        The name, and (n_users, n_cold).
    """
    n_warm = len(data.warm)
    is_warm = np.arange(len(log_mel)) < n_warm
    tracks = [np.asarray(track, np.float32) for track in log_mel]
    simple = standardise_groups([np.stack([mean_and_deviation(track) for track in tracks])], is_warm)
    mfcc = standardise_groups([np.stack([mfcc_statistics(track) for track in tracks])], is_warm)
    groups = zip(*(rich_statistics(track, recipe) for track in tracks), strict=True)
    rich = standardise_groups([np.stack(group) for group in groups], is_warm)
    factors = collaborative_factors(data.plays, (data.n_users, n_warm), seed=seed)

    yield "random", random_similarity(data, seed=seed)
    yield "artist mean", artist_mean(data, factors)
    yield "MFCC nearest neighbours", neighbour_votes(data, mfcc)
    yield "mel statistics nearest neighbours", neighbour_votes(data, simple)
    yield "ridge, mel statistics", ridge_to_factors(data, factors, simple)
    yield "kernel ridge, rich statistics", kernel_ridge_to_factors(data, factors, rich)


def warm_upper_bound(
    data: ColdStartData, *, seed: int, hidden_share: float = 0.2
) -> tuple[Floats, NDArray[np.int8], NDArray[np.bool_]]:
    """Factorise part of the warm plays and score the rest: the gain possible when plays are known.

    Parameters
    ----------
    data
        Warm plays.
    seed
        Seed of the hidden plays.
    hidden_share
        Of the warm plays.

    Returns
    -------
    similarity : (n_users, n_warm)
        Tracks in the visible plays rank below all others.
    feedback, heard : (n_users, n_warm)
        Of the hidden plays.
    """
    hidden = np.random.default_rng(seed).random(len(data.plays)) < hidden_share
    shape = (data.n_users, len(data.warm))
    open_plays, truth = data.plays.where(~hidden), data.plays.where(hidden)
    factors = collaborative_factors(open_plays, shape, seed=seed)
    similarity = factors.users @ factors.tracks.T
    similarity[open_plays.user, open_plays.track] = similarity.min() - 1
    return similarity, feedback_table(truth, *shape), played_table(data.plays, *shape)


def _solve(kernel: NDArray[np.floating], target: Floats, ridge: float) -> NDArray[np.floating]:
    """Solve for the weights of the training tracks."""
    scale = float(np.diag(kernel).mean())
    return np.asarray(np.linalg.solve(kernel + ridge * scale * np.eye(len(kernel)), target))


def _similarity(users: Floats, tracks: Floats) -> Floats:
    """Compare every user with every track: (n_users, n_tracks)."""
    return np.asarray(users @ tracks.T)
