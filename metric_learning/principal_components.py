"""Principal components of rows that are read in blocks."""

import numpy as np
from numpy.typing import NDArray

from metric_learning.row_blocks import row_blocks


def principal_components(points: NDArray[np.floating], n: int) -> NDArray[np.float64]:
    """Find the strongest directions of points, by their Gram matrix or their covariance, whichever is smaller.

    Parameters
    ----------
    points : (n_points, n_features)
        May be memory-mapped.
    n
        Components; fewer than points, and no more than features.

    Returns
    -------
    components : (n_features, n)
        Of length 1, strongest first.
    """
    from scipy.linalg import eigh  # noqa: PLC0415  (only training comes here; it takes a tenth of a second)

    n_points, n_features = points.shape
    mean = sum(block.sum(0, dtype=np.float64) for block in row_blocks(points)) / n_points
    if n_points <= n_features:
        centred = points - mean
        variances, coordinates = eigh(centred @ centred.T, subset_by_index=[n_points - n, n_points - 1])
        components: NDArray[np.float64] = centred.T @ coordinates / np.sqrt(np.maximum(variances, 1e-12))
        return components[:, ::-1]
    scatter = np.zeros((n_features, n_features))
    for block in row_blocks(points):
        centred = block - mean
        scatter += centred.T @ centred
    directions: NDArray[np.float64] = eigh(scatter, subset_by_index=[n_features - n, n_features - 1])[1]
    return directions[:, ::-1]
