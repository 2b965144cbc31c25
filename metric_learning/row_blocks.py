"""Rows of an array, which may be memory-mapped, a block at a time."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.floating)
BLOCK_ROWS = 2_048  # rows in memory at once


def row_blocks(points: NDArray[Number]) -> list[NDArray[Number]]:
    """Cut rows into blocks of `BLOCK_ROWS`, as views: of (n, n_features), the last may have fewer rows."""
    return [points[start : start + BLOCK_ROWS] for start in range(0, len(points), BLOCK_ROWS)]
