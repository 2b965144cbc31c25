"""Print what steering does to answers, as Markdown: several seeds, unliked seeds, chance, diversity, and their cost.

    python -m tests.benchmarks.steering --catalogue DIR --tracks ../shared/world/tracks.parquet [--large 100000]

The catalogue holds the shared excerpts (`audio-engine embed ../shared/audio -c DIR`). Only tracks of the split `train`
are looked at, which the shipped model has learned from: compare methods, not these figures with the README's.
Relevant is what is by the artist of the seeds. Rankings by other methods are made here, those that ship by the engine's
own functions.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine import Engine, Steering
from audio_engine.catalogue.track import Track
from audio_engine.search.steering import arrange, directions_of, varied
from tests.audio_engine.search.planted import fill
from tests.benchmarks.enlarged import enlarged, real_vectors

Floats = NDArray[np.floating]

K = 10  # places of an answer
N_DRAWS = 40  # of three seeds, for each artist
N_PAIRS = 1_500
N_TIMED = 30  # searches
DIALS = {
    "variation": (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0),
    "diverse": (0.1, 0.2, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 1.0),
    "DPP": (0.03, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--catalogue", type=Path, required=True)
    parser.add_argument("--tracks", type=Path, required=True)
    parser.add_argument("--large", type=int, default=0, help="time searches among so many tracks, too")
    options = parser.parse_args()
    tracks, vectors, artists = read(options.catalogue, options.tracks)
    print("| seeds of one artist | mean | nearest seed (max) |\n|---|---|---|")
    for n_seeds, by_method in seeds(vectors, artists):
        print(f"| {n_seeds} | {by_method['mean']:.3f} | {by_method['max']:.3f} |")
    both = two_artists(vectors, artists)
    print(f"| one each of two artists, of ten by either | {both['mean']:.3f} | {both['max']:.3f} |")
    print("\n| unliked | its artists in ten | precision@5 | similarity to the seed |\n|---|---|---|---|")
    for n_unliked in (1, 3):
        for method, figures in unliked(vectors, artists, n_unliked).items():
            print(f"| {n_unliked}, {method} | " + " | ".join(f"{figure:.3f}" for figure in figures) + " |")
    print("\n| steering | of the plain ten | similarity to the seed | diversity | artists |\n|---|---|---|---|---|")
    for name, share in ((dial, share) for dial, shares in DIALS.items() for share in shares):
        is_dpp = name == "DPP"
        steering = Steering() if is_dpp else Steering(**{name: share})
        figures = arranged(tracks, vectors, artists, steering, dpp_weight=share if is_dpp else None)
        print(f"| {name} {share} | " + " | ".join(f"{figure:.3f}" for figure in figures) + " |")
    if options.large:
        with tempfile.TemporaryDirectory() as folder:
            print(f"\n| among {options.large:,} tracks | processor ms |\n|---|---|")
            for name, milliseconds in timed(Path(folder), real_vectors(options.catalogue), options.large):
                print(f"| {name} | {milliseconds:.2f} |")


def read(catalogue: Path, table: Path) -> tuple[list[Track], NDArray[np.float32], NDArray[np.str_]]:
    """Read the tracks of the split `train`, with vectors (n, dim) and artists (n,)."""
    rows = pl.read_parquet(table).filter(pl.col("split") == "train")
    with Engine.open(catalogue) as engine:
        by_file = {track.path.name: track for track in engine.tracks()}
        tracks = [by_file[file] for file in rows["file"]]
        known = engine.search.track_vectors([track.track_id for track in tracks])
    return tracks, np.stack([known[track.track_id].vector for track in tracks]), np.array(rows["artist_key"].to_list())


def best(relevance: Floats, seeds: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Rank all tracks but the seeds: the first k."""
    left = relevance.astype(np.float64)
    left[seeds] = -np.inf
    return np.argsort(-left, kind="stable")[:k]


def seeds(vectors: NDArray[np.float32], artists: NDArray[np.str_]) -> Iterator[tuple[int, dict[str, float]]]:
    """Measure precision@5 by one, two and three seeds of an artist of four tracks or more; a mean over artists."""
    names, n_tracks = np.unique(artists, return_counts=True)
    rng = np.random.default_rng(0)
    draws = [
        (artist, rng.permutation(np.flatnonzero(artists == artist))[:3])
        for artist in names[n_tracks >= 4]
        for _ in range(N_DRAWS)
    ]
    for n_seeds in (1, 2, 3):
        found: dict[str, list[float]] = {"mean": [], "max": []}
        for artist, three in draws:
            asked = vectors[three[:n_seeds]]
            by_mean = vectors @ directions_of(asked, [1.0] * n_seeds)[0]
            for method, relevance in (("mean", by_mean), ("max", (vectors @ asked.T).max(axis=1))):
                found[method].append(float((artists[best(relevance, three, 5)] == artist).mean()))
        yield n_seeds, {method: float(np.mean(values)) for method, values in found.items()}


def two_artists(vectors: NDArray[np.float32], artists: NDArray[np.str_]) -> dict[str, float]:
    """Measure how many of ten are by either of two artists (of six tracks or more), a track of each being a seed."""
    names, n_tracks = np.unique(artists, return_counts=True)
    rng = np.random.default_rng(0)
    found: dict[str, list[float]] = {"mean": [], "max": []}
    for _ in range(N_PAIRS):
        pair = rng.choice(names[n_tracks >= 6], 2, replace=False)
        asked = np.array([rng.choice(np.flatnonzero(artists == artist)) for artist in pair])
        similarities = vectors @ vectors[asked].T
        for method, relevance in (("mean", similarities.mean(axis=1)), ("max", similarities.max(axis=1))):
            found[method].append(float(np.isin(artists[best(relevance, asked, K)], pair).mean()))
    return {method: float(np.mean(values)) for method, values in found.items()}


def unliked(
    vectors: NDArray[np.float32], artists: NDArray[np.str_], n_unliked: int
) -> dict[str, tuple[float, float, float]]:
    """Unlike the nearest tracks of other artists, among the ten nearest to each track, and measure what is left."""
    names, n_tracks = np.unique(artists, return_counts=True)
    n_of = dict(zip(names.tolist(), n_tracks.tolist(), strict=True))
    found: dict[str, list[tuple[float, float, float]]] = {}
    for seed, similarity in enumerate(vectors @ vectors.T):
        others = [row for row in best(similarity, np.array([seed]), K) if artists[row] != artists[seed]][:n_unliked]
        if n_of[artists[seed]] < 4 or len(others) < n_unliked:
            continue
        asked = np.array([seed, *others])
        to_unliked = vectors @ vectors[others].T
        methods = {"not at all": similarity}
        for weight in (0.5, 1.0, 1.5, 2.0):
            directions = directions_of(vectors[asked], [1.0, *[-weight] * n_unliked])
            methods[f"weight {weight:g}"] = (vectors @ directions.T).min(axis=1)
        methods["Rocchio's sum, weight 1"] = similarity - 0.5 * to_unliked.sum(axis=1)
        for method, relevance in methods.items():
            top = best(relevance, asked, K)
            figures = (
                float(np.isin(artists[top], artists[others]).mean()),
                float((artists[top[:5]] == artists[seed]).mean()),
                float(similarity[top].mean()),
            )
            found.setdefault(method, []).append(figures)
    return {method: tuple(np.mean(values, axis=0).tolist()) for method, values in found.items()}


def arranged(
    tracks: list[Track],
    vectors: NDArray[np.float32],
    artists: NDArray[np.str_],
    steering: Steering,
    *,
    dpp_weight: float | None,
) -> tuple[float, ...]:
    """Measure answers of ten, chosen among the candidates that the engine would look at; a mean over seeds."""
    found = []
    for seed, similarity in enumerate(vectors @ vectors.T):
        pool = best(similarity, np.array([seed]), steering.n_candidates(K))
        relevance = varied(similarity[pool], [tracks[row].track_id for row in pool], steering)
        if dpp_weight is None:
            rows, _ = arrange([tracks[row] for row in pool], vectors[pool], relevance, k=K, steering=steering)
        else:
            rows = greedy_dpp(vectors[pool], relevance, dpp_weight)
        answer = pool[rows]
        pairs = (vectors[answer] @ vectors[answer].T)[np.triu_indices(K, 1)]
        figures = (np.isin(answer, pool[:K]).mean(), similarity[answer].mean(), 1 - pairs.mean())
        found.append((*figures, len(set(artists[answer]))))
    return tuple(np.mean(found, axis=0).tolist())


def greedy_dpp(vectors: NDArray[np.float32], relevance: Floats, weight: float) -> list[int]:
    """Choose ten by greedy MAP of a determinantal point process (Chen et al., NIPS 2018, algorithm 1, equation 14)."""
    factors, left = np.zeros((len(vectors), K)), np.full(len(vectors), 1 + 1e-6)  # what the chosen do not span
    rows: list[int] = []
    for place in range(K):
        gain = (1 - weight) * relevance + weight * np.log(np.maximum(left, 1e-9))
        gain[rows] = -np.inf
        row = int(gain.argmax())
        factors[:, place] = (vectors @ vectors[row] - factors @ factors[row]) / np.sqrt(max(left[row], 1e-9))
        left = left - factors[:, place] ** 2
        rows.append(row)
    return rows


def timed(folder: Path, real: NDArray[np.float32], n_tracks: int) -> Iterator[tuple[str, float]]:
    """Time searches of ten in a catalogue as a service holds it: processor milliseconds of one."""
    with Engine.open(folder) as engine:
        fill(engine.catalogue, np.concatenate(list(enlarged(real, n_tracks, seed=0))))
        engine.search.serve_many()
        ids = engine.search.index.current().track_ids()
        some = [list(engine.search.track_vectors([ids[row], ids[-1 - row]]).values()) for row in range(N_TIMED)]
        ways: dict[str, Callable[[list], object]] = {
            "plain": lambda both: engine.search.neighbours(both[:1], K),
            "two seeds with weights": lambda both: engine.search.neighbours(both, K, weights=[1, 0.5]),
            "one seed, one unliked": lambda both: engine.search.neighbours(both, K, weights=[1, -1]),
            "variation": lambda both: engine.search.neighbours(both[:1], K, steering=Steering(variation=0.5)),
            "diverse": lambda both: engine.search.neighbours(both[:1], K, steering=Steering(diverse=0.3)),
            "diverse, k = 100": lambda both: engine.search.neighbours(both[:1], 100, steering=Steering(diverse=0.3)),
        }
        for name, ask in ways.items():
            ask(some[0])
            start = time.process_time()
            for both in some:
                ask(both)
            yield name, (time.process_time() - start) / len(some) * 1e3


if __name__ == "__main__":
    main()
