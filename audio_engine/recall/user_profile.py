"""User profiles: what each user likes and dislikes, and one vector per user.

Similar-track recall scores a track by the weighted sum of its similarities to a user's liked tracks, minus its
similarity to disliked ones. Inner products are linear, so the sum over liked tracks equals one inner product with their
weighted sum: one search per user instead of one per liked track.

References
----------
J. Rocchio, Relevance feedback in information retrieval, in The SMART Retrieval System, 1971: the mean of
relevant vectors minus a share of the mean of the others. M. Deshpande, G. Karypis, Item-based top-N recommendation
algorithms, TOIS 2004: the sum of a track's similarities to the tracks of a basket. Measurements of each parameter:
docs/experiments/recall.md.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from metric_learning.play_log import PlayLog

Floats = NDArray[np.float32]

HALF_LIFE_DAYS = 120.0  # days after which a play counts half
DISLIKE_SHARE = 0.25  # of the mean disliked vector, taken off the mean liked one
SOUND_SHARE = 0.5  # of similar-track recall, beside the user tower


def play_weights(plays: PlayLog, *, now: float, half_life_days: float = HALF_LIFE_DAYS) -> Floats:
    """Compute the weight of each play today.

    Parameters
    ----------
    plays
        The log.
    now
        Day from which ages are counted.
    half_life_days
        Age in days at which a play counts half; infinite: all count alike.

    Returns
    -------
    weights : (n_plays,)
        ``signal * weight * 2^(-age / half_life)``: from 1 (liked today) over 0 to -1 (disliked or skipped today); a
        play without an action counts by the share that was heard, as `PlayLog.signal` says.
    """
    age = np.maximum(now - plays.day, 0.0)
    return np.asarray(plays.signal() * plays.weight() * np.exp2(-age / half_life_days), np.float32)


def tastes_of(
    plays: PlayLog, n_users: int, n_tracks: int, *, now: float, half_life_days: float = HALF_LIFE_DAYS
) -> csr_array:
    """Sum the weights of each user's plays of each track.

    Parameters
    ----------
    plays
        Of these users and tracks.
    n_users, n_tracks
        Size of the table.
    now, half_life_days
        As `play_weights`.

    Returns
    -------
    tastes : (n_users, n_tracks)
        Sparse: a cell for each pair that was played; above 0 liked, below 0 disliked, 0 played and no more. Repeated
        plays add up.
    """
    weights = play_weights(plays, now=now, half_life_days=half_life_days)
    tastes = csr_array((weights, (plays.user, plays.track)), shape=(n_users, n_tracks))
    tastes.sum_duplicates()
    return tastes


def taste_vectors(tastes: csr_array, vectors: Floats, *, dislike_share: float = DISLIKE_SHARE) -> Floats:
    """Compute a vector per user whose inner product with a track is the score of similar-track recall.

    Parameters
    ----------
    tastes : (n_users, n_tracks)
        As `tastes_of` sums them up.
    vectors : (n_tracks, dim)
        Of the tracks, unit length.
    dislike_share
        Weight of dislikes relative to likes.

    Returns
    -------
    users : (n_users, dim)
        ``sum_i w_i x_i / sum_i w_i - dislike_share * sum_j v_j x_j / sum_j v_j`` over liked i and disliked j, at unit
        length; zeros for a user who likes nothing.
    """
    liked, disliked = _mean_vectors(tastes, vectors, sign=1), _mean_vectors(tastes, vectors, sign=-1)
    wanted = liked - dislike_share * disliked
    wanted[~likes_something(tastes)] = 0.0
    return _unit(wanted)


def merged_vectors(tower: Floats, taste: Floats, *, sound_share: float = SOUND_SHARE) -> Floats:
    """Merge user-vector recall with similar-track recall: scores are weighted and summed, so vectors are.

    Parameters
    ----------
    tower : (n_users, dim)
        From the user tower, unit length.
    taste : (n_users, dim)
        From `taste_vectors`; zeros for a user who likes nothing.
    sound_share
        Weight of the taste vectors relative to the tower's.

    Returns
    -------
    users : (n_users, dim)
        Unit length.

    References
    ----------
    E. Fox, J. Shaw, Combination of multiple searches, TREC-2 1994: CombSUM, here with a weight.
    """
    return _unit(tower + sound_share * taste)


def likes_something(tastes: csr_array) -> NDArray[np.bool_]:
    """Tell which users like any track: (n_users,)."""
    return np.asarray(tastes.maximum(0).sum(axis=1) > 0).ravel()


def _unit(vectors: NDArray[np.floating]) -> Floats:
    """Cut vectors to unit length; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1.0), np.float32)


def _mean_vectors(tastes: csr_array, vectors: Floats, *, sign: int) -> NDArray[np.float64]:
    """Average the vectors of liked (1) or disliked (-1) tracks by their weights; zeros where there are none."""
    weights = (tastes * sign).maximum(0)
    total = np.asarray(weights.sum(axis=1), np.float64).reshape(-1, 1)
    return np.asarray((weights @ vectors.astype(np.float64)) / np.where(total > 0, total, 1.0))
