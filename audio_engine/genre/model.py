"""The genre classifier: its parameters, its predictions of probabilities or "unknown", and its file.

The file is safetensors with a JSON header: no pickle, so opening one runs no code. It stores the id of the encoder
whose vectors it was trained on, and refuses vectors of another.
"""

import errno
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from audio_engine.atomic_files import write_whole
from audio_engine.errors import RecipeMismatchError

FORMAT_VERSION = 1
BLOCK = 1_024  # vectors compared with all others at a time: bounds memory

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class GenreClassifier:
    """Multinomial logistic regression with a temperature, and a similarity bound below which a track is "unknown"."""

    model_id: str  # of the encoder
    genres: tuple[str, ...]
    weights: Floats  # (n_genres, dim)
    biases: Floats  # (n_genres,)
    temperature: float  # logits are divided by it; above 1: the regression alone was overconfident
    strength: float  # C of the regression: the larger, the closer the fit
    known: NDArray[np.float32]  # (n_known, dim), the training vectors
    n_nearest: int  # number of training vectors in the mean similarity of a track
    min_similarity: float  # below it: "unknown"
    false_alarm_rate: float  # expected share of known-genre tracks, by other artists, called "unknown"
    about: dict[str, Any] = field(default_factory=dict)  # a summary of its training, for people

    def probabilities(self, vectors: NDArray[np.floating[Any]]) -> Floats:
        """Compute the probability of each genre, given that it is one of them.

        Parameters
        ----------
        vectors : (n, dim)
            Unit length, of the encoder `model_id`.

        Returns
        -------
        probabilities : (n, n_genres)
            Rows sum to 1.

        References
        ----------
        C. Guo et al., On calibration of modern neural networks, ICML 2017, equation 9: temperature scaling.
        """
        return softmax(logits(vectors, self.weights, self.biases) / self.temperature)

    def similarities(self, vectors: NDArray[np.floating[Any]]) -> Floats:
        """Compute how near vectors (n, dim) are to the training vectors: (n,), mean cosine to the nearest few."""
        blocks = [vectors[start : start + BLOCK] @ self.known.T for start in range(0, len(vectors), BLOCK)]
        return np.concatenate([mean_of_largest(block, self.n_nearest) for block in blocks] or [np.zeros(0)])

    def check_model(self, model_id: str) -> None:
        """Refuse the vectors of another encoder.

        Raises
        ------
        RecipeMismatchError
            When `model_id` is not the one it was trained on.
        """
        if model_id != self.model_id:
            raise RecipeMismatchError(
                f"genre classifier must be of the catalogue's model {model_id}, got one of {self.model_id} "
                "(run audio-engine genre train again)"
            )

    def save(self, file: Path) -> None:
        """Write it to a file atomically."""
        head = {
            "format_version": FORMAT_VERSION,
            "model_id": self.model_id,
            "genres": self.genres,
            "temperature": self.temperature,
            "strength": self.strength,
            "n_nearest": self.n_nearest,
            "min_similarity": self.min_similarity,
            "false_alarm_rate": self.false_alarm_rate,
            "about": self.about,
        }
        tensors: dict[str, NDArray[Any]] = {"weights": self.weights, "biases": self.biases, "known": self.known}
        write_whole(file, safetensors.numpy.save(tensors, metadata={"genre": json.dumps(head)}))

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read it from a file.

        Raises
        ------
        FileNotFoundError, IsADirectoryError
            When the file does not exist, or is a folder.
        RecipeMismatchError
            When it is not such a file, or of a newer format.
        """
        if file.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(file))
        try:
            with safe_open(file, framework="numpy") as opened:
                head = json.loads((opened.metadata() or {})["genre"])
                tensors = {name: opened.get_tensor(name) for name in ("weights", "biases", "known")}
            if (version := head.pop("format_version")) != FORMAT_VERSION:
                raise RecipeMismatchError(f"its format must be {FORMAT_VERSION}, got {version}")
            return cls(genres=tuple(head.pop("genres")), **head, **tensors)
        except (SafetensorError, KeyError, TypeError, AttributeError, ValueError) as error:
            raise RecipeMismatchError(
                f"genre classifier must be made by audio-engine, got {file}: {error} (run genre train again)"
            ) from error


def logits(vectors: NDArray[np.floating[Any]], weights: Floats, biases: Floats) -> Floats:
    """Compute (n, n_genres) logits of vectors (n, dim)."""
    return np.asarray(vectors, np.float64) @ weights.T + biases


def softmax(values: Floats) -> Floats:
    """Turn logits (n, n_genres) to probabilities, stable for large ones."""
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def mean_of_largest(similarities: NDArray[np.floating[Any]], k: int) -> Floats:
    """Average the k largest of each row, or all where there are fewer: (n, m) to (n,)."""
    first = max(similarities.shape[1] - k, 0)
    return np.asarray(np.partition(similarities, first, axis=1)[:, first:].mean(axis=1), dtype=np.float64)
