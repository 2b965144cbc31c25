"""Metrics of predicted like probabilities: ranking quality and calibration.

From plays with their user, whether they were liked, and the predicted probability, each metric returns its value
followed by its values in resamples of the users, so that two rankers can be compared draw by draw.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from audio_engine.metrics.auc import auc_by_group

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
        From `audio_engine.metrics.bootstrap.user_weights`.

    Returns
    -------
    by measure : (1 + n_draws,)
        ``user_auc`` (mean over users who liked and rejected something), ``auc`` (over all plays together),
        ``log_loss`` and ``ece``; the value, then the resamples.
    """
    everyone = np.concatenate([np.ones((1, weights.shape[1])), weights.astype(np.float64)])
    return {
        "user_auc": _mean_over_users(auc_by_group(user, liked, probability, n_groups=weights.shape[1])[0], everyone),
        "auc": auc_of_all(user, liked, probability, everyone),
        "log_loss": _log_loss(user, liked, probability, everyone),
        "ece": calibration_error(user, liked, probability, everyone),
    }


def auc_of_all(user: Ints, liked: Bools, probability: Floats, weights: Floats) -> Floats:
    """Compute the AUC of all plays together (n_draws,), each user's plays counted by a weight: (n_draws, n_users)."""
    by_draw = (weight[user] for weight in weights)
    return auc_by_group(np.zeros_like(user), liked, probability, n_groups=1, weights=by_draw)[:, 0]


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
