"""Scoring of track vectors: users are fitted to the vectors of what they played, and tracks ranked for them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audio_engine.evaluation.cold_start.benchmark import fitted_users
from audio_engine.metrics.auc import auc_by_group
from audio_engine.metrics.bootstrap import Estimate, mean_interval
from audio_engine.metrics.ranking_quality import cold_start_metrics
from audio_engine.metrics.similarity_table import SimilarityTable
from tests.benchmarks.experiments.representations.data import Task

Floats = NDArray[np.float32]
SHOWN = ("auc_liked_rejected", "recall@10", "ndcg@10", "coverage@10", "gini@10")
BELOW_ALL = np.float32(-1e6)  # of a track that a user knows already


@dataclass(frozen=True, kw_only=True, eq=False)
class Score:
    """How well a method did on a task."""

    estimates: Mapping[str, Estimate]  # by metric
    auc_by_user: NDArray[np.float64]  # (n_users,) NaN where undefined


def table_of_vectors(task: Task, vectors: Floats) -> SimilarityTable:
    """Compare users with tracks; a track without a vector is as near to everyone as the mean track.

    Parameters
    ----------
    task
        With the plays that users' vectors are fitted to by ridge regression.
    vectors : (n_tracks, dim)
        Unit length, or zeros.
    """
    has_one = vectors.any(1)
    played = np.zeros(len(vectors), np.bool_)
    played[np.unique(task.plays.track)] = True
    middle = vectors[has_one & played].mean(0) if (has_one & played).any() else 0.0
    centred = np.where(has_one[:, None], vectors - middle, 0.0).astype(np.float32)
    users = fitted_users(task.plays.of_tracks(played), centred[played], n_users=task.n_users)
    return SimilarityTable.of_vectors(users, centred[task.judged])


def score(task: Task, table: SimilarityTable, weights: NDArray[np.float32]) -> Score:
    """Score similarities (n_users, n_candidates) on a task.

    Parameters
    ----------
    task
        With the truth.
    table
        Similarities.
    weights : (n_draws, n_users)
        From `user_weights`.
    """

    def unknown_only(rows: slice) -> NDArray[np.floating]:
        similarity = np.array(table.of_users(rows), np.float32)
        similarity[task.known[rows].tocoo().coords] = BELOW_ALL
        return similarity

    of_unknown = SimilarityTable(shape=table.shape, of_users=unknown_only)
    found = cold_start_metrics(of_unknown, task.feedback, task.heard, weights=weights)
    return Score(estimates={name: found[name] for name in SHOWN}, auc_by_user=auc_of_users(task, table))


def auc_of_users(task: Task, table: SimilarityTable) -> NDArray[np.float64]:
    """Compute for each user how often what they liked stands above what they rejected: (n_users,)."""
    users, _ = task.feedback.tocoo().coords
    near = np.concatenate([block[task.feedback[rows].tocoo().coords] for rows, block in table.blocks()])
    return np.asarray(auc_by_group(users, task.feedback.data > 0, near, n_groups=task.n_users)[0])


def difference(one: list[Score], other: list[Score], weights: NDArray[np.float32]) -> Estimate:
    """Estimate by how much one method's AUC is above another's, over users, both averaged over their seeds."""
    means = [np.mean([each.auc_by_user for each in scores], axis=0) for scores in (one, other)]
    return mean_interval(means[0] - means[1], weights)
