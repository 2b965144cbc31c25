"""Training on labels: selects the genres with enough tracks, trains the classifier and reports on it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from audio_engine.catalogue.tag_text import artist_keys
from audio_engine.genre.folds import groups_of
from audio_engine.genre.labels import Label, Labels
from audio_engine.genre.model import GenreClassifier
from audio_engine.genre.report import GenreCount, TrainingReport, score
from audio_engine.genre.training import Examples, predict_held_out, train_classifier
from audio_engine.metrics.calibration import calibration_error, lucky_calibration_error

MIN_TRACKS = 5  # minimum for a genre to be learned
MIN_ARTISTS = 2  # … one to train on, one to hold out
N_NAMED = 10  # genres that an error names, so that a column of numbers or titles does not fill the screen
NO_VECTORS = np.empty((0, 1), np.float32)


def learn(
    found: Labels, track_ids: Sequence[str], vectors: NDArray[np.float32], *, model_id: str, seed: int
) -> tuple[GenreClassifier, TrainingReport]:
    """Train on the tracks that have a label and a vector, and whose genre has enough tracks.

    Parameters
    ----------
    found
        The labels.
    track_ids
        Of the vectors.
    vectors : (n_tracks, dim)
        Unit length.
    model_id
        Of the encoder that computed them.
    seed
        Seed of folds and intervals.

    Raises
    ------
    ValueError
        When fewer than two genres have enough tracks.
    """
    row_of = {track_id: row for row, track_id in enumerate(track_ids)}
    labels = [label for label in found.labels if label.track_id in row_of]
    learned, left_out = _enough(labels)
    genres = tuple(count.genre for count in learned)
    if len(genres) < 2:
        small = ", ".join(f"{count.genre} with {count.n_tracks} by {count.n_artists}" for count in left_out[:N_NAMED])
        small += f" and {len(left_out) - N_NAMED} more" if len(left_out) > N_NAMED else ""
        raise ValueError(
            f"labels must hold at least 2 genres with {MIN_TRACKS} tracks by {MIN_ARTISTS} artists each, got "
            f"{len(genres)} in {found.source}"
            + (f" (too small: {small})" if small else "")
            + (f" ({found.n_absent} rows name no track of the catalogue)" if found.n_absent else "")
        )
    labels = [label for label in labels if label.genre in genres]
    of_labels = vectors[[row_of[label.track_id] for label in labels]]
    examples = Examples(
        vectors=of_labels,
        genres=np.array([genres.index(label.genre) for label in labels]),
        groups=groups_of([label.artist for label in labels], of_labels),
    )
    with threadpool_limits(1):  # many small products: threads would only slow each other down
        classifier = train_classifier(examples, genres=genres, model_id=model_id, seed=seed)
        report = _report(found, labels, examples, classifier, learned=learned, left_out=left_out, seed=seed)
    return replace(classifier, about=asdict(report)), report


def _enough(labels: Sequence[Label]) -> tuple[tuple[GenreCount, ...], tuple[GenreCount, ...]]:
    """Count tracks and artists (those who share a track are one) of each genre, and separate those with enough."""
    by_genre: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        by_genre[label.genre].append(label.artist)
    counts = [
        GenreCount(genre=genre, n_tracks=len(artists), n_artists=1 + int(groups_of(artists, NO_VECTORS).max()))
        for genre, artists in sorted(by_genre.items())
    ]
    are_enough = [count.n_tracks >= MIN_TRACKS and count.n_artists >= MIN_ARTISTS for count in counts]
    learned = tuple(count for count, is_enough in zip(counts, are_enough, strict=True) if is_enough)
    return learned, tuple(count for count, is_enough in zip(counts, are_enough, strict=True) if not is_enough)


def _report(  # noqa: PLR0913  (everything to summarise)
    found: Labels,
    labels: Sequence[Label],
    examples: Examples,
    classifier: GenreClassifier,
    *,
    learned: tuple[GenreCount, ...],
    left_out: tuple[GenreCount, ...],
    seed: int,
) -> TrainingReport:
    """Predict every track from other artists' tracks, and summarise."""
    n_genres = len(learned)
    calibrated, plain = predict_held_out(examples, n_genres, seed=seed)
    predicted = calibrated.argmax(axis=1)
    scores = score(predicted, examples.genres, examples.groups, n_genres=n_genres, seed=seed)
    is_right = (predicted == examples.genres).astype(np.float64)
    return TrainingReport(
        source=found.source,
        model_id=classifier.model_id,
        n_tracks=len(labels),
        n_artists=len(frozenset[str]().union(*(artist_keys(label.artist) for label in labels))),
        n_unknown_artist=sum(not label.artist for label in labels),
        n_unlabelled=found.n_unlabelled,
        n_absent=found.n_absent,
        genres=tuple(replace(count, f1=float(f1)) for count, f1 in zip(learned, scores.f1, strict=True)),
        left_out=left_out,
        accuracy=scores.accuracy,
        macro_f1=scores.macro_f1,
        largest_share=float(np.bincount(examples.genres).max() / len(labels)),
        calibration_error=calibration_error(calibrated.max(axis=1), is_right),
        plain_calibration_error=calibration_error(plain.max(axis=1), is_right),
        lucky_calibration_error=lucky_calibration_error(calibrated.max(axis=1), seed=seed),
        strength=classifier.strength,
        temperature=classifier.temperature,
        min_similarity=classifier.min_similarity,
        false_alarm_rate=classifier.false_alarm_rate,
    )
