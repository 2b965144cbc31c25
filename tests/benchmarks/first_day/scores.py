"""Scores of the first-day benchmark: per user, then averaged with intervals over users."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from audio_engine.metrics.auc import auc_by_row
from audio_engine.metrics.bootstrap import mean_interval, user_weights
from audio_engine.metrics.ranking_quality import ranking_by_user, top_k
from audio_engine.metrics.results import Result, results_of
from metric_learning.play_log import PlayLog, feedback_table
from tests.benchmarks.first_day.data import FirstDay, place_of_each

K = 10
NEVER = -1e9  # score of what the user has heard

Floats = NDArray[np.float64]


def score_users(scores: NDArray[np.float32], day: FirstDay, first: PlayLog) -> dict[str, Floats]:
    """Compute the metrics of each late user, over all tracks but their first plays.

    Parameters
    ----------
    scores : (n_late, n_tracks)
        Of a method.
    day
        The data.
    first
        The first plays that the method was shown.

    Returns
    -------
    by metric : (n_late,)
        ``auc`` of liked against rejected, ``recall@10`` and ``ndcg@10`` of liked; NaN where undefined.
    """
    told = feedback_table(day.later, len(day.users), day.n_tracks)[day.late]
    row = np.full(len(day.users), -1)
    row[day.late] = np.arange(len(day.late))
    shown = first.where(row[first.user] >= 0)
    told[row[shown.user], shown.track] = 0
    scores = scores.copy()
    scores[row[shown.user], shown.track] = NEVER
    ranked = ranking_by_user(top_k(scores, K), told > 0)
    return {"auc": auc_by_row(scores, told > 0, told < 0)} | {
        name: ranked[name] for name in (f"recall@{K}", f"ndcg@{K}")
    }


def groups_of(day: FirstDay, *, n_plays: int) -> dict[str, NDArray[np.bool_]]:
    """Sort the late users: those who have so many first plays at all, and of them those whom the partner knows."""
    n_first = np.bincount(day.first.user[place_of_each(day.first) < n_plays], minlength=len(day.users))[day.late]
    known, enough = day.row_at_partner[day.late] >= 0, n_first >= n_plays
    return {"all": enough, "partner knows": enough & known, "partner does not": enough & ~known}


def summarise(
    by_method: Mapping[str, Mapping[str, Floats]], day: FirstDay, *, n_plays: int, seed: int = 0
) -> Iterator[Result]:
    """Average over users, and compare methods user by user.

    Parameters
    ----------
    by_method
        Of each method the metrics of each user, averaged over seeds.
    day, n_plays
        What they were computed from.
    seed
        Of the resamples.
    """
    weights = user_weights(len(day.late), seed=seed)
    pairs = (("federated", "federated without partner"), ("federated", "user tower"))
    rows = dict(by_method) | {
        f"{a} − {b}": {name: by_method[a][name] - by_method[b][name] for name in by_method[a]}
        for a, b in (*pairs, ("vector: federated", "vector: federated without partner"))
        if a in by_method and b in by_method
    }
    for group, members in groups_of(day, n_plays=n_plays).items():
        for method, metrics in rows.items():
            means = {
                name: mean_interval(np.where(members, values, np.nan), weights) for name, values in metrics.items()
            }
            about = {"first plays": n_plays, "users": group, "n": int(members.sum())}
            yield from results_of(means, method=method, about=about)
