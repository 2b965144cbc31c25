"""The classifier on vectors with known ground truth: accuracy, calibration and "unknown"."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save
from sklearn.metrics import f1_score

from audio_engine import RecipeMismatchError
from audio_engine.catalogue.track import DIM
from audio_engine.genre.folds import folds_of, groups_of
from audio_engine.genre.labels import Label, Labels
from audio_engine.genre.learning import learn
from audio_engine.genre.model import GenreClassifier
from audio_engine.genre.report import score
from audio_engine.genre.training import Examples, bound_of_unknown
from audio_engine.metrics.calibration import calibration_error, lucky_calibration_error

Vectors = NDArray[np.float32]


def unit(vectors: NDArray[np.float64]) -> Vectors:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def world(
    n_genres: int, n_artists: int, n_tracks: int, *, genre: float, artist: float, seed: int = 0
) -> tuple[Labels, list[str], Vectors]:
    """Tracks around artists around genres, of which the strengths say how far apart they lie."""
    rng = np.random.default_rng(seed)
    genres, artists = rng.normal(size=(n_genres, DIM)), rng.normal(size=(n_genres * n_artists, DIM))
    who = np.repeat(np.arange(n_genres * n_artists), n_tracks)
    vectors = unit(genre * genres[who % n_genres] + artist * artists[who] + rng.normal(size=(len(who), DIM)))
    ids = [f"{n:04}" for n in range(len(who))]
    labels = [
        Label(track_id=id_, genre=f"genre {one % n_genres}", artist=f"artist {one}")
        for id_, one in zip(ids, who, strict=True)
    ]
    return Labels(source="a test", labels=tuple(labels)), ids, vectors


def test_no_artist_spans_two_folds_and_genres_are_spread() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 60, size=600)
    genres = groups % 4
    folds = folds_of(genres, groups, n_folds=5, seed=0)
    assert all(len(set(folds[groups == group])) == 1 for group in set(groups))
    shares = np.array([np.bincount(genres[folds == fold], minlength=4) for fold in range(5)]) / np.bincount(genres)
    assert shares.min() > 0.1
    assert shares.max() < 0.3


def test_a_genre_with_two_artists_has_them_in_two_folds() -> None:
    groups = np.repeat(np.arange(10), 5)
    genres = np.repeat([0, 1], 25)
    genres[:10], groups[:10] = 2, np.repeat([0, 1], 5)
    for seed in range(10):
        folds = folds_of(genres, groups, n_folds=3, seed=seed)
        assert len(set(folds[genres == 2])) == 2


def test_copies_and_one_artists_tracks_are_one_group() -> None:
    vectors = unit(np.random.default_rng(0).normal(size=(5, DIM)))
    vectors[4] = vectors[2]
    groups = groups_of(["a", "b", "a", "", ""], vectors)
    assert groups[0] == groups[2] == groups[4]  # the last is a copy of a track by "a"
    assert len(set(groups)) == 3


def test_who_shares_an_artist_is_in_one_group() -> None:
    vectors = unit(np.random.default_rng(0).normal(size=(7, DIM)))
    groups = groups_of(["anna", "ben", "anna; ben", "cy", "cy & anna", "dan; cy", ""], vectors)
    assert [sorted(np.flatnonzero(groups == group).tolist()) for group in dict.fromkeys(groups)] == [
        [0, 1, 2], [3, 5], [4], [6],
    ]  # fmt: skip


def test_a_duo_and_its_two_members_are_not_two_artists_to_learn_from() -> None:
    found, ids, vectors = world(3, 3, 3, genre=2.0, artist=0.5)
    duo = {"artist 0": "anna", "artist 3": "ben", "artist 6": "anna; ben"}
    labels = [replace(label, artist=duo.get(label.artist, label.artist)) for label in found.labels]
    report = learn(Labels(source="a test", labels=tuple(labels)), ids, vectors, model_id="m", seed=0)[1]
    assert [(count.genre, count.n_artists) for count in report.left_out] == [("genre 0", 1)]
    assert report.n_artists == 6


def test_genres_that_sound_are_learned_and_labels_without_sound_score_chance() -> None:
    heard = learn(*world(4, 8, 3, genre=1.5, artist=0.5), model_id="m", seed=0)[1]
    assert heard.accuracy.value > 0.9
    assert heard.accuracy.low <= heard.accuracy.value <= heard.accuracy.high
    deaf = learn(*world(4, 8, 3, genre=0.0, artist=1.5), model_id="m", seed=0)[1]
    assert deaf.accuracy.low < 0.25 < deaf.accuracy.high  # though each artist is easily known again


def test_probabilities_come_true_on_artists_that_it_never_saw() -> None:
    found, ids, vectors = world(12, 40, 3, genre=0.5, artist=0.3)
    n_seen = len(ids) // 2
    seen = Labels(source="half", labels=found.labels[:n_seen])
    classifier, report = learn(seen, ids, vectors, model_id="m", seed=0)
    assert 0.4 < report.accuracy.value < 0.9  # neither easy nor hopeless
    assert report.calibration_error < report.lucky_calibration_error + 0.02
    probabilities = classifier.probabilities(vectors[n_seen:])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    truth = [classifier.genres.index(label.genre) for label in found.labels[n_seen:]]
    is_right = (probabilities.argmax(axis=1) == truth).astype(np.float64)
    assert is_right.mean() == pytest.approx(report.accuracy.value, abs=0.06)  # what was reported is what happens
    confidence = probabilities.max(axis=1)
    assert calibration_error(confidence, is_right) < lucky_calibration_error(confidence, seed=0) + 0.02


def test_a_few_perfect_predictions_make_nobody_certain() -> None:
    classifier, report = learn(*world(3, 3, 3, genre=5.0, artist=0.0), model_id="m", seed=0)
    assert report.accuracy.value == 1
    confidence = classifier.probabilities(world(3, 3, 3, genre=5.0, artist=0.0)[2]).max(axis=1)
    assert confidence.min() > 0.6
    assert confidence.max() < 0.95  # nine artists say nothing about a twentieth


def test_the_bound_of_unknown_keeps_its_false_alarm_rate_on_new_artists() -> None:
    found, ids, vectors = world(3, 200, 2, genre=1.0, artist=0.5)
    half = Labels(source="half", labels=found.labels[: len(ids) // 2])
    classifier, report = learn(half, ids, vectors, model_id="m", seed=0)
    assert report.false_alarm_rate == pytest.approx(0.01, abs=0.002)
    alarms = classifier.similarities(vectors[len(ids) // 2 :]) < classifier.min_similarity
    assert alarms.mean() <= 0.03  # 1 % is promised; 600 tracks of 300 artists show up to three times that by chance
    strangers = unit(np.random.default_rng(9).normal(size=(100, DIM)))
    assert (classifier.similarities(strangers) < classifier.min_similarity).mean() > 0.9


def test_the_bound_is_that_of_a_plain_loop() -> None:
    found, _, vectors = world(3, 5, 4, genre=1.0, artist=0.5)
    groups = groups_of([label.artist for label in found.labels], vectors)
    slow = []
    for row, vector in enumerate(vectors):
        others = sorted(
            float(vector @ other) for other, group in zip(vectors, groups, strict=True) if group != groups[row]
        )
        slow.append(np.mean(others[-5:]))
    bound, rate = bound_of_unknown(Examples(vectors=vectors, genres=groups, groups=groups))
    assert bound == pytest.approx(min(slow), abs=1e-6)
    assert rate == pytest.approx(1 / 61)


def test_genres_that_are_too_small_are_left_out_and_named() -> None:
    found, ids, vectors = world(4, 3, 3, genre=2.0, artist=0.5)
    labels = [label for label in found.labels if label.genre != "genre 2" or label.artist == "artist 2"]  # one artist
    labels = [label for label in labels if label.genre != "genre 3"] + [
        label for label in labels if label.genre == "genre 3"
    ][:4]
    report = learn(Labels(source="a test", labels=tuple(labels)), ids, vectors, model_id="m", seed=0)[1]
    assert [count.genre for count in report.genres] == ["genre 0", "genre 1"]
    assert [(count.genre, count.n_tracks, count.n_artists) for count in report.left_out] == [
        ("genre 2", 3, 1),
        ("genre 3", 4, 2),
    ]
    only = Labels(source="a test", labels=tuple(label for label in labels if label.genre != "genre 1"))
    with pytest.raises(ValueError, match=r"at least 2 genres with 5 tracks by 2 artists each, got 1 in a test \(too"):
        learn(only, ids, vectors, model_id="m", seed=0)


def test_of_many_genres_that_are_too_small_ten_are_named() -> None:
    labels, ids, vectors = world(30, 1, 1, genre=1, artist=1)
    with pytest.raises(ValueError, match=r"got 0 in a test \(too small: genre 0 with 1 by 1, .* and 20 more\)$"):
        learn(labels, ids, vectors, model_id="m", seed=0)


def test_a_genre_that_is_copies_of_one_recording_is_never_told_from_others_tracks() -> None:
    found, ids, vectors = world(2, 6, 3, genre=3.0, artist=0.5)
    of_genre = np.array([label.genre == "genre 0" for label in found.labels])
    vectors[of_genre] = vectors[0]
    report = learn(found, ids, vectors, model_id="m", seed=0)[1]
    assert [count.f1 for count in report.genres] == [0.0, pytest.approx(2 / 3)]  # half of all tracks are taken for it


def test_tracks_of_unknown_artists_are_counted() -> None:
    found, ids, vectors = world(2, 4, 3, genre=2.0, artist=0.5)
    labels = tuple(
        Label(track_id=label.track_id, genre=label.genre, artist="" if label.artist == "artist 0" else label.artist)
        for label in found.labels
    )
    report = learn(Labels(source="a test", labels=labels), ids, vectors, model_id="m", seed=0)[1]
    assert (report.n_unknown_artist, report.n_artists) == (3, 7)
    assert report.genres[0].n_artists == 3 + 3  # each of them might be somebody


def test_the_same_seed_gives_the_same_classifier() -> None:
    first, again = (learn(*world(3, 4, 3, genre=1.0, artist=1.0), model_id="m", seed=3)[0] for _ in range(2))
    np.testing.assert_array_equal(first.weights, again.weights)
    assert first.temperature == again.temperature


def test_a_saved_classifier_says_the_same_and_runs_nothing(tmp_path: Path) -> None:
    found, ids, vectors = world(3, 4, 3, genre=1.0, artist=1.0)
    classifier, report = learn(found, ids, vectors, model_id="m", seed=0)
    classifier.save(tmp_path / "genre.safetensors")
    loaded = GenreClassifier.load(tmp_path / "genre.safetensors")
    np.testing.assert_array_equal(loaded.probabilities(vectors), classifier.probabilities(vectors))
    np.testing.assert_array_equal(loaded.similarities(vectors), classifier.similarities(vectors))
    assert (loaded.genres, loaded.min_similarity) == (classifier.genres, classifier.min_similarity)
    assert loaded.about["accuracy"]["value"] == report.accuracy.value
    assert [path.name for path in tmp_path.iterdir()] == ["genre.safetensors"]
    assert b"pickle" not in (tmp_path / "genre.safetensors").read_bytes()


def forged(head: str) -> bytes:
    return save(dict.fromkeys(("weights", "biases", "known"), np.zeros((1, 1))), metadata={"genre": head})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"this is a letter" * 9,
        b"\x02\0\0\0\0\0\0\0{}",
        forged("{}"),
        forged("[]"),
        forged('{"format_version": 1, "genres": ["a"], "wings": 2}'),
        forged('{"format_version": 2}'),
    ],
)
def test_a_file_that_is_no_classifier_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "genre.safetensors").write_bytes(content)
    with pytest.raises(RecipeMismatchError, match=r"genre classifier must be made by audio-engine, got .*genre\.safe"):
        GenreClassifier.load(tmp_path / "genre.safetensors")


def test_vectors_of_another_model_are_refused() -> None:
    classifier, _ = learn(*world(3, 4, 3, genre=1.0, artist=1.0), model_id="m1", seed=0)
    classifier.check_model("m1")
    with pytest.raises(RecipeMismatchError, match="must be of the catalogue's model m2, got one of m1"):
        classifier.check_model("m2")


def test_macro_f1_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    genres, predicted, groups = rng.integers(0, 4, 200), rng.integers(0, 4, 200), rng.integers(0, 30, 200)
    scores = score(predicted, genres, groups, n_genres=4, seed=0)
    assert scores.macro_f1.value == pytest.approx(f1_score(genres, predicted, average="macro"))
    assert scores.accuracy.value == pytest.approx((genres == predicted).mean())


def test_the_interval_is_wider_where_tracks_of_an_artist_err_together() -> None:
    groups = np.repeat(np.arange(20), 10)
    genres = groups % 2
    is_right = np.random.default_rng(0).random(20) < 0.7
    together = np.where(is_right[groups], genres, 1 - genres)
    alone = score(together, genres, np.arange(200), n_genres=2, seed=0).accuracy
    whole = score(together, genres, groups, n_genres=2, seed=0).accuracy
    assert whole.high - whole.low > 2 * (alone.high - alone.low)


def test_the_calibration_error_is_the_gap_between_confidence_and_truth() -> None:
    confidence = np.array([0.95, 0.95, 0.55, 0.55])
    assert calibration_error(confidence, np.array([1.0, 1.0, 1.0, 0.0])) == pytest.approx(0.05)
    assert calibration_error(np.ones(3), np.ones(3)) == 0
