"""Genre classifiers on frozen vectors: three kinds, with settings chosen by inner cross-validation.

The test fold is never used: scaling, PCA and settings come from the training tracks, and inner folds keep artists
together as the outer ones do. Each segment is an example; the probabilities of a track are the mean over its segments.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedGroupKFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from audio_engine.evaluation.genre.choices import Kind
from audio_engine.evaluation.genre.protocols import Fold
from audio_engine.evaluation.representations import Vectors

N_INNER_FOLDS = 3
PCA_DIM = 40  # numbers in our vector, to which longer ones are reduced
REGULARISATION = (0.001, 0.01, 0.1, 1.0)  # C of logistic regression
NEIGHBOURS = (1, 5, 15, 45)
WEIGHT_DECAY = (0.001, 0.1, 1.0, 10.0)  # alpha of the MLP
HIDDEN = 64  # units of the MLP
MLP_PASSES = 150  # passes over the training examples, a fixed budget
LOGISTIC_STEPS = 1_000

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Examples:
    """The tracks of a dataset, as input of a classifier."""

    vectors: Sequence[Vectors]  # per track: (n_units, dim)
    labels: Labels  # (n_tracks,) numbers of genres, or (n_tracks, n_genres) of 0 and 1
    groups: NDArray[np.int64]  # (n_tracks,) groups that inner folds keep together
    n_genres: int

    @property
    def is_multilabel(self) -> bool:
        """Whether a track may have several genres."""
        return self.labels.ndim == 2

    def units(self, rows: NDArray[np.int64]) -> tuple[Vectors, Labels, NDArray[np.int64]]:
        """Concatenate the units of some tracks: vectors, labels, groups."""
        counts = [len(self.vectors[row]) for row in rows]
        together = np.concatenate([self.vectors[row] for row in rows])
        return together, self.labels[rows].repeat(counts, axis=0), self.groups[rows].repeat(counts)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A classifier trained on one fold."""

    pipeline: Pipeline
    settings: dict[str, Any]  # chosen by the inner folds
    n_genres: int

    @property
    def dim(self) -> int:
        """Numbers given to the classifier."""
        return int(self.pipeline[-1].n_features_in_)

    def probabilities(self, vectors: Sequence[Vectors]) -> Floats:
        """Average over the units of each track: (n_tracks, n_genres); 0 for a genre without training tracks."""
        counts = [len(each) for each in vectors]
        of_units = _probabilities(self.pipeline, np.concatenate(vectors), self.n_genres)
        starts = np.cumsum([0, *counts[:-1]])
        return np.asarray(np.add.reduceat(of_units, starts) / np.array(counts)[:, np.newaxis])


def train(kind: Kind, examples: Examples, fold: Fold, *, reduce: bool, seed: int) -> Trained:
    """Train a classifier on the training tracks of a fold.

    Parameters
    ----------
    kind
        The kind of classifier.
    examples
        All tracks; test rows are not used.
    fold
        Settings are chosen on its validation rows if it has them, or else by inner folds.
    reduce
        Whether to reduce the vectors to 40 numbers by PCA first.
    seed
        Seed of the inner folds and the initial weights.
    """
    vectors, labels, groups = examples.units(fold.train)
    if fold.valid is not None:
        valid_vectors, valid_labels, _ = examples.units(fold.valid)
        inner = [(np.arange(len(vectors)), len(vectors) + np.arange(len(valid_vectors)))]
        everything = np.concatenate([vectors, valid_vectors]), np.concatenate([labels, valid_labels])
    else:
        inner = _inner_folds(labels, groups, seed)
        everything = vectors, labels
    n_rows = min(len(rows) for rows, _ in inner)
    pipeline = _pipeline(kind, examples, reduce=reduce, n_rows=n_rows, seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the budget of steps is fixed on purpose
        warnings.filterwarnings("ignore", "Label .* is present in all training examples", UserWarning)
        scoring = _macro_precision if examples.is_multilabel else "accuracy"
        grid = _grid(kind, examples, n_rows)
        search = GridSearchCV(pipeline, grid, scoring=scoring, cv=inner, refit=False, error_score="raise")
        settings = search.fit(*everything).best_params_
        pipeline = clone(pipeline).set_params(**settings).fit(vectors, labels)
    return Trained(pipeline=pipeline, settings=settings, n_genres=examples.n_genres)


def _pipeline(kind: Kind, examples: Examples, *, reduce: bool, n_rows: int, seed: int) -> Pipeline:
    """Scale, reduce, classify; PCA returns fewer than 40 numbers if the smallest inner fold has fewer than 40 rows."""
    dim = examples.vectors[0].shape[1]
    logistic = LogisticRegression(max_iter=LOGISTIC_STEPS)
    classifier = {
        Kind.LOGISTIC: OneVsRestClassifier(logistic) if examples.is_multilabel else logistic,
        Kind.KNN: KNeighborsClassifier(),
        Kind.MLP: MLPClassifier((HIDDEN,), max_iter=MLP_PASSES, random_state=seed),
    }[kind]
    steps = [StandardScaler(), *[PCA(min(PCA_DIM, dim, n_rows), random_state=seed)] * reduce, classifier]
    return make_pipeline(*steps)


def _grid(kind: Kind, examples: Examples, n_rows: int) -> dict[str, list[Any]]:
    """List the settings to choose from."""
    if kind is Kind.LOGISTIC:
        name = "onevsrestclassifier__estimator__C" if examples.is_multilabel else "logisticregression__C"
        return {name: list(REGULARISATION)}
    if kind is Kind.KNN:
        return {"kneighborsclassifier__n_neighbors": [k for k in NEIGHBOURS if k <= n_rows]}
    return {"mlpclassifier__alpha": list(WEIGHT_DECAY)}


def _inner_folds(labels: Labels, groups: NDArray[np.int64], seed: int) -> list[tuple[Labels, Labels]]:
    """Split units so that no group is on both sides."""
    n_folds = min(N_INNER_FOLDS, len(np.unique(groups)))
    if labels.ndim == 2:
        return list(GroupKFold(n_folds, shuffle=True, random_state=seed).split(labels, groups=groups))
    n_folds = min(n_folds, max(2, np.bincount(labels).max()))
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)  # it then occurs in fewer folds
        return list(splitter.split(labels, labels, groups))


def _macro_precision(pipeline: Pipeline, vectors: Vectors, labels: Labels) -> float:
    """Average precision, averaged over the genres that occur."""
    there = labels.any(axis=0)
    probabilities = _probabilities(pipeline, vectors, labels.shape[1])
    return float(average_precision_score(labels[:, there], probabilities[:, there], average="macro"))


def _probabilities(pipeline: Pipeline, vectors: Vectors, n_genres: int) -> Floats:
    """Predict the probability of each genre of the dataset: (n_units, n_genres)."""
    answer = pipeline.predict_proba(vectors)
    if isinstance(answer, list):  # multi-label: a table per label: absent and present, or the only one seen
        return np.stack(
            [
                table[:, 1] if table.shape[1] == 2 else np.full(len(table), float(classes[0]))
                for table, classes in zip(answer, pipeline.classes_, strict=True)
            ],
            axis=1,
        )
    if answer.shape[1] == n_genres:
        return np.asarray(answer)
    probabilities = np.zeros((len(answer), n_genres))
    probabilities[:, pipeline.classes_] = answer
    return probabilities
