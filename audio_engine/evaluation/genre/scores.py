"""Scores of the genre benchmark: accuracy, areas, intervals, and significance tests between encoders."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, friedmanchisquare
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

from audio_engine.metrics.auc import auc_by_row

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class GenreScore:
    """The scores of one genre."""

    genre: str
    precision: float
    recall: float
    f1: float
    n: int  # tracks


def per_genre(truth: Labels, answers: Labels, genres: Sequence[str]) -> list[GenreScore]:
    """Score each genre: truth and answers are numbers of genres, (n_tracks,)."""
    columns = precision_recall_fscore_support(truth, answers, labels=range(len(genres)), zero_division=0.0)
    return [
        GenreScore(genre=genre, precision=float(precision), recall=float(recall), f1=float(f1), n=int(n))
        for genre, precision, recall, f1, n in zip(genres, *columns, strict=True)
    ]


def mcnemar(first: Bools, second: Bools) -> float:
    """Compute the p-value of two encoders being equal, from the tracks that only one of them predicts correctly.

    The exact test: a binomial test on the tracks that exactly one of them predicts correctly. It assumes independent
    tracks, which those of one artist are not: if it disagrees with the interval, trust the interval.

    References
    ----------
    Q. McNemar, Note on the sampling error of the difference between correlated proportions, Psychometrika 12, 1947.
    """
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    n = only_first + only_second
    return float(binomtest(only_first, n).pvalue) if n else 1.0


def friedman(values: Sequence[Floats]) -> float | None:
    """Compute the p-value of three or more encoders being equal; None for fewer.

    Parameters
    ----------
    values
        Of each encoder, over the same blocks: tracks predicted correctly or not (this is Cochran's Q), or scores by
        genre.

    References
    ----------
    M. Friedman, The use of ranks to avoid the assumption of normality, JASA 32, 1937.
    """
    if len(values) < 3:
        return None
    if all(np.array_equal(values[0], each) for each in values[1:]):
        return 1.0
    return float(friedmanchisquare(*values).pvalue)


def areas(truth: Labels, probabilities: Floats) -> tuple[Floats, Floats]:
    """Area under ROC and average precision of each genre: truth and probabilities are (n_tracks, n_genres).

    Both are NaN for a genre that all tracks have, or none.
    """
    defined = truth.any(axis=0) & ~truth.all(axis=0)
    precision = np.full(truth.shape[1], np.nan)
    precision[defined] = average_precision_score(truth[:, defined], probabilities[:, defined], average=None)
    return auc_by_row(probabilities.T, truth.T > 0, truth.T == 0), precision
