"""What is known of tracks beside who plays them: categories such as the artist, and audio vectors.

Any of it may be missing, for a track or altogether; a model must then do with the rest.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metric_learning.lazy_adam import LazyAdam

MISSING = -1  # the code of a category that is not known
FIRST_LENGTH = 0.1  # of a vector of a category, about, before anything is learned


@dataclass(frozen=True, kw_only=True, eq=False)
class SideInformation:
    """Side information of tracks; the arrays may be memory-mapped.

    Raises
    ------
    ValueError
        When the arrays are not of one length, or a code is out of range.
    """

    codes: NDArray[np.int32]  # (n_tracks, n_columns) value of each category from 0, in a numbering that all columns
    # share: those of the second column follow those of the first; `MISSING` where not known
    n_codes: int  # in all columns together
    audio: NDArray[np.float32]  # (n_tracks, n_audio) unit length, zeros where there is none; n_audio may be 0

    def __post_init__(self) -> None:
        if len(self.codes) != len(self.audio):
            raise ValueError(f"codes and audio must be of the same tracks, got {len(self.codes)} and {len(self.audio)}")
        if self.codes.size and not (self.codes.min() >= MISSING and self.codes.max() < self.n_codes):
            raise ValueError(f"codes must be from {MISSING} to {self.n_codes - 1}, got {self.codes.max()}")

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def n_sources(self) -> int:
        """Number of things that may be known of a track: each category, and its audio."""
        return int(self.codes.shape[1]) + int(self.audio.shape[1] > 0)

    def has_some(self) -> NDArray[np.bool_]:
        """Tell of which tracks anything is known: (n_tracks,)."""
        return np.asarray((self.codes >= 0).any(1) | self.audio.any(1))

    def of(self, rows: NDArray[np.integer]) -> tuple[Tensor, Tensor]:
        """Read the codes (n, n_columns) and the audio (n, n_audio) of some tracks."""
        return torch.from_numpy(self.codes[rows].astype(np.int64)), torch.from_numpy(np.asarray(self.audio[rows]))

    def as_known_from(self, learned: NDArray[np.bool_]) -> "SideInformation":
        """Forget the values of categories that none of some tracks (n_tracks,) has: nothing can be learned of them."""
        known = np.zeros(self.n_codes + 1, np.bool_)  # the last stands for `MISSING`
        known[np.unique(self.codes[learned])] = True
        known[MISSING] = False
        return replace(self, codes=np.where(known[self.codes], self.codes, MISSING).astype(np.int32))


class CategoryVectors:
    """A vector for each value of the categories; a step moves those that were read for it.

    Parameters
    ----------
    n_codes
        Number of values.
    dim
        Numbers in a vector.
    learning_rate
        Of `LazyAdam`.
    generator
        Source of the first vectors, of length about `FIRST_LENGTH` each.
    """

    def __init__(self, n_codes: int, dim: int, *, learning_rate: float, generator: torch.Generator) -> None:
        first = FIRST_LENGTH * torch.randn(n_codes, dim, generator=generator) / dim**0.5
        self._steps = LazyAdam([first], learning_rate=learning_rate)
        self._read: tuple[Tensor, Tensor] | None = None

    def read(self, codes: Tensor) -> Tensor:
        """Look vectors up: codes (n, n_columns) to (n, n_columns, dim), zeros where the code is `MISSING`."""
        is_known = codes >= 0
        rows, places = torch.unique(codes[is_known], return_inverse=True)
        (vectors,) = self._steps.read(rows)
        self._read = rows, vectors
        found = torch.zeros(*codes.shape, vectors.shape[1])
        found[is_known] = vectors[places]
        return found

    def step(self) -> None:
        """Move the vectors that were read last, against their gradients."""
        if self._read is not None:
            self._steps.step(self._read[0], [self._read[1]])
            self._read = None
