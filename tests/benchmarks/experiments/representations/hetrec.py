"""Representations on real play counts of artists with tags as side information, and no audio (HetRec 2011 Last.fm).

    python -m tests.benchmarks.experiments.representations.hetrec ../shared/listening/hetrec2011-lastfm-2k [--seeds 3]

A fifth of each user's artists is hidden, as in `tests.benchmarks.experiments.user_tower`; a user is the mean of the
vectors of the artists they are known to play, by the logarithm of their plays. An artist is described by what users tag
it with: all tags are terms of the semantic vectors, the most frequent is the category of EGES and GraphSAGE.
"""

import argparse
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.metrics.bootstrap import mean_interval, user_weights
from audio_engine.metrics.ranking_quality import ranking_by_user, top_k
from audio_engine.representations.pipeline import (
    RepresentationFiles,
    represent_eges,
    represent_graph_sage,
    represent_item2vec,
    represent_semantic,
)
from tests.benchmarks.experiments.representations.methods import LIKES, Recipes
from tests.benchmarks.experiments.user_tower import HIDDEN_SHARE, CountSplit, K, als_scores, read_counts, split_counts

Floats = NDArray[np.float32]
ALS_CHOICE = (100.0, 10.0)  # regularisation and confidence of a play: inside the grid that user_tower tunes


def main() -> None:
    """Learn and score every method, seed by seed, and print the means over seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    counts = read_counts(options.folder)
    tags = read_tags(options.folder)
    weights = user_weights(counts.shape[0], seed=0)
    found: dict[str, list[dict[str, NDArray[np.float64]]]] = {}
    for seed in range(options.seeds):
        split = split_counts(counts, share=HIDDEN_SHARE, seed=seed)
        for method, scores in all_scores(split, tags, seed=seed):
            scores[split.known.nonzero()] = -np.inf
            found.setdefault(method, []).append(ranking_by_user(top_k(scores, K), split.hidden))
            print(seed, method, float(np.nanmean(found[method][-1][f"recall@{K}"])), flush=True)
    for method, by_seed in found.items():
        cells = []
        for metric in (f"recall@{K}", f"ndcg@{K}"):
            each = mean_interval(np.mean([one[metric] for one in by_seed], axis=0), weights)
            cells.append(f"{each.value:.3f} [{each.low:.3f}, {each.high:.3f}]")
        print(f"| {method} | {' | '.join(cells)} |")


def read_tags(folder: Path) -> pl.DataFrame:
    """Read what users tag artists with: ``track``, ``genre`` (the most frequent tag) and ``tags``, for every artist."""
    options = {"separator": "\t", "encoding": "utf8-lossy", "quote_char": None}
    artists = pl.read_csv(folder / "user_artists.dat", **options).select("artistID").unique().sort("artistID")
    tagged = pl.read_csv(folder / "user_taggedartists.dat", **options).join(
        pl.read_csv(folder / "tags.dat", **options), on="tagID"
    )
    counts = (
        tagged.group_by("artistID", "tagValue")
        .len()
        .sort("artistID", "len", "tagValue", descending=[False, True, False])
    )
    by_artist = counts.group_by("artistID").agg(genre=pl.col("tagValue").first(), tags=pl.col("tagValue"))
    rows = artists.with_row_index("row").join(by_artist, on="artistID", how="left", maintain_order="left")
    return rows.select(track=pl.format("a{}", "row"), genre="genre", tags="tags")


def all_scores(split: CountSplit, tags: pl.DataFrame, *, seed: int) -> Iterator[tuple[str, Floats]]:
    """Score every artist for every user: method, and scores (n_users, n_artists)."""
    known = split.known
    counts = np.asarray((known > 0).sum(0), np.float32).ravel()
    yield "popularity", np.tile(counts, (known.shape[0], 1))
    yield "ALS", np.asarray(als_scores(split, ALS_CHOICE, seed=seed), np.float32)
    recipes = Recipes().of_seed(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = RepresentationFiles(plays=folder / "plays.parquet", tracks=folder / "tracks.parquet")
        tags.write_parquet(folder / "tracks.parquet")
        write_plays(split, folder / "plays.parquet")
        for method, represent in {
            "semantic (tags)": partial(represent_semantic, files),
            "item2vec": partial(represent_item2vec, files, recipe=recipes.item2vec, sessions=LIKES),
            "EGES, tags": partial(represent_eges, files, recipe=recipes.eges, sessions=LIKES),
            "GraphSAGE, tags": partial(represent_graph_sage, files, recipe=recipes.sage, sessions=LIKES),
        }.items():
            represent(folder / "out.parquet")
            yield method, scores_of(split, tags, pl.read_parquet(folder / "out.parquet"))


def write_plays(split: CountSplit, path: Path) -> None:
    """Write what is known as a log in which every artist of a user is liked."""
    users, artists = split.known.nonzero()
    pl.DataFrame(
        {
            "user": [f"u{user}" for user in users],
            "track": [f"a{artist}" for artist in artists],
            "day": np.zeros(len(users)),
            "completion": np.ones(len(users)),
            "action": ["like"] * len(users),
        }
    ).write_parquet(path)


def scores_of(split: CountSplit, tags: pl.DataFrame, found: pl.DataFrame) -> Floats:
    """Compare users with artists: the weighted mean of what a user plays, and each artist's vector."""
    rows = tags.select("track").join(found, on="track", how="left", maintain_order="left")["vector"]
    vectors = np.zeros((len(tags), found["vector"].dtype.size), np.float32)  # type: ignore[attr-defined]
    vectors[rows.is_not_null().to_numpy()] = rows.drop_nulls().to_numpy()
    users = split.known.log1p() @ vectors
    return np.asarray(users @ vectors.T, np.float32)


if __name__ == "__main__":
    main()
