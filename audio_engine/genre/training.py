"""Training of a calibrated genre classifier, with its expected performance.

Everything tuned (the strength of the regression, its temperature, the bound of "unknown") is tuned on tracks by
held-out artists, and every figure reported was predicted for artists that neither the regression nor this tuning has
seen.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression

from audio_engine.genre.folds import Integers, folds_of
from audio_engine.genre.model import Floats, GenreClassifier, logits, mean_of_largest, softmax

STRENGTHS = (0.25, 1.0, 4.0, 16.0, 64.0, 256.0)  # C: the larger, the closer the regression fits
N_FOLDS, N_INNER_FOLDS = 5, 3
N_NEAREST = 5  # training tracks in the mean similarity of a track
FALSE_ALARMS = 0.01  # maximum share of known-genre tracks, by unseen artists, called "unknown"
MAX_ITERATIONS = 2_000
BLOCK = 1_024  # tracks compared with all others at a time: bounds memory
LOG_TEMPERATURES = (-3.0, 3.0)  # search range of the temperature


@dataclass(frozen=True, kw_only=True, eq=False)
class Examples:
    """The training examples."""

    vectors: NDArray[np.float32]  # (n, dim)
    genres: Integers  # (n,), numbers of genres
    groups: Integers  # (n,), of `groups_of`

    def __len__(self) -> int:
        return len(self.genres)

    def __getitem__(self, rows: NDArray[np.bool_]) -> "Examples":
        return Examples(vectors=self.vectors[rows], genres=self.genres[rows], groups=self.groups[rows])


@dataclass(frozen=True, kw_only=True, eq=False)
class Regression:
    """Logistic regression with its temperature."""

    weights: Floats  # (n_genres, dim)
    biases: Floats  # (n_genres,)
    temperature: float
    strength: float  # C

    def probabilities(self, vectors: NDArray[np.float32]) -> Floats:
        """Compute (n, n_genres) probabilities, calibrated."""
        return softmax(logits(vectors, self.weights, self.biases) / self.temperature)


def train_classifier(examples: Examples, *, genres: tuple[str, ...], model_id: str, seed: int) -> GenreClassifier:
    """Train on all examples.

    Parameters
    ----------
    examples
        Numbered by `genres`.
    genres
        The names.
    model_id
        Of the encoder that computed the vectors.
    seed
        Seed of the folds.
    """
    regression = fit_regression(examples, len(genres), seed=seed)
    min_similarity, false_alarm_rate = bound_of_unknown(examples)
    return GenreClassifier(
        model_id=model_id,
        genres=genres,
        weights=regression.weights,
        biases=regression.biases,
        temperature=regression.temperature,
        strength=regression.strength,
        known=examples.vectors,
        n_nearest=N_NEAREST,
        min_similarity=min_similarity,
        false_alarm_rate=false_alarm_rate,
    )


def fit_regression(examples: Examples, n_genres: int, *, seed: int) -> Regression:
    """Fit a regression; its strength and its temperature are those with the best likelihood on held-out artists."""
    held_out = {strength: _held_out_logits(examples, n_genres, strength, seed=seed) for strength in STRENGTHS}
    losses = {strength: _best_temperature(values, examples) for strength, values in held_out.items()}
    strength = min(losses, key=lambda strength: losses[strength][1])
    weights, biases = _fit(examples, n_genres, strength)
    return Regression(weights=weights, biases=biases, temperature=losses[strength][0], strength=strength)


def predict_held_out(examples: Examples, n_genres: int, *, seed: int) -> tuple[Floats, Floats]:
    """Predict every track by a regression trained and tuned without its artist.

    Returns
    -------
    calibrated, plain : (n, n_genres)
        Probabilities with and without the temperature.
    """
    calibrated = np.zeros((len(examples), n_genres))
    plain = np.zeros_like(calibrated)
    for held_out in _splits(examples, N_FOLDS, seed=seed):
        regression = fit_regression(examples[~held_out], n_genres, seed=seed)
        vectors = examples.vectors[held_out]
        calibrated[held_out] = regression.probabilities(vectors)
        plain[held_out] = softmax(logits(vectors, regression.weights, regression.biases))
    return calibrated, plain


def bound_of_unknown(examples: Examples) -> tuple[float, float]:
    """Find the similarity below which a track is "unknown".

    Each track is compared with those of all other artists. The bound is the r-th smallest of these n similarities, r
    the largest number with r / (n + 1) at most `FALSE_ALARMS`, or 1 where n is too small for that: a further track of
    the same kind falls below it with probability r / (n + 1) at most, if tracks are exchangeable.

    Returns
    -------
    min_similarity, false_alarm_rate
        The bound, and that probability.

    References
    ----------
    V. Vovk, A. Gammerman, G. Shafer, Algorithmic learning in a random world, 2005, chapter 2: conformal prediction.
    """
    similarities = np.sort(_similarities_to_others(examples))
    rank = max(1, int(FALSE_ALARMS * (len(similarities) + 1)))
    return float(similarities[rank - 1]), rank / (len(similarities) + 1)


def _similarities_to_others(examples: Examples) -> Floats:
    """Compute how near each track is to those of other groups: (n,)."""
    similarities = np.zeros(len(examples))
    for start in range(0, len(examples), BLOCK):
        block = examples.vectors[start : start + BLOCK] @ examples.vectors.T
        block[examples.groups[start : start + BLOCK, np.newaxis] == examples.groups] = -1  # never among the nearest
        similarities[start : start + BLOCK] = mean_of_largest(block, N_NEAREST)
    return similarities


def _splits(examples: Examples, n_folds: int, *, seed: int) -> Iterator[NDArray[np.bool_]]:
    """Yield which tracks (n,) are held out, fold by fold, if any remain to train on."""
    folds = folds_of(examples.genres, examples.groups, n_folds=n_folds, seed=seed)
    for fold in range(n_folds):
        held_out = folds == fold
        if held_out.any() and not held_out.all():
            yield held_out


def _held_out_logits(examples: Examples, n_genres: int, strength: float, *, seed: int) -> Floats:
    """Compute logits (n, n_genres) of tracks by held-out artists; -inf for genres missing from a fold."""
    values = np.full((len(examples), n_genres), -np.inf)
    for held_out in _splits(examples, N_INNER_FOLDS, seed=seed):
        weights, biases = _fit(examples[~held_out], n_genres, strength)
        values[held_out] = logits(examples.vectors[held_out], weights, biases)
    return values


def _best_temperature(values: Floats, examples: Examples) -> tuple[float, float]:
    """Find the temperature with the least cross-entropy; returns both.

    With n artists a probability cannot be resolved below about 1 / n: each target is smoothed by 1 / (n + 1), spread
    over the genres, like one more track of any genre (W. Perks, 1947: a Dirichlet prior with the weight of one
    observation); otherwise perfect predictions for a few artists would make the classifier certain of everything. J.
    Platt, Probabilistic outputs for support vector machines, 1999, section 2.2, does so for two classes; here artists
    are counted, since errors on one artist's tracks are correlated. (scikit-learn's `CalibratedClassifierCV` fits a
    temperature to the labels as they are.)
    """
    own = np.isfinite(values[np.arange(len(examples)), examples.genres])
    values, genres = values[own], examples.genres[own]  # genres missing from a fold do not inform the temperature
    if not len(genres):
        return 1.0, np.inf
    is_learned = np.isfinite(values)
    kept = 1 / (len(set(examples.groups[own])) + 1)
    targets = kept * is_learned / is_learned.sum(axis=1, keepdims=True)
    targets[np.arange(len(genres)), genres] += 1 - kept
    predicted = np.sum(targets * np.where(is_learned, values, 0), axis=1)

    def loss(log_temperature: float) -> float:
        scale = np.exp(-log_temperature)
        return float(np.mean(logsumexp(values * scale, axis=1) - predicted * scale))

    found = minimize_scalar(loss, bounds=LOG_TEMPERATURES, method="bounded")
    return float(np.exp(found.x)), float(found.fun)


def _fit(examples: Examples, n_genres: int, strength: float) -> tuple[Floats, Floats]:
    """Fit weights (n_genres, dim) and biases (n_genres,); a genre without tracks gets probability 0."""
    weights, biases = np.zeros((n_genres, examples.vectors.shape[1])), np.full(n_genres, -np.inf)
    if len(learned := np.unique(examples.genres)) == 1:
        biases[learned] = 0  # the only genre in the training set
        return weights, biases
    fitted = LogisticRegression(C=strength, max_iter=MAX_ITERATIONS)
    fitted.fit(examples.vectors.astype(np.float64), examples.genres)
    slopes, intercepts = fitted.coef_, fitted.intercept_
    if len(fitted.classes_) == 2:  # scikit-learn returns only the second class, against the first
        slopes, intercepts = np.concatenate([-slopes, slopes]) / 2, np.concatenate([-intercepts, intercepts]) / 2
    weights[fitted.classes_], biases[fitted.classes_] = slopes, intercepts
    return weights, biases
