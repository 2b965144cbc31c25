"""Sensitivity to audio: for each user, how far completion follows audio similarity to the tracks they own.

From plays and track vectors this computes one correlation per user, and the distribution over users. A user owns the
tracks they responded to (liked, or played for the most part), each weighted by how strongly.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kurtosis, normaltest, pearsonr, skew, spearmanr

from audio_engine.evaluation.cold_start.benchmark import warm_vectors
from audio_engine.evaluation.cold_start.data import build_mels, read_truth, read_world
from audio_engine.training.mel_cache import default_store
from metric_learning.model_files import DEFAULT_MODEL_DIR
from metric_learning.play_log import PlayLog

logger = logging.getLogger(__name__)

MIN_PLAYS = 8  # minimum number of plays of a user for a correlation
N_BINS = 40  # of the histogram

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """The distribution of the correlations of users."""

    n_users: int  # with enough plays
    mean: float
    deviation: float
    share_positive: float
    skewness: float
    excess_kurtosis: float
    normality_p: float  # of D'Agostino and Pearson's test; small: not normal
    truth_pearson: float | None = None  # with the true sensitivities, if known
    truth_spearman: float | None = None


def evaluate_sensitivity(  # noqa: PLR0913  (one command, with its options)
    world: Path,
    audio: Path,
    *,
    model: Path | None = None,
    histogram: Path | None = None,
    store: Path | None = None,
    n_workers: int = 1,
    on_progress: Callable[[str], None] = logger.info,
) -> Sensitivity:
    """Find how many users are sensitive to sound: what they finish sounds like what they own.

    Parameters
    ----------
    world, audio, store, n_workers, on_progress
        As `evaluate_cold_start` takes them; ``true_sensitivity.parquet`` in the world, where it is there, is only
        compared with.
    model
        Folder of a trained model; None: the one in the package.
    histogram
        A PNG file to draw the distribution of the users' correlations in; None: none is drawn.

    Returns
    -------
    sensitivity

    Raises
    ------
    FileNotFoundError
        When a table or the model is missing.
    ValueError
        When a table lacks a column, fewer than 20 users have `MIN_PLAYS` plays, or the audio of a track cannot be read.
    """
    data, model, store = read_world(world, audio), model or DEFAULT_MODEL_DIR, store or default_store()
    build_mels(data, [model], store, n_workers=n_workers, on_progress=on_progress)
    r = user_correlations(data.plays, warm_vectors(data, model, store), n_users=data.n_users)
    found = describe_sensitivity(r, read_truth(world))
    if histogram:
        draw_histogram(r, histogram)
    return found


def owned_similarity(plays: PlayLog, tracks: NDArray[np.float32]) -> Floats:
    """Compute how similar each track played sounds to the tracks the user owns.

    Parameters
    ----------
    plays
        Of these tracks.
    tracks : (n_tracks, dim)
        Unit vectors, from audio.

    Returns
    -------
    similarity : (n_plays,)
        ``S(m) = sum of w(n) cos(l(n), d(m)) / N`` over the N tracks that the user owns, excluding m itself; NaN for a
        user who owns no other.
    """
    weight = np.maximum(plays.signal(), 0).astype(np.float64)
    order = np.argsort(plays.user, kind="stable")
    similarity = np.full(len(plays), np.nan)
    for rows in np.split(order, np.flatnonzero(np.diff(plays.user[order])) + 1):
        track, owned = plays.track[rows], weight[rows]
        sounds = tracks[track].astype(np.float64)
        others = sounds @ sounds.T * (track[:, None] != track)
        n_owned = ((owned > 0) & (track[:, None] != track)).sum(1)
        similarity[rows] = np.divide(others @ owned, n_owned, out=np.full(len(rows), np.nan), where=n_owned > 0)
    return similarity


def user_correlations(plays: PlayLog, tracks: NDArray[np.float32], *, n_users: int) -> Floats:
    """Correlate, for each user, the audio similarity of tracks to those they own with their completion.

    Parameters
    ----------
    plays
        Of these tracks; plays of unknown completion are ignored.
    tracks : (n_tracks, dim)
        Unit vectors, from audio.
    n_users
        Number of users.

    Returns
    -------
    r : (n_users,)
        Pearson's; NaN for users with fewer than `MIN_PLAYS` plays or no variation.
    """
    similarity = owned_similarity(plays, tracks)
    good = ~np.isnan(similarity) & ~np.isnan(plays.completion)
    user, x, y = plays.user[good], similarity[good], plays.completion[good].astype(np.float64)
    count = np.bincount(user, minlength=n_users)
    mean = [np.bincount(user, values, n_users) / np.maximum(count, 1) for values in (x, y)]
    x, y = x - mean[0][user], y - mean[1][user]
    xx, yy, xy = (np.bincount(user, values, n_users) for values in (x * x, y * y, x * y))
    defined = (count >= MIN_PLAYS) & (xx > 1e-12) & (yy > 1e-12)
    r: Floats = np.divide(xy, np.sqrt(xx * yy), out=np.full(n_users, np.nan), where=defined)
    return r


def describe_sensitivity(r: Floats, truth: Floats | None = None) -> Sensitivity:
    """Describe the distribution of correlations, and how well they recover true sensitivities.

    Parameters
    ----------
    r : (n_users,)
        From `user_correlations`.
    truth : (n_users,)
        True sensitivities, NaN where unknown; None: unknown for everyone.

    Returns
    -------
    sensitivity

    Raises
    ------
    ValueError
        When fewer than 20 users have a correlation, the minimum of the test.

    References
    ----------
    R. D'Agostino, E. Pearson, Tests for departure from normality, Biometrika 1973.
    """
    found = r[~np.isnan(r)]
    if len(found) < 20:
        raise ValueError(f"users with {MIN_PLAYS} plays or more must be at least 20, got {len(found)}")
    known = ~np.isnan(r) & ~np.isnan(truth) if truth is not None else np.zeros(len(r), np.bool_)
    both = (r[known], truth[known]) if truth is not None and known.any() else None
    return Sensitivity(
        n_users=len(found),
        mean=float(found.mean()),
        deviation=float(found.std()),
        share_positive=float((found > 0).mean()),
        skewness=float(skew(found)),
        excess_kurtosis=float(kurtosis(found)),
        normality_p=float(normaltest(found).pvalue),
        truth_pearson=float(pearsonr(*both).statistic) if both else None,
        truth_spearman=float(spearmanr(*both).statistic) if both else None,
    )


def draw_histogram(r: Floats, path: Path) -> None:
    """Draw a histogram of users' correlations, with the normal curve of the same mean and deviation.

    Parameters
    ----------
    r : (n_users,)
        From `user_correlations`.
    path
        A PNG file.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415  (an extra, and slow to load)

    found = r[~np.isnan(r)]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    counts, edges, _ = axes.hist(found, bins=N_BINS, range=(-1, 1), color="0.6")
    x = np.linspace(-1, 1, 400)
    mean, deviation = found.mean(), max(float(found.std()), 1e-9)
    bell = np.exp(-0.5 * ((x - mean) / deviation) ** 2) / (deviation * np.sqrt(2 * np.pi))
    axes.plot(x, bell * np.asarray(counts).sum() * (edges[1] - edges[0]), color="0.1")
    axes.set_xlabel("correlation of audio similarity with completion")
    axes.set_ylabel("users")
    figure.savefig(path, dpi=120)
