"""Baselines of the cold-start benchmark: each is trained on warm tracks, then scores cold ones.

Every function returns the similarities (n_users, n_cold); more is better. Settings are chosen within the warm
tracks, by cross-validation over artists.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.metrics.pairwise import euclidean_distances, rbf_kernel
from sklearn.model_selection import GroupKFold

from audio_engine.evaluation.cold_start.data import ColdStartData
from audio_engine.evaluation.cold_start.factors import Factors, collaborative_factors, weighted_signals
from audio_engine.evaluation.cold_start.mel_statistics import (
    mean_and_deviation,
    mfcc_statistics,
    rich_statistics,
    standardise_groups,
)
from audio_engine.metrics.similarity_table import SimilarityTable
from features.recipe import MelRecipe
from metric_learning.listening_data import Mels
from metric_learning.play_log import feedback_cells, played_cells

Floats = NDArray[np.float32]
NEARNESS = 0.4  # of cosine, over which a neighbour's vote falls to a third; chosen on valid_cold
N_FOLDS = 5  # of artists
RIDGES = (0.03, 0.1, 0.3, 1.0, 3.0)  # of the linear baseline, per unit of the kernel's diagonal
RBF_SHARPNESS, RBF_RIDGE = 0.3, 0.1  # over the median squared distance, and of the kernel; chosen on valid_cold


@dataclass(frozen=True, kw_only=True)
class TrackStatistics:
    """What the baselines know of the sound of tracks, standardised over the warm ones, which are the first rows."""

    simple: Floats  # (n_warm + n_cold, n) mean and deviation of the bands
    mfcc: Floats
    rich: Floats


def track_statistics(log_mels: Sequence[Mels], recipe: MelRecipe) -> TrackStatistics:
    """Describe the sound of tracks, reading each once.

    Parameters
    ----------
    log_mels
        Of warm tracks, and of cold ones: (n_tracks, n_segments, n_mels, n_frames).
    recipe
        Of the log-mels.
    """
    described = []
    for stored in chain.from_iterable(log_mels):
        track = np.asarray(stored, np.float32)
        described.append((mean_and_deviation(track), mfcc_statistics(track), *rich_statistics(track, recipe)))
    simple, mfcc, *rich = (np.stack(group) for group in zip(*described, strict=True))
    is_warm = np.arange(len(simple)) < len(log_mels[0])
    return TrackStatistics(
        simple=standardise_groups([simple], is_warm),
        mfcc=standardise_groups([mfcc], is_warm),
        rich=standardise_groups(rich, is_warm),
    )


def random_similarity(data: ColdStartData, *, seed: int) -> SimilarityTable:
    """Draw random similarities, the same for a user each time."""
    n_cold = len(data.cold)

    def draw(rows: slice) -> Floats:
        users = range(data.n_users)[rows]
        return np.stack([np.random.default_rng([seed, user]).random(n_cold, np.float32) for user in users])

    return SimilarityTable(shape=(data.n_users, n_cold), of_users=draw)


def artist_mean(data: ColdStartData, factors: Factors) -> SimilarityTable:
    """Represent a cold track by the mean of its artist's warm ones; without any, all users get the same score."""
    keys, artist = np.unique(np.array(data.warm.artist_keys), return_inverse=True)
    known = csr_array((np.ones(len(artist), np.float32), (artist, np.arange(len(artist)))))  # of artists and tracks
    means = (known @ (factors.tracks - factors.tracks.mean(0))) / np.bincount(artist)[:, None]
    place = {key: row for row, key in enumerate(keys)}
    rows = np.array([place.get(key, len(keys)) for key in data.cold.artist_keys])
    return SimilarityTable.of_vectors(factors.users, np.vstack([means, np.zeros_like(means[:1])])[rows])


def neighbour_votes(data: ColdStartData, statistics: Floats) -> SimilarityTable:
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
    warm, cold = unit[: len(data.warm)], unit[len(data.warm) :]
    signal, weight = weighted_signals(data.plays, (data.n_users, len(data.warm)))
    opinion = csr_array(signal * weight)

    def vote(rows: slice) -> Floats:
        played = np.unique(opinion[rows].indices)
        return np.asarray(opinion[rows][:, played] @ np.exp((warm[played] @ cold.T - 1) / NEARNESS))

    return SimilarityTable(shape=(data.n_users, len(cold)), of_users=vote)


def ridge_to_factors(data: ColdStartData, factors: Factors, statistics: Floats) -> SimilarityTable:
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
    return SimilarityTable.of_vectors(factors.users, (cold @ (warm.T @ weights) + middle).astype(np.float32))


def kernel_ridge_to_factors(data: ColdStartData, factors: Factors, statistics: Floats) -> SimilarityTable:
    """Predict collaborative factors from statistics by regression with a Gaussian kernel."""
    warm, cold = statistics[: len(data.warm)], statistics[len(data.warm) :]
    squared = euclidean_distances(warm, squared=True)
    gamma = RBF_SHARPNESS / float(np.median(squared[squared > 0]))
    middle = factors.tracks.mean(0)
    weights = _solve(rbf_kernel(warm, gamma=gamma), factors.tracks - middle, RBF_RIDGE)
    tracks = (rbf_kernel(cold, warm, gamma=gamma) @ weights + middle).astype(np.float32)
    return SimilarityTable.of_vectors(factors.users, tracks)


def baseline_similarities(
    data: ColdStartData, statistics: TrackStatistics, *, seed: int
) -> Iterator[tuple[str, SimilarityTable]]:
    """Train every baseline and score the cold tracks.

    Parameters
    ----------
    data
        The world.
    statistics
        Of its tracks.
    seed
        Seed of all randomness in training.

    Yields
    ------
    method, similarity
        The name, and (n_users, n_cold).
    """
    factors = collaborative_factors(data.plays, (data.n_users, len(data.warm)), seed=seed)

    yield "random", random_similarity(data, seed=seed)
    yield "artist mean", artist_mean(data, factors)
    yield "MFCC nearest neighbours", neighbour_votes(data, statistics.mfcc)
    yield "mel statistics nearest neighbours", neighbour_votes(data, statistics.simple)
    yield "ridge, mel statistics", ridge_to_factors(data, factors, statistics.simple)
    yield "kernel ridge, rich statistics", kernel_ridge_to_factors(data, factors, statistics.rich)


def warm_upper_bound(
    data: ColdStartData, *, seed: int, hidden_share: float = 0.2
) -> tuple[SimilarityTable, csr_array, csr_array]:
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
    visible = played_cells(open_plays, *shape)
    lengths = [np.linalg.norm(vectors, axis=1).max() for vectors in (factors.users, factors.tracks)]
    below_all = -float(np.prod(lengths)) - 1

    def predict(rows: slice) -> Floats:
        similarity = factors.users[rows] @ factors.tracks.T
        similarity[visible[rows].tocoo().coords] = below_all
        return similarity

    table = SimilarityTable(shape=shape, of_users=predict)
    return table, feedback_cells(truth, *shape), played_cells(data.plays, *shape)


def _solve(kernel: NDArray[np.floating], target: Floats, ridge: float) -> NDArray[np.floating]:
    """Solve for the weights of the training tracks."""
    scale = float(np.diag(kernel).mean())
    return np.asarray(np.linalg.solve(kernel + ridge * scale * np.eye(len(kernel)), target))
