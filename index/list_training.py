"""Training of inverted lists: centroids by spherical k-means, and FAISS lists of 16-bit floats or of 4-bit codes.

Four bits a number say how a vector differs from the centroid of its list. FAISS compares 32 such codes at a time with
tables in registers, four to ten times as fast as 16-bit floats, but less sharply: more candidates have to be ranked by
the vectors themselves.

References
----------
F. André, A.-M. Kermarrec, N. Le Scouarnec, Cache locality is not enough: high-performance nearest neighbor search with
product quantization fast scan, VLDB 2015. Here each number is a subspace of its own.
H. Jégou, M. Douze, C. Schmid, Product quantization for nearest neighbor search, PAMI 2011: the inverted file.
"""

from typing import Any, Literal

import faiss
import numpy as np
from numpy.typing import NDArray

from index.vector_store import blocks

Bits = Literal[4, 16]  # of each number of a vector in the lists

TRAINING_POINTS = 64  # vectors per list that k-means trains on: FAISS asks for 39, its authors advise 30 to 256
TRAINING_ROUNDS = 10
FOUR_BITS = 4
ONE_QUERY = 11  # FAISS's number of the fast scan with least to set up for a query: 26 µs where its own choice takes 33


def train_lists(vectors: NDArray[np.float32], *, n_lists: int, n_bits: Bits, seed: int) -> Any:
    """Fit centroids by k-means and assign every vector to its nearest.

    Parameters
    ----------
    vectors : (n, dim)
    n_lists
        At most n.
    n_bits
        Of each number in the lists; 4 needs 16 vectors at least.
    seed
        Of k-means, and of the choice of vectors that it trains on.

    Returns
    -------
    lists
        A ``faiss.IndexIVF`` over row numbers.
    """
    dim = vectors.shape[1]
    means = faiss.Kmeans(
        dim,
        n_lists,
        niter=TRAINING_ROUNDS,
        spherical=True,
        seed=seed,
        min_points_per_centroid=1,
        max_points_per_centroid=TRAINING_POINTS,
    )
    n_training = min(len(vectors), TRAINING_POINTS * n_lists)
    chosen = np.sort(np.random.default_rng(seed).choice(len(vectors), n_training, replace=False))
    training = np.ascontiguousarray(vectors[chosen], dtype=np.float32)
    means.train(training)
    quantizer = faiss.IndexFlatIP(dim)
    quantizer.add(means.centroids)
    lists = _empty_lists(quantizer, n_lists, n_bits)
    lists.train(training)
    for block in blocks(vectors):
        lists.add(block)
    return lists


def _empty_lists(quantizer: Any, n_lists: int, n_bits: Bits) -> Any:
    """Make lists that are yet to be trained."""
    dim = quantizer.d
    if n_bits == FOUR_BITS:
        lists = faiss.IndexIVFPQFastScan(quantizer, dim, n_lists, dim, FOUR_BITS, faiss.METRIC_INNER_PRODUCT)
        lists.by_residual, lists.implem = True, ONE_QUERY
        lists.pq.cp.min_points_per_centroid = 1
        return lists
    return faiss.IndexIVFScalarQuantizer(
        quantizer, dim, n_lists, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT, False
    )
