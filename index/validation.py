"""Validation of what enters an index: unit vectors of its dim, each with a unique id."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from index.vector_store import BLOCK

UNIT_TOLERANCE = 1e-3  # a vector's length may differ from 1 by this much


def check_unit(vectors: NDArray[np.float32], *, dim: int, name: str) -> NDArray[np.float32]:
    """Refuse vectors that are not finite, of `dim` numbers and of unit length; return them contiguous, for FAISS.

    Raises
    ------
    ValueError
    """
    if vectors.ndim != 2 or vectors.shape[1] != dim:
        raise ValueError(f"{name} must have shape (n, {dim}), got {vectors.shape}")
    if len(vectors) == 1 and abs(float(vectors[0].dot(vectors[0])) - 1) <= UNIT_TOLERANCE:  # one call for a lone query
        return np.ascontiguousarray(vectors, dtype=np.float32)
    for start in range(0, len(vectors), BLOCK):
        block = vectors[start : start + BLOCK]
        lengths = np.sqrt(np.vecdot(block, block))
        if not (is_unit := np.abs(lengths - 1) <= UNIT_TOLERANCE).all():  # written so that NaN fails
            raise ValueError(f"{name} must be of unit length, got {lengths[~is_unit][0]:g} (not normalised?)")
    return np.ascontiguousarray(vectors, dtype=np.float32)


def check_new(track_ids: Sequence[str], n_vectors: int) -> None:
    """Refuse ids that do not match the number of vectors, or that repeat.

    Raises
    ------
    ValueError
    """
    if len(track_ids) != n_vectors:
        raise ValueError(f"track_ids must be as many as vectors ({n_vectors}), got {len(track_ids)}")
    if n_repeated := len(track_ids) - len(set(track_ids)):
        raise ValueError(f"track_ids must each stand once, got {n_repeated} repeated")


def check_k(k: int) -> None:
    """Refuse a k below 1.

    Raises
    ------
    ValueError
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
