"""Benchmark how to choose the landmarks of the kernel head, and how many it needs, on folds of artists; Markdown.

    python -m tests.benchmarks.landmark_choice --world ../shared/world --audio ../shared/audio [--store DIR]

The share of the variance of the users' directions that is predicted for warm tracks of held-out artists. Tracks that
are marked ``valid_cold`` are not used.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import r2_score
from sklearn.model_selection import GroupKFold

from audio_engine.evaluation.cold_start.data import read_world
from audio_engine.training.mel_cache import cache_mels, default_store, open_mel_store
from audio_engine.training.pooling import pool_twice
from metric_learning.checkpoint import load_checkpoint
from metric_learning.kernel_head import SHARPNESS, listening_components
from metric_learning.kernel_regression import exact_weights, landmark_rows, landmark_weights, squared_distances
from metric_learning.model_files import DEFAULT_MODEL_DIR
from metric_learning.play_table import PlayTable
from metric_learning.user import embed_users
from metric_learning.user_checkpoint import load_user_tower

Floats = NDArray[np.float32]
N_FOLDS, N_COMPONENTS = 5, 5
N_LANDMARKS, SEEDS = (50, 100, 200, 400), (0, 1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", type=Path, required=True)
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--store", type=Path, default=default_store())
    options = parser.parse_args()
    points, target, artists = points_of(options.world, options.audio, options.store)
    print("| Gaussians | " + " | ".join(CHOICES) + " |")
    print("|---" * (len(CHOICES) + 1) + "|")
    for n in N_LANDMARKS:
        found = [
            np.mean([predicted_share(points, target, artists, with_landmarks(choose, n, seed)) for seed in SEEDS])
            for choose in CHOICES.values()
        ]
        print(f"| {n} | " + " | ".join(f"{share:.3f}" for share in found) + " |", flush=True)
    print(f"\nA Gaussian at each: {predicted_share(points, target, artists, exactly):.3f}")


def points_of(world: Path, audio: Path, store: Path) -> tuple[Floats, Floats, NDArray[np.str_]]:
    """Reduce the warm tracks of a world, and another version of each, as the model that ships does.

    Returns
    -------
    points : (2 * n_tracks, n_reduced)
        In units of the kernel.
    target : (2 * n_tracks, N_COMPONENTS)
    artists : (2 * n_tracks,)
    """
    encoder, recipe = load_checkpoint(DEFAULT_MODEL_DIR)
    tower, warm_ids = load_user_tower(DEFAULT_MODEL_DIR)
    data = read_world(world, audio)
    if data.warm.track_ids != warm_ids:
        raise ValueError("world must hold the tracks that the model was trained on, got others")
    cache_mels([data.warm.by_id], recipe, store)
    pooled = pool_twice(encoder, open_mel_store(data.warm.by_id, recipe, store).read(warm_ids), seed=0)
    reduced = pooled @ encoder.head.reduce.weight.detach().numpy().T
    squared = squared_distances(reduced)
    table = PlayTable(
        data.plays, data.n_users, recipe=tower.recipe, categories=data.categories if tower.recipe.categories else None
    )
    listening = listening_components(
        embed_users(tower, table), tower.offered.weight.detach().numpy(), n_components=N_COMPONENTS
    )
    points = reduced * np.sqrt(SHARPNESS / np.median(squared[squared > 0]))
    return points, np.tile(listening.target, (2, 1)), np.tile(np.array(data.warm.artist_keys), 2)


Predict = Callable[[Floats, Floats, NDArray[np.str_], Floats], NDArray[np.floating]]


def predicted_share(points: Floats, target: Floats, artists: NDArray[np.str_], predict: Predict) -> float:
    """Predict tracks of artists held out in turn, as they are; the share of the variance that is explained."""
    predicted = np.zeros(target.shape)
    for train, test in GroupKFold(N_FOLDS).split(points, groups=artists):
        predicted[test] = predict(points[train], target[train], artists[train], points[test])
    n_tracks = len(points) // 2
    return float(r2_score(target[:n_tracks], predicted[:n_tracks], multioutput="variance_weighted"))


def exactly(points: Floats, target: Floats, artists: NDArray[np.str_], asked: Floats) -> NDArray[np.floating]:
    """Predict with a Gaussian at each point."""
    return gaussians(asked, points) @ exact_weights(squared_distances(points), target, list(artists))


def with_landmarks(choose: Callable[[Floats, NDArray[np.str_], int, int], Floats], n: int, seed: int) -> Predict:
    """Predict with Gaussians at n landmarks."""

    def predict(points: Floats, target: Floats, artists: NDArray[np.str_], asked: Floats) -> NDArray[np.floating]:
        centres = choose(points, artists, n, seed)
        return gaussians(asked, centres) @ landmark_weights(points, centres, target, list(artists))

    return predict


def gaussians(points: Floats, centres: Floats) -> Floats:
    """Compute the kernel: (n_points, n_centres)."""
    return np.exp(-((points[:, None] - centres[None]) ** 2).sum(-1))


def over_artists(points: Floats, artists: NDArray[np.str_], n: int, seed: int) -> Floats:
    order = np.random.default_rng(seed).permutation(len(points))
    return points[order][landmark_rows(list(artists[order]), n)]


def over_tracks(points: Floats, artists: NDArray[np.str_], n: int, seed: int) -> Floats:
    return points[np.random.default_rng(seed).choice(len(points), n, replace=False)]


def by_k_means(points: Floats, artists: NDArray[np.str_], n: int, seed: int) -> Floats:
    return KMeans(n, n_init=1, random_state=seed).fit(points).cluster_centers_.astype(np.float32)


CHOICES = {"drawn over artists": over_artists, "drawn over tracks": over_tracks, "k-means": by_k_means}


if __name__ == "__main__":
    main()
