import numpy as np
import pytest

from audio_engine.evaluation.genre.choices import Kind
from audio_engine.evaluation.genre.classifiers import Examples, train
from audio_engine.evaluation.genre.protocols import Fold

N_ARTISTS, N_TRACKS, N_UNITS = 12, 4, 5


def clusters(seed=0, dim=6, spread=1.0):
    """Make tracks of three genres that lie apart: their vectors are of several units each."""
    rng = np.random.default_rng(seed)
    artists = np.repeat(np.arange(N_ARTISTS), N_TRACKS)
    labels = artists % 3
    centres = 4 * rng.standard_normal((3, dim))
    vectors = [centres[label] + spread * rng.standard_normal((N_UNITS, dim)) for label in labels]
    return Examples(vectors=vectors, labels=labels, groups=artists, n_genres=3)


@pytest.fixture
def fold():
    artists = np.repeat(np.arange(N_ARTISTS), N_TRACKS)
    return Fold(train=np.flatnonzero(artists < 9), test=np.flatnonzero(artists >= 9))


@pytest.mark.parametrize("reduce", [False, True])
@pytest.mark.parametrize("kind", list(Kind))
def test_genres_that_lie_apart_are_told(kind, fold, reduce):
    examples = clusters(dim=60 if reduce else 6)
    trained = train(kind, examples, fold, reduce=reduce, seed=0)
    probabilities = trained.probabilities([examples.vectors[row] for row in fold.test])
    assert probabilities.shape == (fold.test.size, 3)
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert np.mean(probabilities.argmax(axis=1) == examples.labels[fold.test]) == 1
    assert len(trained.settings) == 1


def test_a_track_has_the_mean_of_the_probabilities_of_its_segments(fold):
    examples = clusters(spread=4)
    trained = train(Kind.LOGISTIC, examples, fold, reduce=False, seed=0)
    together = trained.probabilities([examples.vectors[0], examples.vectors[1][:2]])
    for row, units in enumerate((examples.vectors[0], examples.vectors[1][:2])):
        alone = [trained.probabilities([unit[np.newaxis]])[0] for unit in units]
        assert together[row] == pytest.approx(np.mean(alone, axis=0))


def test_nothing_of_the_test_tracks_is_learned(fold):
    """Scaling, PCA, settings and weights stay as they are when the test tracks become nonsense."""
    honest, spoilt = clusters(dim=60), clusters(dim=60)
    labels = spoilt.labels.copy()
    labels[fold.test] = (labels[fold.test] + 1) % 3
    vectors = [*spoilt.vectors[: fold.test[0]], *(1e6 * each for each in spoilt.vectors[fold.test[0] :])]
    spoilt = Examples(vectors=vectors, labels=labels, groups=spoilt.groups, n_genres=3)
    asked = [honest.vectors[row] for row in fold.test]
    for kind in Kind:
        first, second = (train(kind, each, fold, reduce=True, seed=0) for each in (honest, spoilt))
        assert first.settings == second.settings
        assert np.array_equal(first.probabilities(asked), second.probabilities(asked))


def test_settings_are_chosen_by_the_official_validation_tracks_and_not_learned_from_them(fold):
    examples = clusters()
    train_rows, valid_rows = fold.train[fold.train < 24], fold.train[fold.train >= 24]
    official = Fold(train=train_rows, valid=valid_rows, test=fold.test)
    with_valid = train(Kind.LOGISTIC, examples, official, reduce=False, seed=0)
    scaler = with_valid.pipeline[0]
    assert np.allclose(scaler.mean_, np.concatenate([examples.vectors[row] for row in train_rows]).mean(axis=0))


def test_a_genre_that_was_not_there_to_learn_gets_no_probability():
    examples = clusters()
    artists = examples.groups
    fold = Fold(train=np.flatnonzero((artists < 9) & (artists % 3 != 1)), test=np.flatnonzero(artists >= 9))
    trained = train(Kind.LOGISTIC, examples, fold, reduce=False, seed=0)
    probabilities = trained.probabilities([examples.vectors[row] for row in fold.test])
    assert (probabilities[:, 1] == 0).all()
    assert np.allclose(probabilities.sum(axis=1), 1)


@pytest.mark.parametrize("kind", list(Kind))
def test_several_genres_a_track_are_told_each_by_itself(kind, fold):
    single = clusters()
    labels = np.stack([single.labels == 0, single.labels != 2, single.labels == 2, single.labels < 0], axis=1).astype(
        int
    )
    examples = Examples(vectors=single.vectors, labels=labels, groups=single.groups, n_genres=4)
    probabilities = train(kind, examples, fold, reduce=False, seed=0).probabilities(
        [examples.vectors[row] for row in fold.test]
    )
    for genre in range(3):
        has_it = labels[fold.test][:, genre] == 1
        assert probabilities[has_it, genre].min() > probabilities[~has_it, genre].max()
    assert (probabilities[:, 3] < 0.2).all()  # no track has it
