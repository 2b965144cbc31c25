"""Print how similarity depends on the number of segments as Markdown: quality against cost.

    python -m tests.benchmarks.segment_count --tracks ../shared/world/tracks.parquet --audio ../shared/audio

Training tracks only, by folds of their artists: for each fold the projection is fitted to the artists of the others (on
all segments), and the tracks of the fold ask each other for their artist. The filters below it are those that ship;
they were learned from all training tracks, without any label.
"""

import argparse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from audio_engine.metrics.bootstrap import bootstrap_mean
from audio_engine.plays.tables import audio_files, read_tracks
from features.decode import decode_segments
from metric_learning.embedder import Embedder
from metric_learning.pretrain import fit_projection
from metric_learning.pretrain_config import PretrainConfig

COUNTS = (1, 2, 3, 4, 5, 7, 10)
N_FOLDS, K = 5, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=Path, required=True)
    parser.add_argument("--audio", type=Path, required=True)
    options = parser.parse_args()
    tracks = read_tracks(options.tracks, options.audio, columns=["artist_key"], split="train")
    pooled = pool_files(audio_files(tracks), Embedder.load(device="cpu"))
    for line in report(precisions(pooled, tracks.table["artist_key"].to_numpy())):
        print(line)


def pool_files(files: list[Path], embedder: Embedder) -> dict[int, NDArray[np.float32]]:
    """Pool each file over some of its segments: (n_tracks, segment_dim) for each number of them."""
    n_all = embedder.recipe.n_segments
    pooled: dict[int, list[torch.Tensor]] = {n: [] for n in COUNTS}
    with ThreadPoolExecutor(2) as threads, embedder.one_thread_a_track(), torch.inference_mode():
        for decoded in threads.map(lambda file: decode_segments(file, embedder.recipe), files):
            log_mel = embedder.log_mel_of(decoded.segments[np.newaxis])
            for n in COUNTS:
                chosen = np.floor((np.arange(n) + 0.5) * n_all / n).astype(int)  # the middles of n equal parts
                pooled[n].append(embedder.encoder.pool(log_mel[:, chosen])[0])
    return {n: torch.stack(rows).numpy() for n, rows in pooled.items()}


def precisions(pooled: dict[int, NDArray[np.float32]], artists: NDArray[np.object_]) -> dict[int, NDArray[np.float64]]:
    """Precision of the first five of each track that has another of its artist in its fold, by number of segments."""
    names = np.random.default_rng(0).permutation(np.unique(artists))
    fold = np.array([{name: place % N_FOLDS for place, name in enumerate(names)}[artist] for artist in artists])
    classes = np.unique(artists, return_inverse=True)[1]
    found: dict[int, list[NDArray[np.float64]]] = {n: [] for n in COUNTS}
    for held_out in range(N_FOLDS):
        test = fold == held_out
        encoder = Embedder.load(device="cpu").encoder
        encoder.head = None  # what it learned from users, it learned from these tracks
        with torch.inference_mode():
            fit_projection(encoder, pooled[max(COUNTS)][None, ~test], classes[~test], config=PretrainConfig())
            for n in COUNTS:
                vectors = encoder.embed_pooled(encoder.standardise(torch.from_numpy(pooled[n][test]))).numpy()
                found[n].append(_precision(vectors, classes[test]))
    return {n: np.concatenate(values) for n, values in found.items()}


def _precision(vectors: NDArray[np.float32], classes: NDArray[np.int64]) -> NDArray[np.float64]:
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -np.inf)
    is_relevant = classes[:, np.newaxis] == classes
    nearest = np.argsort(-similarity, axis=1)[:, :K]
    hits = np.take_along_axis(is_relevant, nearest, axis=1).mean(axis=1)
    return hits[is_relevant.sum(axis=1) > 1]


def report(found: dict[int, NDArray[np.float64]]) -> Iterator[str]:
    yield "| segments of 3 s | precision@5, unseen artists | less than with all |"
    yield "|---|---|---|"
    for n, values in found.items():
        lost = bootstrap_mean(found[max(COUNTS)] - values, seed=0)
        yield f"| {n} | {bootstrap_mean(values, seed=0)} | {lost} |"


if __name__ == "__main__":
    main()
