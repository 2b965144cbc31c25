"""Fusion of vectors by weights: their inner product is the weighted mean of those of the parts."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from audio_engine.representations.tables import unit_rows

Floats = NDArray[np.float32]


def fuse_by_weights(parts: Sequence[Floats], weights: Sequence[float]) -> Floats:
    """Set vectors side by side, each scaled by the root of its weight.

    Parameters
    ----------
    parts
        Each (n_tracks, any), unit length; zeros where a track lacks one: the others count for it then.
    weights
        One of each part, at least 0, one of them above 0.

    Returns
    -------
    vectors : (n_tracks, sum of the parts' dims)
        Unit length; zeros for a track without any part.

    Raises
    ------
    ValueError
        When the weights do not fit.

    Examples
    --------
    >>> one, other = np.array([[1.0, 0.0]], np.float32), np.array([[1.0]], np.float32)
    >>> fuse_by_weights([one, other], [3, 1]).round(3)
    array([[0.866, 0.   , 0.5  ]], dtype=float32)
    """
    if len(weights) != len(parts):
        raise ValueError(f"weights must be one of each part, got {len(weights)} of {len(parts)} parts")
    if not all(np.isfinite(weight) and weight >= 0 for weight in weights) or not any(weights):
        raise ValueError(f"weights must be at least 0, and one of them above 0, got {list(weights)}")
    scaled = [np.sqrt(weight) * part for part, weight in zip(parts, weights, strict=True)]
    return unit_rows(np.concatenate(scaled, axis=1))
