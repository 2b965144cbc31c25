"""Metrics of predicted like probabilities: ranking quality and calibration.

From plays with their user, whether they were liked, and the predicted probability, each metric returns its value
followed by its values in resamples of the users, so that two rankers can be compared draw by draw.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.metrics.bootstrap import Estimate
from audio_engine.metrics.ranking_quality import interval

N_BINS = 15  # of equal width, over which calibration is judged
MIN_PROBABILITY = 1e-6  # clipping bound, so that one mistake cannot dominate the log loss

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


def measure(user: Ints, liked: Bools, probability: Floats, *, weights: NDArray[np.float32]) -> dict[str, Floats]:
    """Compute every measure, on all users and on each resample.

    Parameters
    ----------
    user, liked, probability : (n_plays,)
        Rows of users; whether they liked it; the predicted probability.
    weights : (n_draws, n_users)
        From `audio_engine.metrics.ranking_quality.user_weights`.

    Returns
    -------
    by measure : (1 + n_draws,)
        ``user_auc`` (mean over user_vectors who liked and rejected something), ``auc`` (over all plays together),
        ``log_loss`` and ``ece``; the value, then the resamples.
    """
    everyone = np.concatenate([np.ones((1, weights.shape[1])), weights.astype(np.float64)])
    return {
        "user_auc": _mean_over_users(user_auc(user, liked, probability, n_users=weights.shape[1]), everyone),
        "auc": weighted_auc(user, liked, probability, everyone),
        "log_loss": _log_loss(user, liked, probability, everyone),
        "ece": calibration_error(user, liked, probability, everyone),
    }


def estimate(draws: Floats) -> Estimate:
    """Return the value, and the central 95 % of its resamples."""
    return interval(float(draws[0]), draws[1:])


def user_auc(user: Ints, liked: Bools, probability: Floats, *, n_users: int) -> Floats:
    """Compute for each user how often a liked play ranks above a rejected one (ties: half).

    Returns
    -------
    auc : (n_users,)
        NaN for users who liked nothing or rejected nothing.

    References
    ----------
    J. Hanley, B. McNeil, The meaning and use of the area under a ROC curve, Radiology 1982: the Mann-Whitney form. H.
    Zhu et al., Optimized cost per click in Taobao display advertising, KDD 2017, section 5: by user.
    """
    table = pl.DataFrame({"user": user, "liked": liked, "rank": probability})
    ranked = table.with_columns(pl.col("rank").rank("average").over("user"), liked=pl.col("liked").cast(pl.Int64))
    by_user = ranked.group_by("user").agg(
        (pl.col("rank") * pl.col("liked")).sum().alias("ranks"), pl.col("liked").sum(), pl.len().alias("n")
    )
    n_liked, n = by_user["liked"].to_numpy().astype(np.float64), by_user["n"].to_numpy()
    pairs = n_liked * (n - n_liked)
    wins = by_user["ranks"].to_numpy() - n_liked * (n_liked + 1) / 2
    auc = np.full(n_users, np.nan)
    auc[by_user["user"].to_numpy()] = np.divide(wins, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
    return auc


def weighted_auc(user: Ints, liked: Bools, probability: Floats, weights: Floats) -> Floats:
    """Compute the area under the ROC curve of all plays together, each user's plays counted by a weight.

    Parameters
    ----------
    user, liked, probability : (n_plays,)
        As `measure`.
    weights : (n_draws, n_users)
        How often each user occurs in each resample.

    Returns
    -------
    auc : (n_draws,)
    """
    order = np.argsort(probability, kind="stable")
    user, liked, ordered = user[order], liked[order], probability[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-np.inf) > 0)
    found = []
    for weight in weights:
        up = np.add.reduceat(weight[user] * liked, starts)
        down = np.add.reduceat(weight[user] * ~liked, starts)
        found.append((up * (np.cumsum(down) - down / 2)).sum() / (up.sum() * down.sum()))
    return np.array(found)


def calibration_error(user: Ints, liked: Bools, probability: Floats, weights: Floats) -> Floats:
    """Compute the expected calibration error over `N_BINS` bins of equal width.

    Parameters
    ----------
    user, liked, probability : (n_plays,)
        As `measure`.
    weights : (n_draws, n_users)
        How often each user occurs in each resample.

    Returns
    -------
    error : (n_draws,)
        Mean distance between the predicted probability and the share liked, weighted by the plays of a bin.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun, K. Weinberger, On calibration of modern neural networks, ICML 2017, eq. 3.
    """
    gap = np.zeros((weights.shape[1], N_BINS))
    np.add.at(gap, (user, _bin(probability)), probability - liked)
    n_plays = np.bincount(user, minlength=weights.shape[1])
    return np.asarray(np.abs(weights @ gap).sum(1) / (weights @ n_plays))


def reliability(liked: Bools, probability: Floats) -> list[dict[str, float]]:
    """Return for each non-empty bin its number of plays, mean predicted probability and share liked."""
    bins = _bin(probability)
    return [
        {
            "low": float(i / N_BINS),
            "high": float((i + 1) / N_BINS),
            "n": int((bins == i).sum()),
            "said": float(probability[bins == i].mean()),
            "liked": float(liked[bins == i].mean()),
        }
        for i in np.unique(bins)
    ]


def mean_draws(draws: Sequence[Floats]) -> Floats:
    """Average a measure over seeds, resample by resample."""
    return np.asarray(np.mean(np.stack(draws), axis=0))


def _mean_over_users(values: Floats, weights: Floats) -> Floats:
    """Average the defined values: (n_users,) and (n_draws, n_users) to (n_draws,)."""
    defined = ~np.isnan(values)
    return np.asarray(weights[:, defined] @ values[defined] / weights[:, defined].sum(1))


def _log_loss(user: Ints, liked: Bools, probability: Floats, weights: Floats) -> Floats:
    """Compute the mean negative log probability of the outcomes."""
    predicted = np.clip(np.where(liked, probability, 1 - probability), MIN_PROBABILITY, 1)
    loss = np.bincount(user, weights=-np.log(predicted), minlength=weights.shape[1])
    return np.asarray(weights @ loss / (weights @ np.bincount(user, minlength=weights.shape[1])))


def _bin(probability: Floats) -> Ints:
    """Return the bin of each probability; 1 falls in the last."""
    return np.minimum((probability * N_BINS).astype(np.int64), N_BINS - 1)
