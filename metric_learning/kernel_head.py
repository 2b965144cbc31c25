"""Radial basis function layer with a Gaussian centred on each of some known tracks: kernel ridge regression as a layer.

It is fitted in closed form to the vectors that warm tracks have for their users; all its weights can then be trained
further, together with the encoder below it. Its size has an upper limit: it does not grow with the catalogue.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from metric_learning.kernel_regression import (
    BLOCK_ROWS,
    exact_weights,
    landmark_rows,
    landmark_weights,
    squared_distances,
)

Floats = NDArray[np.float32]
SHARPNESS = 0.7  # of the Gaussians: over the median squared distance between known tracks
N_CENTRES = 2_048  # Gaussians at most, 1.4 MB of weights: more known tracks than this are landmarks and others


class KernelHead(nn.Module):
    """Maps distances to known tracks, through a Gaussian, to a vector.

    Parameters
    ----------
    n_inputs
        Numbers in the encoder's pooled embedding.
    n_reduced
        Numbers it is reduced to before distances are measured.
    n_centres
        Known tracks.
    dim
        Numbers in a vector.

    References
    ----------
    D. Broomhead, D. Lowe, Multivariable functional interpolation and adaptive networks, Complex Systems 1988: radial
    basis function networks.
    """

    def __init__(self, n_inputs: int, *, n_reduced: int, n_centres: int, dim: int) -> None:
        super().__init__()
        self.reduce = nn.Linear(n_inputs, n_reduced, bias=False)
        self.centres = nn.Parameter(torch.randn(n_centres, n_reduced))
        self.weigh = nn.Linear(n_centres, dim)

    def forward(self, pooled: Tensor) -> Tensor:
        """Map pooled embeddings to vectors.

        Parameters
        ----------
        pooled : (n_tracks, n_inputs)
            Standardised.

        Returns
        -------
        vectors : (n_tracks, dim)
            Of any length.
        """
        vectors: Tensor = self.weigh(self.rbf_features(pooled))
        return vectors

    def rbf_features(self, pooled: Tensor) -> Tensor:
        """Compute how near tracks are to the known ones: (n_tracks, n_inputs) to (n_tracks, n_centres)."""
        reduced = self.reduce(pooled)
        squared = reduced.square().sum(-1, keepdim=True) + self.centres.square().sum(-1) - 2 * reduced @ self.centres.T
        return torch.exp(-squared.clamp(min=0))


@dataclass(frozen=True, kw_only=True)
class Listening:
    """Warm tracks as users see them: the basis in which the target is best learned, and the target in it.

    The components are ordered by how much of the users' similarities they explain, largest first.
    """

    target: Floats  # (n_tracks, n_components), of mean 0
    basis: Floats  # (n_components, dim): target @ basis are vectors comparable with users' vectors


def listening_components(users: Floats, tracks: Floats, *, n_components: int) -> Listening:
    """Find the directions in which tracks differ for these users, strongest first.

    Parameters
    ----------
    users : (n_users, dim)
        Vectors of users.
    tracks : (n_tracks, dim)
        Vectors of warm tracks.
    n_components
        How many to keep.

    Returns
    -------
    listening
        ``users @ (target @ basis).T`` is the best approximation of that rank to ``users @ (tracks - mean).T``.

    References
    ----------
    C. Eckart, G. Young, The approximation of one matrix by another of lower rank, Psychometrika 1936; applied to the
    factors, through the users' second moment, so that the table itself is never computed.
    """
    moment = users.T.astype(np.float64) @ users / len(users)
    values, vectors = np.linalg.eigh(moment)
    root = vectors * np.sqrt(np.maximum(values, 1e-12)) @ vectors.T
    centred = tracks - tracks.mean(0)
    left, strength, right = np.linalg.svd(centred @ root, full_matrices=False)
    target = left[:, :n_components] * strength[:n_components]
    basis = right[:n_components] @ np.linalg.inv(root)
    return Listening(target=target.astype(np.float32), basis=basis.astype(np.float32))


def subspace_of(listening: Listening) -> Floats:
    """Find the projection onto the directions spanned by a listening target.

    Parameters
    ----------
    listening
        From `listening_components`.

    Returns
    -------
    subspace : (dim, dim)
        Symmetric; users projected by it keep their similarities to every vector of the target, and other directions of
        a track's vector have no effect on them.
    """
    directions = np.linalg.qr(listening.basis.T)[0]
    return np.asarray(directions @ directions.T)


def outside_of(subspace: Floats, projection: Floats, pooled: Floats) -> Floats:
    """Rotate a projection so that its vectors are orthogonal to a subspace, with the least loss.

    Parameters
    ----------
    subspace : (dim, dim)
        From `subspace_of`.
    projection : (dim, n_inputs)
        A linear layer.
    pooled : (n_tracks, n_inputs)
        The inputs it is applied to.

    Returns
    -------
    projection : (dim, n_inputs)
        Its strongest directions on these tracks, as many as fit outside the subspace, rotated there.
    """
    dim = len(subspace)
    n_inside = round(float(np.trace(subspace)))
    free = np.linalg.eigh(subspace)[1][:, : dim - n_inside]  # eigenvalues ascend: the first belong to the outside
    vectors = pooled @ projection.T
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    strongest = np.linalg.eigh(unit.T @ unit)[1][:, n_inside:]  # eigenvalues ascend
    return np.asarray(free @ strongest.T @ projection, np.float32)


def fit_kernel_head(  # noqa: PLR0913  (what is known of the tracks, and two sizes)
    pooled: Floats,
    listening: Listening,
    *,
    group_sizes: Sequence[int],
    artists: Sequence[str],
    n_reduced: int = 128,
    n_centres: int = N_CENTRES,
) -> KernelHead:
    """Fit a head to warm tracks, in closed form.

    Up to `n_centres` tracks it has a Gaussian at each; of more, at landmarks drawn from all artists, and it is still
    fitted to all of them, in time proportional to their number: see `metric_learning.kernel_regression`.

    Parameters
    ----------
    pooled : (n_tracks, n_inputs)
        Pooled embeddings of warm tracks, standardised; may be memory-mapped, and are read in blocks.
    listening
        The target to learn.
    group_sizes
        Numbers of inputs in each group, in order; groups weigh the same, whatever their size.
    artists
        Of the tracks: each component's ridge is the one that predicts held-out artists best.
    n_reduced
        Directions of the inputs to keep: the strongest among the tracks that get a Gaussian.
    n_centres
        Gaussians at most.

    Returns
    -------
    head
        Its vectors are comparable with users' vectors.
    """
    rows = landmark_rows(artists, n_centres)
    reduce = _reduction(pooled[rows], group_sizes, n_reduced)
    reduced = np.concatenate([pooled[n : n + BLOCK_ROWS] @ reduce.T for n in range(0, len(pooled), BLOCK_ROWS)])
    squared = squared_distances(reduced[rows])
    scale = np.sqrt(SHARPNESS / np.median(squared[squared > 0]))
    centres = reduced[rows] * scale
    if len(rows) == len(pooled):
        weights = exact_weights(squared * scale**2, listening.target, artists)
    else:
        weights = landmark_weights(reduced * scale, centres, listening.target, artists)
    head = KernelHead(pooled.shape[1], n_reduced=len(reduce), n_centres=len(rows), dim=listening.basis.shape[1])
    with torch.no_grad():
        head.reduce.weight.copy_(torch.from_numpy(reduce * scale))
        head.centres.copy_(torch.from_numpy(centres))
        head.weigh.weight.copy_(torch.from_numpy((weights @ listening.basis).T))
        head.weigh.bias.zero_()
    return head


def _reduction(pooled: Floats, group_sizes: Sequence[int], n_reduced: int) -> Floats:
    """Find the strongest directions of the inputs, with groups weighted equally: (n_reduced, n_inputs)."""
    if sum(group_sizes) != pooled.shape[1]:
        raise ValueError(f"group_sizes must add up to {pooled.shape[1]}, got {sum(group_sizes)}")
    balance = np.repeat([1 / np.sqrt(size) for size in group_sizes], group_sizes).astype(np.float32)
    centred = (pooled - pooled.mean(0)) * balance
    directions = np.linalg.svd(centred, full_matrices=False)[2][:n_reduced]
    return np.asarray(directions * balance)
