"""Write `golden_vectors.json`: the vectors that the shipped model gives to sounds that anyone can compute.

Run `python -m tests.metric_learning.write_golden_vectors` only after an intended change of the model.
"""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from features.segments import cut_segments
from metric_learning.embedder import Embedder
from tests.sounds import melody

GOLDEN = Path(__file__).with_name("golden_vectors.json")
SEEDS = (0, 1, 2)
DURATION_S = 40.0  # seconds, longer than the segments together


def golden_segments(embedder: Embedder) -> NDArray[np.float32]:
    """Segments of three melodies: (n_tracks, n_segments, segment_samples)."""
    rate = embedder.recipe.sample_rate
    return np.stack([cut_segments(melody(DURATION_S, rate, seed=seed)[:, 0], embedder.recipe) for seed in SEEDS])


if __name__ == "__main__":
    embedder = Embedder.load(device="cpu")
    vectors = embedder.embed(golden_segments(embedder)).astype(float).round(7).tolist()
    GOLDEN.write_text(json.dumps({"model_id": embedder.model_id, "vectors": vectors}, indent=1) + "\n")
