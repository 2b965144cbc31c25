"""A play log with a planted taste, for tests: likes are decided by two unit vectors, or by ids alone."""

import numpy as np
import polars as pl

DIM = 8


def planted_log(
    *, n_users: int = 60, n_tracks: int = 80, n_plays: int = 6_000, seed: int = 0
) -> dict[str, pl.DataFrame]:
    """Build ``plays, tracks, users, user_vectors``: users like tracks with a positive cosine to them."""
    rng = np.random.default_rng(seed)
    user, track = rng.integers(n_users, size=n_plays), rng.integers(n_tracks, size=n_plays)
    users, tracks = _unit(rng.normal(size=(n_users, DIM))), _unit(rng.normal(size=(n_tracks, DIM)))
    liked = (users[user] * tracks[track]).sum(1) > 0
    action = np.where(
        rng.random(n_plays) < 0.2, "none", np.where(liked, "like", rng.choice(["skip", "dislike"], n_plays))
    )
    return {
        "plays": pl.DataFrame(
            {
                "user": [f"u{i}" for i in user],
                "track": [f"t{i}" for i in track],
                "day": np.sort(rng.uniform(0, 100, n_plays)),
                "action": action,
            }
        ),
        "tracks": pl.DataFrame(
            {
                "track": [f"t{i}" for i in range(n_tracks)],
                "artist": [f"a{i // 4}" for i in range(n_tracks)],
                "release_day": [-i for i in range(n_tracks)],
                "vector": vectors_column(tracks),
            }
        ),
        "users": pl.DataFrame({"user": [f"u{i}" for i in range(n_users)], "age": [i % 3 for i in range(n_users)]}),
        "user_vectors": pl.DataFrame({"user": [f"u{i}" for i in range(n_users)], "vector": vectors_column(users)}),
    }


def vectors_column(vectors: np.ndarray) -> pl.Series:
    return pl.Series("vector", vectors.astype(np.float32).tolist(), dtype=pl.List(pl.Float32))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
