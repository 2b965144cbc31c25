"""Genres of a catalogue: train the classifier on labels, predict a track, keep a column of predictions.

The classifier is stored in the catalogue's folder. Once there is one, every track gets a predicted genre whenever it is
embedded: `Engine.embed` fills in missing ones.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from audio_engine.atomic_files import check_place
from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.catalogue.tag_text import genre_key
from audio_engine.catalogue.track import Track
from audio_engine.embedding.models import Models
from audio_engine.embedding.track_lookup import look_up
from audio_engine.errors import NotTrainedError, RecipeMismatchError
from audio_engine.genre.model import GenreClassifier

if TYPE_CHECKING:
    from audio_engine.genre.report import TrainingReport

logger = logging.getLogger(__name__)

FILE_NAME = "genre.safetensors"  # in the catalogue's folder
UNKNOWN = "unknown"  # the prediction for tracks far from all training tracks


@dataclass(frozen=True, kw_only=True)
class GenrePrediction:
    """The genre prediction for one track."""

    genre: str  # the most probable one, or "unknown"
    probabilities: tuple[tuple[str, float], ...]  # by genre, the most probable first; empty if unknown
    similarity: float  # to the training tracks
    min_similarity: float  # below it: "unknown"

    @property
    def is_unknown(self) -> bool:
        """Whether the track is far from all training tracks."""
        return self.genre == UNKNOWN

    @property
    def probability(self) -> float | None:
        """Of `genre`; None if it is unknown."""
        return self.probabilities[0][1] if self.probabilities else None


class Genres:
    """The genre classifier of one catalogue and its column of predictions."""

    def __init__(self, catalogue: Catalogue, models: Models) -> None:
        self._catalogue, self._models = catalogue, models
        self.file = catalogue.path.parent / FILE_NAME

    def tracks(self, genre: str) -> list[Track]:
        """List the tracks that are predicted to be of a genre, in any spelling, or "unknown", by path."""
        return of_genre(self._catalogue.tracks("embedded"), genre)

    def train(
        self,
        labels: Path | None = None,
        *,
        audio: Path | None = None,
        tracks: Path | None = None,
        out: Path | None = None,
        seed: int = 0,
    ) -> "TrainingReport":
        """Train on the catalogue's tags or a table, and predict the genre of every track.

        Parameters
        ----------
        labels
            A CSV or Parquet file with `track_id`, `path` or `file`, `genre`, and if possible `artist`; by default the
            tags are used.
        audio
            The folder that relative paths in the table start from; its own by default.
        tracks
            What else `labels` may call the tracks: ``track``, the name, and ``path`` or ``file``.
        out
            File for the classifier, if not in the catalogue; the catalogue then stays unchanged.
        seed
            Seed of the folds and the intervals.

        Raises
        ------
        FileNotFoundError, IsADirectoryError, PermissionError
            When the table is missing, or the classifier cannot be written to `out`.
        ValueError
            When the table cannot be read, or fewer than two genres have enough tracks.
        """
        from audio_engine.genre.labels import labels_of_table, labels_of_tags  # noqa: PLC0415  (loads Polars)
        from audio_engine.genre.learning import learn  # noqa: PLC0415  (loads SciPy and scikit-learn)

        if out is not None:
            check_place(out)
        known = self._catalogue.tracks("embedded")
        found = labels_of_tags(known) if labels is None else labels_of_table(labels, known, audio=audio, table=tracks)
        track_ids, vectors = self._catalogue.vectors(self._models.active_id)
        classifier, report = learn(found, track_ids, vectors, model_id=self._models.active_id, seed=seed)
        classifier.save(out or self.file)
        if out is None:
            self.apply()
        return report

    def predict(self, track: str | Path, *, k: int | None = None, classifier: Path | None = None) -> GenrePrediction:
        """Predict the genre of a track.

        Parameters
        ----------
        track
            A track id, or a path: of the catalogue, or of any audio file.
        k
            Maximum number of genres; all by default.
        classifier
            A file that `train` wrote; the catalogue's own by default.

        Raises
        ------
        NotTrainedError
            When the catalogue has no classifier.
        RecipeMismatchError
            When the catalogue has moved to another model since training.
        UnknownTrackError
            When the track is neither in the catalogue nor a file.
        DecodeError
            When it is a file that cannot be decoded.
        ValueError
            When `k` is below 1.
        """
        if k is not None and k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        loaded = self._load(classifier)
        loaded.check_model(self._models.active_id)
        vector = look_up(track, self._catalogue, self._models).vector
        return _answers(loaded, vector[np.newaxis], k=k)[0]

    def apply(self) -> int:
        """Predict the genre of every track again; returns how many there are.

        Raises
        ------
        NotTrainedError, RecipeMismatchError
            As `predict`.
        """
        classifier = self._load()
        classifier.check_model(self._models.active_id)
        return self._write(classifier, *self._catalogue.vectors(classifier.model_id))

    def fill(self) -> int:
        """Predict the genre of tracks that have none yet, if there is a classifier; returns how many there are."""
        classifier = self._kept()
        if classifier is None:
            return 0
        return self._write(classifier, *self._catalogue.vectors_without_genre(classifier.model_id))

    @property
    def is_outdated(self) -> bool:
        """Whether there is a classifier, and the catalogue has moved to another model since it was trained."""
        classifier = self._kept()
        return classifier is not None and classifier.model_id != self._models.active_id

    def _kept(self) -> GenreClassifier | None:
        """Read the catalogue's classifier; None if missing or damaged, so that it never blocks embedding."""
        if not self.file.exists():
            return None
        try:
            return GenreClassifier.load(self.file)
        except RecipeMismatchError as error:
            logger.warning("no genres are predicted: %s", error)
            return None

    def _load(self, file: Path | None = None) -> GenreClassifier:
        if file is None and not self.file.exists():
            raise NotTrainedError("no genre classifier yet; run: audio-engine genre train")
        return GenreClassifier.load(file or self.file)

    def _write(self, classifier: GenreClassifier, track_ids: Sequence[str], vectors: NDArray[np.float32]) -> int:
        answers = _answers(classifier, vectors, k=1)
        rows = [(track_id, each.genre, each.probability) for track_id, each in zip(track_ids, answers, strict=True)]
        self._catalogue.write_genres(rows)
        return len(rows)


def of_genre(tracks: Iterable[Track], genre: str) -> list[Track]:
    """Keep the tracks that are predicted to be of a genre, in any spelling; "unknown" counts as one here."""
    return [track for track in tracks if track.genre_predicted and genre_key(track.genre_predicted) == genre_key(genre)]


def _answers(classifier: GenreClassifier, vectors: NDArray[np.float32], *, k: int | None) -> list[GenrePrediction]:
    """Predict the genre of each vector of (n, dim)."""
    probabilities = classifier.probabilities(vectors)
    orders = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    answers = []
    for row, order, similarity in zip(probabilities, orders, classifier.similarities(vectors), strict=True):
        ranked = tuple((classifier.genres[genre], float(row[genre])) for genre in order)
        is_near = similarity >= classifier.min_similarity
        answers.append(
            GenrePrediction(
                genre=ranked[0][0] if is_near else UNKNOWN,
                probabilities=ranked if is_near else (),
                similarity=float(similarity),
                min_similarity=classifier.min_similarity,
            )
        )
    return answers
