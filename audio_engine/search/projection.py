"""Projection of vectors to the plane, for the map of a catalogue.

UMAP if it is installed (the extra ``map``), which keeps neighbours together; otherwise PCA, which keeps the two
directions of largest variance.

References
----------
L. McInnes, J. Healy, J. Melville, UMAP: uniform manifold approximation and projection for dimension reduction,
    arXiv:1802.03426, 2018 (umap-learn).
"""

import warnings
from importlib.util import find_spec
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Projection = Literal["umap", "pca"]

MIN_UMAP = 50  # tracks; fewer tracks have no meaningful neighbourhoods
N_NEIGHBOURS = 15  # that UMAP keeps together
MIN_DISTANCE = 0.1  # between points of the plane, as UMAP counts
SEED = 0  # the same vectors give the same map


def installed() -> Projection:
    """Return the projection used for maps of at least `MIN_UMAP` tracks on this machine."""
    return "pca" if find_spec("umap") is None else "umap"


def project(vectors: NDArray[np.float32]) -> tuple[NDArray[np.float32], Projection]:
    """Lay vectors out in the plane.

    Parameters
    ----------
    vectors : (n, dim)
        Unit length.

    Returns
    -------
    xy : (n, 2)
        Centred, the farthest coordinate at 1 or -1.
    projection
        The method used.
    """
    if len(vectors) >= MIN_UMAP and installed() == "umap":
        return _scaled(_umap(vectors)), "umap"
    return project_by_pca(vectors), "pca"


def project_by_pca(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lay vectors (n, dim) out in the plane (n, 2), scaled as by `project`: a second for a million of them."""
    return _scaled(_pca(vectors)) if len(vectors) else np.zeros((0, 2), np.float32)


def _umap(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    with warnings.catch_warnings():  # its warnings about numba, tensorflow and the seed are irrelevant here
        warnings.simplefilter("ignore")
        import umap  # noqa: PLC0415  (an extra, and slow to load)

        reducer = umap.UMAP(
            n_neighbors=min(N_NEIGHBOURS, len(vectors) - 1),
            min_dist=MIN_DISTANCE,
            metric="cosine",
            random_state=SEED,
            n_jobs=1,
        )
        xy: NDArray[np.float32] = reducer.fit_transform(vectors)
    return xy


def _pca(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Project on the two directions of most variance, each signed so that its largest number is positive."""
    centred = vectors - vectors.mean(0)
    _, directions = np.linalg.eigh(centred.T.astype(np.float64) @ centred)
    axes = directions[:, :-3:-1]
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), [0, 1]])
    xy: NDArray[np.float32] = (centred @ axes).astype(np.float32)
    return xy


def _scaled(xy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Centre the bounding box, and bring it to the square from -1 to 1."""
    low, high = xy.min(0), xy.max(0)
    reach = float((high - low).max()) / 2
    scaled: NDArray[np.float32] = ((xy - (low + high) / 2) / (reach or 1.0)).astype(np.float32)
    return scaled
