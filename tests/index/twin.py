"""Shared by the tests of the index: structured vectors, and a search in plain NumPy."""

import numpy as np


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def clustered(n, *, dim=16, n_clusters=20, seed=0):
    """Unit vectors around centres, as tracks lie around styles: (n, dim)."""
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((n_clusters, dim))
    return unit(centres[generator.integers(0, n_clusters, n)] + 0.5 * generator.standard_normal((n, dim)))


def names(n):
    return [f"{number:06}" for number in range(n)]


def twin_search(vectors, query, k):
    """The k nearest of {track id: vector}, in double precision, sorted by similarity and then by id."""
    if not vectors:
        return []
    similarities = np.clip((np.stack([*vectors.values()]).astype(np.float64) * query).sum(axis=1), -1, 1)
    hits = zip(vectors, similarities.tolist(), strict=True)
    return sorted(hits, key=lambda hit: (-hit[1], hit[0]))[:k]
