"""Predictions for held-out artists in, what is to be expected of a classifier out: accuracy, macro-F1, calibration."""

from dataclasses import dataclass

import numpy as np

from audio_engine.genre.folds import Integers
from audio_engine.genre.model import Floats
from audio_engine.metrics.bootstrap import Estimate, percentile_interval, resamples


@dataclass(frozen=True, kw_only=True)
class GenreCount:
    """How much there is of one genre."""

    genre: str
    n_tracks: int
    n_artists: int  # each track of unknown artist counts for one
    f1: float | None = None  # on held-out artists; None for a genre that was left out


@dataclass(frozen=True, kw_only=True)
class TrainingReport:
    """What a classifier learned from, and how well it did on artists that it had not heard."""

    source: str  # of the labels
    model_id: str  # of the encoder
    n_tracks: int
    n_artists: int  # known ones
    n_unknown_artist: int  # tracks
    n_unlabelled: int  # tracks, or rows of the table, without a genre
    n_absent: int  # rows of the table whose track is not in the catalogue
    genres: tuple[GenreCount, ...]
    left_out: tuple[GenreCount, ...]  # too few tracks or artists
    accuracy: Estimate  # 95 % interval over artists
    macro_f1: Estimate
    largest_share: float  # the accuracy of always saying the largest genre
    calibration_error: float  # expected calibration error, with the temperature
    plain_calibration_error: float  # … without it
    lucky_calibration_error: float  # … what a perfectly calibrated classifier shows on as many tracks, by chance
    strength: float  # C of the regression
    temperature: float
    min_similarity: float  # below it: "unknown"
    false_alarm_rate: float


@dataclass(frozen=True, kw_only=True)
class Scores:
    """How well held-out tracks were predicted."""

    accuracy: Estimate
    macro_f1: Estimate
    f1: Floats  # (n_genres,)


def score(predicted: Integers, genres: Integers, groups: Integers, *, n_genres: int, seed: int) -> Scores:
    """Score predictions; intervals by drawing whole artists again, since tracks of one artist err together.

    Parameters
    ----------
    predicted, genres, groups : (n,)
        Numbers of genres, and of artists, from 0.
    n_genres
        Of all.
    seed
        Decides the resamples.

    References
    ----------
    A. C. Davison, D. V. Hinkley, Bootstrap methods and their application, 1997, section 3.8: resampling clusters.
    """
    pairs = genres * n_genres + predicted
    n_groups = int(groups.max()) + 1
    drawn = (np.bincount(rows, minlength=n_groups) for rows in resamples(n_groups, seed))
    tables = (_confusion(pairs, times[groups], n_genres) for times in drawn)
    resampled = np.array([(_accuracy(table), np.nanmean(_f1(table))) for table in tables])
    table = _confusion(pairs, np.ones(len(pairs)), n_genres)
    f1 = _f1(table)
    return Scores(
        accuracy=percentile_interval(_accuracy(table), resampled[:, 0]),
        macro_f1=percentile_interval(float(np.nanmean(f1)), resampled[:, 1]),
        f1=f1,
    )


def _confusion(pairs: Integers, times: Integers | Floats, n_genres: int) -> Floats:
    """Count tracks by genre and prediction: (n_genres, n_genres)."""
    counts = np.bincount(pairs, times, minlength=n_genres**2)
    return counts.reshape(n_genres, n_genres).astype(np.float64)


def _accuracy(table: Floats) -> float:
    return float(np.trace(table) / table.sum())


def _f1(table: Floats) -> Floats:
    """Compute F1 of each genre (n_genres,); NaN for one that is neither there nor said."""
    there_and_said = table.sum(axis=0) + table.sum(axis=1)
    f1 = np.full(len(table), np.nan)
    np.divide(2 * np.diag(table), there_and_said, out=f1, where=there_and_said > 0)
    return f1
