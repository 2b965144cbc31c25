"""Rows of an array or a tensor, which may be memory-mapped, a block at a time."""

from collections.abc import Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Number = TypeVar("Number", bound=np.floating)
BLOCK_ROWS = 2_048  # rows in memory at once
BATCH_TRACKS = 8  # log-mels of tracks in memory at once


def row_blocks(points: NDArray[Number]) -> list[NDArray[Number]]:
    """Cut rows into blocks of `BLOCK_ROWS`, as views: of (n, n_features), the last may have fewer rows."""
    return [points[start : start + BLOCK_ROWS] for start in range(0, len(points), BLOCK_ROWS)]


def track_batches(log_mels: Tensor) -> Iterator[Tensor]:
    """Yield the log-mels of tracks in batches of `BATCH_TRACKS`, as float32."""
    for start in range(0, len(log_mels), BATCH_TRACKS):
        yield log_mels[start : start + BATCH_TRACKS].float()
