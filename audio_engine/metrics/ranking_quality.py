"""Ranking quality: how well similarities of users and tracks agree with likes, dislikes, skips and tracks never played.

Each metric takes similarities (n_users, n_tracks), some users at a time, and the feedback in the same shape; all tracks
are candidates. It returns one value per user (or track), NaN where undefined, and 95 % intervals from resampling users.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from audio_engine.metrics.auc import auc_by_group, auc_by_row
from audio_engine.metrics.bootstrap import Estimate, mean_interval, percentile_interval
from audio_engine.metrics.lists import coverage, gini
from audio_engine.metrics.similarity_table import SimilarityTable

K = 10  # length of a recommendation
SPARE_DRAWS = 200  # resamples for metrics where each costs a sort

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def top_k(similarity: NDArray[np.floating], k: int = K) -> NDArray[np.int64]:
    """Recommend to each user the k nearest tracks, nearest first; ties by column. Only those k are sorted.

    Parameters
    ----------
    similarity : (n_users, n_tracks)
        More is better; NaN is as -inf.
    k
        Number of tracks.

    Returns
    -------
    recommended : (n_users, min(k, n_tracks))
        Columns.
    """
    n_tracks = similarity.shape[1]
    if k >= n_tracks:
        return np.argsort(-similarity, axis=1, kind="stable")
    known = np.where(np.isnan(similarity), -np.inf, similarity)
    last = np.partition(known, n_tracks - k, axis=1)[:, n_tracks - k, np.newaxis]  # the similarity of the kth
    is_best = known >= last
    crowded = np.flatnonzero(is_best.sum(axis=1) > k)  # users for whom others are as near as the kth
    tied = known[crowded] == last[crowded]
    n_tied = k - (is_best[crowded] & ~tied).sum(axis=1, keepdims=True)
    is_best[crowded] &= ~tied | (tied.cumsum(axis=1) <= n_tied)
    found = np.nonzero(is_best)[1].reshape(-1, k)
    order = np.argsort(-np.take_along_axis(known, found, axis=1), axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1)


def ranking_by_user(recommended: NDArray[np.int64], liked: Bools) -> dict[str, Floats]:
    """Compute precision, recall and normalised discounted cumulative gain of recommendations.

    Parameters
    ----------
    recommended : (n_users, k)
        Columns, nearest first.
    liked : (n_users, n_tracks)
        The relevant tracks.

    Returns
    -------
    by metric : (n_users,)
        ``precision@k``, ``recall@k`` and ``ndcg@k``; NaN for users who liked nothing.

    References
    ----------
    K. Järvelin, J. Kekäläinen, Cumulated gain-based evaluation of IR techniques, TOIS 2002; gains 0 and 1, logarithm of
    base 2, ideal gain from min(k, number liked) tracks.
    """
    k = recommended.shape[1]
    hits = np.take_along_axis(liked, recommended, axis=1)
    n_liked = liked.sum(1)
    discount = 1 / np.log2(np.arange(k) + 2)
    ideal = np.concatenate([[0.0], np.cumsum(discount)])[np.minimum(n_liked, k)]
    some = np.where(n_liked > 0, 1.0, np.nan)
    return {
        f"precision@{k}": some * hits.mean(1),
        f"recall@{k}": some * hits.sum(1) / np.maximum(n_liked, 1),
        f"ndcg@{k}": some * (hits @ discount) / np.maximum(ideal, 1e-12),
    }


def track_auc(feedback: csr_array, similarity: Floats, weights: NDArray[np.float32]) -> Estimate:
    """Average over tracks the AUC of the users who liked it against those who rejected it.

    Parameters
    ----------
    feedback : (n_users, n_tracks)
        1 liked, -1 rejected.
    similarity : (n_cells,)
        Of each cell of `feedback`, in its order; comparable between users.
    weights : (n_draws, n_users)
        From `user_weights`; the first `SPARE_DRAWS` are used.

    Returns
    -------
    interval
    """
    users, tracks = feedback.tocoo().coords
    liked, n_tracks = feedback.data > 0, feedback.shape[1]
    by_track = auc_by_group(tracks, liked, similarity, n_groups=n_tracks)[0]
    if np.isnan(by_track).all():
        return Estimate(value=np.nan, low=np.nan, high=np.nan)
    resamples = (weight[users].astype(np.float64) for weight in weights[:SPARE_DRAWS])
    draws = auc_by_group(tracks, liked, similarity, n_groups=n_tracks, weights=resamples)
    draws = draws[~np.isnan(draws).all(axis=1)]  # of few users, one may draw none that can be compared
    return percentile_interval(float(np.nanmean(by_track)), np.nanmean(draws, axis=1))


def spread(recommended: NDArray[np.int64], n_tracks: int, weights: NDArray[np.float32]) -> dict[str, Estimate]:
    """Compute the share of tracks recommended to anyone, and how unevenly.

    Parameters
    ----------
    recommended : (n_users, k)
        Columns.
    n_tracks
        Number of candidates.
    weights : (n_draws, n_users)
        From `user_weights`.

    Returns
    -------
    by metric
        ``coverage@k`` and ``gini@k``.
    """
    n_users, k = recommended.shape
    starts = np.arange(0, n_users * k + 1, k) if k else np.zeros(n_users + 1, np.int64)
    shown = csr_array((np.ones(n_users * k, np.float32), recommended.ravel(), starts), shape=(n_users, n_tracks))
    counts, once = weights @ shown, np.asarray(shown.sum(0))
    return {
        f"coverage@{k}": percentile_interval(float(coverage(once)), coverage(counts)),
        f"gini@{k}": percentile_interval(float(gini(once)), gini(counts)),
    }


def cold_start_metrics(
    similarity: SimilarityTable, feedback: csr_array, heard: csr_array, *, weights: NDArray[np.float32]
) -> dict[str, Estimate]:
    """Compute every metric of the cold-start evaluation.

    Parameters
    ----------
    similarity : (n_users, n_tracks)
        More is better; all tracks are candidates.
    feedback : (n_users, n_tracks)
        1 liked, -1 disliked or skipped, no cell otherwise.
    heard : (n_users, n_tracks)
        A cell where the user has played the track.
    weights : (n_draws, n_users)
        From `user_weights`.

    Returns
    -------
    by metric

    Raises
    ------
    ValueError
        When the tables differ in shape, or a similarity is not finite.
    """
    if not similarity.shape == feedback.shape == heard.shape:
        raise ValueError(
            "similarity, feedback and heard must have the same shape, "
            f"got {similarity.shape}, {feedback.shape} and {heard.shape}"
        )
    parts = [_of_block(block, feedback[rows], heard[rows]) for rows, block in similarity.blocks()]
    recommended = np.concatenate([part.recommended for part in parts])
    by_user = {name: np.concatenate([part.by_user[name] for part in parts]) for name in parts[0].by_user}
    found = {name: mean_interval(values, weights) for name, values in by_user.items()}
    found["track_auc"] = track_auc(feedback, np.concatenate([part.of_feedback for part in parts]), weights)
    return found | spread(recommended, similarity.shape[1], weights)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Block:
    """What the metrics need of some users."""

    by_user: dict[str, Floats]  # metric of each
    recommended: NDArray[np.int64]  # (n_users, k)
    of_feedback: Floats  # (n_cells,) similarity of each cell of feedback


def _of_block(similarity: NDArray[np.floating], feedback: csr_array, heard: csr_array) -> _Block:
    """Rank all tracks for some users."""
    if not np.isfinite(similarity).all():
        raise ValueError(f"similarity must be finite, got {int((~np.isfinite(similarity)).sum())} cells that are not")
    told = feedback.toarray()
    liked, recommended = told > 0, top_k(similarity)
    by_user = {
        "auc_liked_rejected": auc_by_row(similarity, liked, told < 0),
        "auc_liked_unobserved": auc_by_row(similarity, liked, ~heard.toarray()),
        **ranking_by_user(recommended, liked),
    }
    return _Block(by_user=by_user, recommended=recommended, of_feedback=similarity[feedback.tocoo().coords])
