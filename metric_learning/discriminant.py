"""Linear discriminant analysis with shrinkage: what tells makers apart, and not versions of one track."""

import numpy as np
from numpy.typing import NDArray

from metric_learning.pretrain_config import PretrainConfig
from metric_learning.principal_components import principal_components
from metric_learning.row_blocks import row_blocks

Floats = NDArray[np.float64]


def discriminant(
    versions: NDArray[np.floating],
    classes: NDArray[np.int64],
    *,
    dim: int,
    config: PretrainConfig,
) -> Floats:
    """Linear discriminant analysis with shrinkage, inside the leading principal components.

    A maker is weighted by the square root of its degrees of freedom, so that a few large ones do not dominate. The
    scatter between the versions of a track adds to the scatter within makers.

    Parameters
    ----------
    versions : (n_versions + 1, n_tracks, n_features)
        Standardised; may be memory-mapped, and is read in blocks.
    classes : (n_tracks,)
    dim
        Directions to keep; where there are fewer components, the rest are zero.
    config
        Components, shrinkage, weight of the versions.

    Returns
    -------
    weight : (n_features, dim)
        Whitens the scatter within makers, then rotates to the axes of largest total scatter.

    References
    ----------
    J. H. Friedman, Regularized discriminant analysis, JASA 1989: shrinking towards a multiple of the identity.
    A. O. Hatch et al., Within-class covariance normalization for SVM-based speaker recognition, Interspeech 2006.
    """
    clean = versions[0]
    n_components = min(config.n_components, len(clean) - 1, clean.shape[1])
    components = principal_components(clean, n_components)
    scores = [np.concatenate([block @ components for block in row_blocks(version)]) for version in versions]
    centre = scores[0].mean(0)
    scores = [each - centre for each in scores]
    within = _scatter_within(scores[0], classes)
    if len(scores) > 1:
        moved = np.concatenate([version - scores[0] for version in scores[1:]])
        within += config.version_weight * moved.T @ moved / len(moved)
    sphere = np.trace(within) / n_components * np.eye(n_components)
    variances, directions = np.linalg.eigh((1.0 - config.shrinkage) * within + config.shrinkage * sphere)
    whitening = directions / np.sqrt(variances)
    whitened = scores[0] @ whitening
    axes = np.linalg.eigh(whitened.T @ whitened)[1][:, ::-1][:, :dim]
    weight: Floats = np.zeros((len(components), dim))
    weight[:, : axes.shape[1]] = components @ whitening @ axes
    return weight


def _scatter_within(scores: Floats, classes: NDArray[np.int64]) -> Floats:
    """Scatter of tracks around the mean of their maker; a maker of one track contributes nothing."""
    scatter: Floats = np.zeros((scores.shape[1], scores.shape[1]))
    total = 0.0
    for maker in np.unique(classes):
        own = scores[classes == maker]
        if len(own) > 1:
            apart = own - own.mean(0)
            weight = (len(own) - 1) ** -0.5
            scatter += weight * apart.T @ apart
            total += weight * (len(own) - 1)
    return scatter / max(total, 1.0)
