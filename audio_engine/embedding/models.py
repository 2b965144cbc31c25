"""Models of a catalogue: the active one, the target of a move, and the folders of their files.

A catalogue keeps its own copy of each model it has vectors of, so it keeps working when the package ships a newer
model.
"""

import threading
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.decoding.pool import Decoders, n_cores
from features.recipe import MelRecipe
from metric_learning.model_files import (
    DEFAULT_MODEL_DIR,
    RecipeMismatchError,
    copy_model,
    copy_user_tower,
    front_end_of,
    model_id_of,
    read_recipe,
)
from metric_learning.space import Space, space_of

if TYPE_CHECKING:
    from metric_learning.embedder import Embedder

MODELS_DIR = "models"  # in the catalogue's folder


class Models:
    """The models of one catalogue, each loaded when it is first used; threads may share them."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._directory = catalogue.path.parent / MODELS_DIR
        self._embedders: dict[str, Embedder] = {}
        self._loading = threading.Lock()
        self._is_serving = False
        self.decoders = Decoders()  # reads the audio for them
        self._serving = ExitStack()

    def close(self) -> None:
        """Stop what `serve_many` started."""
        self._serving.close()
        self.decoders.close()

    def serve_many(self, *, n_workers: int | None, timeout_s: float, max_duration_s: float | None) -> None:
        """Check the files of the model that answers, and keep decoders.

        The network is loaded by the first thread that has a sound for it, and from then on embeds in many threads:
        what answers from vectors alone runs without torch, which takes seconds to load and half a gigabyte.

        Raises
        ------
        FileNotFoundError, RecipeMismatchError
            When there are no such files, or others than the vectors were made with.
        """
        if (found := model_id_of(self.active_folder)) != self.active_id:
            raise RecipeMismatchError(f"model in {self.active_folder} must be {self.active_id}, got {found} (damaged?)")
        self.decoders.keep(
            self.mel_recipe(), n_workers=n_workers or n_cores(), timeout_s=timeout_s, max_duration_s=max_duration_s
        )
        with self._loading:
            self._is_serving = True
            for embedder in self._embedders.values():
                self._serving.enter_context(embedder.one_thread_a_track())

    @property
    def active_id(self) -> str:
        """The id of the active model, whose vectors answer queries; in an empty catalogue the one that ships."""
        return self._catalogue.model_id or shipped_model_id()

    @property
    def target_id(self) -> str:
        """The id of the model that new vectors are made with."""
        return self._catalogue.target_model_id or self.active_id

    def active(self) -> "Embedder":
        """Load the active model."""
        return self._load(self.active_id)

    @property
    def active_folder(self) -> Path:
        """The folder of the active model."""
        return self._folder(self.active_id)

    @property
    def target_folder(self) -> Path:
        """The folder of the model that new vectors are made with."""
        return self._folder(self.target_id)

    def target(self) -> "Embedder":
        """Load the model that new vectors are made with, and ensure that the catalogue has a copy."""
        return self._load(self.keep_target())

    def keep_target(self) -> str:
        """Ensure that the catalogue has a copy of the model that new vectors are made with; returns its id."""
        target_id = self.target_id
        if target_id == shipped_model_id():
            copy_model(DEFAULT_MODEL_DIR, self._directory)
        self._catalogue.set_model(target_id)
        return target_id

    def use(self, model_dir: Path | None) -> str:
        """Make a model the target and return its id. Without a folder, the one that ships.

        If the catalogue has a copy of that encoder, the copy gets the user tower of the folder: it may be a newer one.

        Raises
        ------
        FileNotFoundError, RecipeMismatchError
            When the folder holds no usable model.
        """
        model_dir = model_dir or DEFAULT_MODEL_DIR
        _embedder_of(model_dir)
        model_id = copy_model(model_dir, self._directory)
        copy_user_tower(model_dir, self._directory / model_id)
        self._catalogue.set_model(model_id)
        self._catalogue.finish_model_change()  # immediately, if nothing is embedded yet
        return model_id

    def recipe(self) -> dict[str, Any]:
        """Read the front-end recipe of the active model, without loading it."""
        numbers: dict[str, Any] = read_recipe(self._folder(self.active_id))["mel"]
        return numbers

    def target_recipe(self) -> MelRecipe:
        """Read the front end of the model that new vectors are made with, without loading it.

        Raises
        ------
        RecipeMismatchError
            When it is damaged.
        """
        return front_end_of(self.target_folder)

    def mel_recipe(self) -> MelRecipe:
        """Read the front end that sounds are decoded for, without loading the network; once for each model.

        Raises
        ------
        FileNotFoundError, RecipeMismatchError
            When the active model has no such files, or damaged ones.
        """
        return _mel_recipe_of(self.active_folder, self.active_id)

    def space(self) -> Space:
        """Describe the space that the vectors of the active model live in, without loading it."""
        return _space_of(self.active_folder, self.active_id)

    def _load(self, model_id: str) -> "Embedder":
        """Load a model once, whichever thread comes first."""
        with self._loading:
            if model_id not in self._embedders:
                self._embedders[model_id] = embedder = _embedder_of(self._folder(model_id))
                if self._is_serving:
                    self._serving.enter_context(embedder.one_thread_a_track())
            return self._embedders[model_id]

    def _folder(self, model_id: str) -> Path:
        """Find the catalogue's own copy of a model, or else the one that ships."""
        own = self._directory / model_id
        return DEFAULT_MODEL_DIR if model_id == shipped_model_id() and not own.exists() else own


@cache
def shipped_model_id() -> str:
    """Return the id of the model in the package."""
    return model_id_of(DEFAULT_MODEL_DIR)


@cache
def _space_of(model_dir: Path, model_id: str) -> Space:
    """Describe a model once: its id stands for what its folder holds."""
    return space_of(model_dir)


@cache
def _mel_recipe_of(model_dir: Path, model_id: str) -> MelRecipe:
    """Read the front end of a model once, as `_space_of`."""
    return front_end_of(model_dir)


def _embedder_of(model_dir: Path) -> "Embedder":
    """Load a model; torch is imported only here, so that other commands start without it."""
    from metric_learning.embedder import Embedder  # noqa: PLC0415

    return Embedder.load(model_dir)
