"""Embedder: segments of audio to unit vectors, by the log-mel front end and the encoder on one device."""

from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from features.mel import LogMel
from features.recipe import MelRecipe
from metric_learning.checkpoint import load_checkpoint
from metric_learning.encoder import AudioEncoder
from metric_learning.model_files import DEFAULT_MODEL_DIR, model_id_of
from metric_learning.threads import one_thread


class Embedder:
    """A trained encoder with its own front end.

    Parameters
    ----------
    encoder
        The network, in evaluation mode.
    recipe
        The front end it was trained with.
    model_id
        The model's id, stored with every vector it makes.
    device
        A torch device, or "auto": the GPU if there is one.
    """

    def __init__(self, encoder: AudioEncoder, *, recipe: MelRecipe, model_id: str, device: str = "auto") -> None:
        self.recipe = recipe
        self.model_id = model_id
        self.device = torch.device(_best_device() if device == "auto" else device)
        self.encoder = encoder.eval().to(self.device)
        self._log_mel = LogMel(recipe).to(self.device)

    @classmethod
    def load(cls, model_dir: Path | None = None, device: str = "auto") -> "Embedder":
        """Load a model from disk; without a folder, the one that ships in the package.

        Raises
        ------
        FileNotFoundError
            When the folder is not a model.
        RecipeMismatchError
            When the model is damaged.
        """
        model_dir = model_dir or DEFAULT_MODEL_DIR
        with one_thread():  # for tensors this small, threads that wait for each other cost a tenth of a second
            encoder, recipe = load_checkpoint(model_dir)
            return cls(encoder, recipe=recipe, model_id=model_id_of(model_dir), device=device)

    @classmethod
    def from_pretrained(cls, model_dir: str | Path, device: str = "auto") -> "Embedder":
        """Load a model from its folder: `recipe.json` and `model.safetensors`, as training saves them.

        Nothing is downloaded, and there are no revisions: the folder is the model.

        Raises
        ------
        FileNotFoundError, RecipeMismatchError
            As `load`.
        """
        return cls.load(Path(model_dir), device=device)

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        dim: int = self.encoder.config.dim
        return dim

    @property
    def wants_batches(self) -> bool:
        """Whether batches of tracks are faster than one track per thread: true on a GPU."""
        return self.device.type == "cuda"

    def embed(self, segments: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embed a batch of tracks.

        Parameters
        ----------
        segments : (n_tracks, n_segments, segment_samples)
            As `features.decode.decode_segments` or `features.segments.cut_segments` return them.

        Returns
        -------
        vectors : (n_tracks, dim)
            Unit length; a track has the same vector alone and in a batch, to 1e-5.

        Raises
        ------
        ValueError
            When the segments do not match the recipe.
        """
        expected = (self.recipe.n_segments, self.recipe.segment_samples)
        if segments.ndim != 3 or segments.shape[1:] != expected:
            raise ValueError(f"segments must have shape (n_tracks, {expected[0]}, {expected[1]}), got {segments.shape}")
        n_together = len(segments) if self.wants_batches else 1  # a track fits in a core's cache, a batch does not
        pieces = [segments[first : first + n_together] for first in range(0, len(segments), max(1, n_together))]
        return np.concatenate(
            [self.encode(self.log_mel_of(piece)) for piece in pieces] or [np.zeros((0, self.dim), np.float32)]
        )

    def embed_segments(self, segments: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embed each segment of one track by itself, as if it were the whole track.

        Parameters
        ----------
        segments : (n_segments, segment_samples)
            Of one track: their levels are measured relative to the loudest of them all.

        Returns
        -------
        vectors : (n_segments, dim)
            Unit length.
        """
        with torch.inference_mode():
            vectors: NDArray[np.float32] = self.encoder.embed_segments(self.log_mel_of(segments[None])).cpu().numpy()
        return vectors

    def log_mel_of(self, segments: NDArray[np.float32]) -> Tensor:
        """Move segments, as given to `embed`, to the device and transform them there: the first half of `embed`."""
        waveforms = torch.from_numpy(np.ascontiguousarray(segments, np.float32))
        if self.device.type == "cuda":
            waveforms = waveforms.pin_memory()
        with torch.inference_mode():
            return self._log_mel.of_segments(waveforms.to(self.device, non_blocking=True))

    def encode(self, log_mel: Tensor) -> NDArray[np.float32]:
        """Turn log-mels (n_tracks, n_segments, n_mels, n_frames) into vectors (n_tracks, dim): the second half."""
        with torch.inference_mode():
            vectors: NDArray[np.float32] = self.encoder(log_mel).cpu().numpy()
        return vectors

    def one_thread_a_track(self) -> AbstractContextManager[None]:
        """Limit each call of `embed` to its own thread, for callers that embed in many threads at once."""
        return one_thread()


def _best_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"
