"""The encoder as a transformer of scikit-learn: from a list of sound files to their vectors."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin

from audio_engine.decoding.pool import DecoderPool, n_cores
from audio_engine.errors import DecodeError
from metric_learning.embedder import Embedder
from metric_learning.model_files import DEFAULT_MODEL_DIR, model_id_of, read_recipe


class AudioVectors(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turns paths of sound files into their vectors; nothing is learned, and no catalogue is needed.

    Parameters
    ----------
    model
        Folder of a model, with `recipe.json` and `model.safetensors`; by default the one that ships.
    n_workers
        Processes that decode; by default one for each core.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> by_ear = make_pipeline(AudioVectors(), LogisticRegression())  # .fit(paths, labels).predict(other_paths)
    >>> AudioVectors().get_feature_names_out()[:2].tolist()
    ['audiovectors0', 'audiovectors1']
    """

    def __init__(self, model: str | Path | None = None, n_workers: int | None = None) -> None:
        self.model = model
        self.n_workers = n_workers

    def fit(self, X: Iterable[str | PathLike[str]], y: object = None) -> Self:  # noqa: N803
        """Check that `X` is a list of paths; nothing else is done.

        Raises
        ------
        TypeError
            When it is not.
        """
        _paths_of(X)
        return self

    def transform(self, X: Iterable[str | PathLike[str]]) -> NDArray[np.float32]:  # noqa: N803
        """Embed files.

        Parameters
        ----------
        X : (n_tracks,)
            Paths: `str` or `Path`, in a list, an array or a column of a table.

        Returns
        -------
        vectors : (n_tracks, dim)
            Of unit length, in the order of the paths.

        Raises
        ------
        FileNotFoundError
            When a file is not there.
        DecodeError
            When one cannot be decoded, or is silent; the message begins with its path.
        """
        paths = _paths_of(X)
        embedder = _embedder_of(self._folder, model_id_of(self._folder))
        n_workers = n_cores() if self.n_workers is None else self.n_workers

        def vector_of(path: Path) -> NDArray[np.float32]:
            path.stat()  # a file that is not there is no file that cannot be decoded
            try:
                vector: NDArray[np.float32] = embedder.embed(pool.read(path).segments[None])[0]
            except DecodeError as error:
                raise type(error)(f"{path}: {error}") from error
            return vector

        with (
            DecoderPool(embedder.recipe, n_workers=n_workers) as pool,
            embedder.one_thread_a_track(),
            ThreadPoolExecutor(n_workers) as threads,
        ):
            vectors = list(threads.map(vector_of, paths))
        return np.array(vectors, np.float32).reshape(len(paths), embedder.dim)

    @property
    def _folder(self) -> Path:
        return DEFAULT_MODEL_DIR if self.model is None else Path(self.model)

    @property
    def _n_features_out(self) -> int:
        """How many names `get_feature_names_out` makes."""
        dim: int = read_recipe(self._folder)["encoder"]["dim"]
        return dim

    def __sklearn_is_fitted__(self) -> bool:
        """Return that it may be used at once."""
        return True

    def __sklearn_tags__(self) -> Any:
        """Say what it takes: texts, not tables of numbers."""
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.input_tags.string = True
        return tags


@cache
def _embedder_of(model_dir: Path, model_id: str) -> Embedder:
    """Load a model once, outside of the transformer, which is copied and pickled."""
    return Embedder.from_pretrained(model_dir)


def _paths_of(paths: Iterable[str | PathLike[str]]) -> list[Path]:
    """Take paths out of whatever holds them."""
    found = [] if isinstance(paths, str | PathLike) else list(paths)
    if not found or not all(isinstance(path, str | PathLike) for path in found):
        raise TypeError(f"X must be a list of paths of sound files, got {paths!r:.100}")
    return [Path(fspath(path)) for path in found]
