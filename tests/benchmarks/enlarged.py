"""Enlarged sets of track vectors: any number of synthetic vectors with the structure of real ones.

A new vector mixes a real one with two of its ten nearest (weights from a flat Dirichlet distribution) and adds noise as
long as 0.75 of the distance from the real one to its nearest. The noise is a random combination of four real
differences between neighbours, so that it has the directions of real vectors. Of multiples of a quarter, 0.75 best
preserves, at the real number of vectors, the median distances to the nearest and to the tenth nearest and the spectrum.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

N_NEAR = 10
N_MIXED = 2  # neighbours mixed in
NOISE = 0.75  # of the distance to the nearest
BLOCK = 1 << 17


def real_vectors(source: Path) -> NDArray[np.float32]:
    """Read unit vectors from a catalogue's folder, a Parquet file with a column `vector`, or a .npy file: (n, dim)."""
    if source.is_dir():
        with sqlite3.connect(f"file:{source / 'catalogue.sqlite'}?mode=ro", uri=True) as connection:
            rows = connection.execute(
                "SELECT vector FROM vectors WHERE model_id = (SELECT value FROM meta WHERE name = 'model_id')"
            ).fetchall()
        return np.stack([np.frombuffer(row[0], dtype="<f4") for row in rows])
    if source.suffix == ".npy":
        return np.load(source).astype(np.float32)
    return np.stack(pl.read_parquet(source)["vector"].to_list()).astype(np.float32)


def enlarged(real: NDArray[np.float32], n: int, seed: int, block: int = BLOCK) -> Iterator[NDArray[np.float32]]:
    """Draw n unit vectors like the real ones, in blocks: (block, dim)."""
    similarities = real @ real.T
    np.fill_diagonal(similarities, -2)
    near = np.argsort(-similarities, axis=1)[:, :N_NEAR]
    to_nearest = np.sqrt(np.maximum(2 - 2 * similarities.max(axis=1), 0))
    differences = (real[:, np.newaxis] - real[near]).reshape(-1, real.shape[1])
    random = np.random.default_rng(seed)
    for start in range(0, n, block):
        m = min(block, n - start)
        first = random.integers(0, len(real), m)
        others = np.argsort(random.random((m, N_NEAR), dtype=np.float32), axis=1)[:, :N_MIXED]
        weights = random.dirichlet([1.0] * (N_MIXED + 1), m).astype(np.float32)
        mixed = weights[:, :1] * real[first]
        for other in range(N_MIXED):
            mixed += weights[:, other + 1 : other + 2] * real[near[first, others[:, other]]]
        noise = differences[random.integers(0, len(differences), (m, 4))]
        noise = (noise * random.standard_normal((m, 4, 1)).astype(np.float32)).sum(axis=1)
        noise /= np.linalg.norm(noise, axis=1, keepdims=True)
        mixed += NOISE * to_nearest[first][:, np.newaxis] * noise
        yield (mixed / np.linalg.norm(mixed, axis=1, keepdims=True)).astype(np.float32)


def structure(vectors: NDArray[np.float32]) -> dict[str, float]:
    """Sum up how vectors lie: median distances to the 1st and 10th nearest, variance in the first 16 directions."""
    similarities = vectors @ vectors.T
    np.fill_diagonal(similarities, -2)
    distances = np.sqrt(np.maximum(2 - 2 * -np.sort(-similarities, axis=1)[:, :N_NEAR], 0))
    spectrum = np.linalg.svd(vectors - vectors.mean(axis=0), compute_uv=False) ** 2
    return {
        "median distance to the nearest": float(np.median(distances[:, 0])),
        "… to the tenth": float(np.median(distances[:, -1])),
        "variance in 16 directions": float(spectrum[:16].sum() / spectrum.sum()),
    }
