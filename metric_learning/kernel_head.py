"""Radial basis function layer with a Gaussian centred on each of some known tracks: kernel ridge regression as a layer.

It is fitted in closed form to the vectors that warm tracks have for their users; all its weights can then be trained
further, together with the encoder below it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Floats = NDArray[np.float32]
RIDGES = (0.1, 0.3, 1.0, 3.0, 10.0, 100.0)  # tried for each component of the target
SHARPNESS = 0.7  # of the Gaussians: over the median squared distance between known tracks
N_FOLDS = 8  # of artists held out in turn, to choose a ridge


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


def fit_kernel_head(
    pooled: Floats, listening: Listening, *, group_sizes: Sequence[int], artists: Sequence[str], n_reduced: int = 128
) -> KernelHead:
    """Fit a head to warm tracks, in closed form.

    Parameters
    ----------
    pooled : (n_tracks, n_inputs)
        Pooled embeddings of warm tracks, standardised.
    listening
        The target to learn.
    group_sizes
        Numbers of inputs in each group, in order; groups weigh the same, whatever their size.
    artists
        Of the tracks: each component's ridge is the one that predicts held-out artists best.
    n_reduced
        Directions of the inputs to keep.

    Returns
    -------
    head
        A Gaussian at each warm track; its vectors are comparable with users' vectors.

    References
    ----------
    C. Saunders, A. Gammerman, V. Vovk, Ridge regression learning algorithm in dual variables, ICML 1998.
    """
    reduce = _reduction(pooled, group_sizes, n_reduced)
    reduced = pooled @ reduce.T
    squared = ((reduced[:, None] - reduced[None]) ** 2).sum(-1)
    scale = np.sqrt(SHARPNESS / np.median(squared[squared > 0]))
    kernel = np.exp(-squared * scale**2).astype(np.float64)
    weights = np.stack(
        [_solve(kernel, component, ridge) for component, ridge in _ridges(kernel, listening.target, artists)], axis=1
    )
    head = KernelHead(pooled.shape[1], n_reduced=len(reduce), n_centres=len(pooled), dim=listening.basis.shape[1])
    with torch.no_grad():
        head.reduce.weight.copy_(torch.from_numpy(reduce * scale))
        head.centres.copy_(torch.from_numpy(reduced * scale))
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


def _ridges(
    kernel: NDArray[np.float64], target: Floats, artists: Sequence[str]
) -> list[tuple[NDArray[np.float64], float]]:
    """Choose a ridge for each component of a target, on artists held out in turn."""
    names = sorted(set(artists))
    fold_of = {name: place % N_FOLDS for place, name in enumerate(np.random.default_rng(0).permutation(names))}
    folds = np.array([fold_of[name] for name in artists])
    misses = np.zeros((len(RIDGES), target.shape[1]))
    for fold in np.unique(folds):
        test, train = folds == fold, folds != fold
        for row, ridge in enumerate(RIDGES):
            weights = _solve(kernel[np.ix_(train, train)], target[train].astype(np.float64), ridge)
            misses[row] += ((kernel[np.ix_(test, train)] @ weights - target[test]) ** 2).sum(0)
    best = misses.argmin(0)
    return [(target[:, i].astype(np.float64), RIDGES[best[i]]) for i in range(target.shape[1])]


def _solve(kernel: NDArray[np.float64], target: NDArray[np.float64], ridge: float) -> NDArray[np.float64]:
    """Solve for the weights of the Gaussians."""
    return np.asarray(np.linalg.solve(kernel + ridge * np.eye(len(kernel)), target))
