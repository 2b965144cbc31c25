"""Relevance against diversity of recalled lists (simulated): both methods along their dial; prints a Markdown table.

    python -m tests.benchmarks.diversity --world ../shared/world2 --catalogue DIR [--users 1000] [--choose]

Users, tracks and plays that judge are those of `tests.benchmarks.interests`. For each of three seeds some users are
drawn who have anything to find; the hundred tracks nearest to a user's vector are candidates for ten places.
"""

import argparse
from functools import partial

import numpy as np
from numpy.typing import NDArray

from audio_engine.evaluation.cold_start.data import ColdStartData
from audio_engine.metrics.bootstrap import mean_interval, user_weights
from audio_engine.metrics.lists import diversity
from audio_engine.metrics.ranking_quality import K, ranking_by_user, top_k
from audio_engine.recall.user_profile import taste_vectors, tastes_of
from audio_engine.search.diversity import Likeness, RerankMethod, RowOf, rerank
from audio_engine.search.steering import POOL
from audio_engine.training.data import hold_out_artists
from tests.benchmarks.interests import SEEDS, add_files, read_data, tasks_of
from tests.benchmarks.recall_variants import Task, vectors_of

Floats = NDArray[np.float32]

DIALS: dict[RerankMethod, tuple[float, ...]] = {
    "mmr": (0.1, 0.2, 0.3, 0.4, 0.5, 0.7),
    "dpp": (0.05, 0.1, 0.15, 0.2, 0.3, 0.5),
}


def curve(task: Task, users: Floats, artists: NDArray[np.str_], *, n_users: int) -> None:
    """Print a line for each method and value of its dial."""
    drawn = [np.random.default_rng(seed).permutation(_judged(task, users))[:n_users] for seed in SEEDS]
    some = np.concatenate(drawn)
    scores = np.where(task.known[some], -np.inf, users[some] @ task.vectors.T)
    pool = top_k(scores, POOL * K)
    liked, weights = task.feedback[some] > 0, user_weights(len(some), seed=0)
    by_sound = _stored(Likeness(task.vectors), len(artists))
    by_artist = _stored(Likeness(task.vectors, [{name} for name in artists.tolist()]), len(artists))
    likenesses = {"sound": by_sound, "sound and artist": by_artist}
    show = partial(_line, liked=liked, vectors=task.vectors, artists=artists, weights=weights)
    print(show("plain", pool[:, :K]))
    for name, alike in likenesses.items():
        for method, dials in DIALS.items():
            for dial in dials:
                places = [
                    each[rerank(scores[row, each], _rows(alike, each), k=K, diversity=dial, method=method)]
                    for row, each in enumerate(pool)
                ]
                print(show(f"{method} {dial}, {name}", np.array(places)), flush=True)


def artists_of(data: ColdStartData, task: Task) -> NDArray[np.str_]:
    """List the artists of a task's tracks."""
    if task.name == "cold":
        return np.array(data.cold.artist_keys)
    keys = np.array(data.warm.artist_keys)
    return keys if task.name == "warm" else keys[hold_out_artists(data.warm.artist_keys, seed=0)]


def _judged(task: Task, users: Floats) -> NDArray[np.int64]:
    """List the users who have a vector, and something to find."""
    return np.flatnonzero((task.feedback > 0).any(axis=1) & users.any(axis=1))


def _stored(likeness: Likeness, n: int) -> NDArray[np.float64]:
    """Compare all tracks of a small world once, (n, n), as every user's candidates are out of these."""
    return np.stack([likeness.row(row) for row in range(n)])


def _rows(alike: NDArray[np.float64], candidates: NDArray[np.int64]) -> RowOf:
    """Give the rows of some candidates."""
    return lambda row: alike[candidates[row], candidates]


def _line(
    name: str,
    recommended: NDArray[np.int64],
    *,
    liked: NDArray[np.bool_],
    vectors: Floats,
    artists: NDArray[np.str_],
    weights: Floats,
) -> str:
    """Write a line of the table."""
    ranking = ranking_by_user(recommended, liked)
    n_artists = np.array([len(set(each)) for each in artists[recommended].tolist()], np.float64)
    values = (ranking[f"recall@{K}"], ranking[f"ndcg@{K}"], diversity(recommended, vectors), n_artists)
    return f"| {name} | " + " | ".join(str(mean_interval(each, weights)) for each in values) + " |"


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_files(parser)
    parser.add_argument("--users", type=int, default=1_000, help="of each seed")
    options = parser.parse_args()
    data = read_data(options)
    warm, cold, _ = vectors_of(options.catalogue, options.world, data)
    for task, plays, now in tasks_of(data, warm, cold, choose=options.choose):
        users = taste_vectors(tastes_of(plays, data.n_users, len(warm), now=now), warm)
        print(f"\n| {task.name}, simulated | recall@10 | nDCG@10 | diversity@10 | artists |\n|---|---|---|---|---|")
        curve(task, users, artists_of(data, task), n_users=options.users)


if __name__ == "__main__":
    main()
