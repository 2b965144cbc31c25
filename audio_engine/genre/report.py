"""Training report of a genre classifier: expected accuracy, macro-F1 and calibration on held-out artists."""

from dataclasses import dataclass

import numpy as np

from audio_engine.genre.folds import Integers
from audio_engine.genre.model import Floats
from audio_engine.metrics.bootstrap import Estimate, bootstrap, bootstrap_mean


@dataclass(frozen=True, kw_only=True)
class GenreCount:
    """Counts of one genre."""

    genre: str
    n_tracks: int
    n_artists: int  # each track of unknown artist counts as one
    f1: float | None = None  # on held-out artists; None for a genre that was left out


@dataclass(frozen=True, kw_only=True)
class TrainingReport:
    """The training data of a classifier, and its performance on held-out artists."""

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
    largest_share: float  # the accuracy of always predicting the largest genre
    calibration_error: float  # expected calibration error, with the temperature
    plain_calibration_error: float  # … without it
    lucky_calibration_error: float  # … of a perfectly calibrated classifier on as many tracks, by chance
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
    """Score predictions; intervals resample whole artists, since errors on one artist's tracks are correlated.

    Parameters
    ----------
    predicted, genres, groups : (n,)
        Numbers of genres, and of artists, from 0.
    n_genres
        Number of all genres.
    seed
        Seed of the resamples.
    """
    pairs, n_groups = genres * n_genres + predicted, int(groups.max()) + 1

    def f1_of(drawn: Integers) -> Floats:
        """Compute F1 of each genre, where the artists are as often there as they were drawn."""
        return _f1(_confusion(pairs, np.bincount(drawn, minlength=n_groups)[groups], n_genres))

    return Scores(
        accuracy=bootstrap_mean(predicted == genres, groups=groups, seed=seed),
        macro_f1=bootstrap(lambda drawn: np.nanmean(f1_of(drawn)), np.arange(n_groups), seed=seed),
        f1=f1_of(np.arange(n_groups)),
    )


def _confusion(pairs: Integers, times: Integers | Floats, n_genres: int) -> Floats:
    """Count tracks by genre and prediction: (n_genres, n_genres)."""
    counts = np.bincount(pairs, times, minlength=n_genres**2)
    return counts.reshape(n_genres, n_genres).astype(np.float64)


def _f1(table: Floats) -> Floats:
    """Compute F1 of each genre (n_genres,); NaN for one that neither occurs nor is predicted."""
    there_and_said = table.sum(axis=0) + table.sum(axis=1)
    f1 = np.full(len(table), np.nan)
    np.divide(2 * np.diag(table), there_and_said, out=f1, where=there_and_said > 0)
    return f1
