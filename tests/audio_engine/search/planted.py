"""A catalogue for the tests of search: vectors around a few centres, written without any sound."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audio_engine import Catalogue, Tags
from audio_engine.catalogue.track import DIM, Embedded
from audio_engine.embedding.models import shipped_model_id

N_CLUSTERS, N_EACH = 5, 12


def clusters(seed: int = 0, *, n_each: int = N_EACH) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(7).standard_normal((N_CLUSTERS, DIM))
    vectors = np.repeat(centres, n_each, axis=0) + 0.3 * rng.standard_normal((N_CLUSTERS * n_each, DIM))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def change(name: str, vector: NDArray[np.float32], **tags: str) -> Embedded:
    return Embedded(
        path=Path(f"/music/{name}.mp3"),
        content_hash=name,
        file_size=1,
        mtime_ns=1,
        tags=Tags(**tags),
        model_id=shipped_model_id(),
        vector=vector,
    )


def fill(catalogue: Catalogue, vectors: NDArray[np.float32], *, prefix: str = "") -> None:
    catalogue.set_model(shipped_model_id())
    catalogue.write([change(f"{prefix}{row}", vector) for row, vector in enumerate(vectors)])
