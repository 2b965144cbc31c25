"""Hyperparameter search of the ranker: within the warm tracks, on held-out artists and later days.

    python -m tests.benchmarks.ranking_choice --world ../shared/world --audio ../shared/audio
        [--store DIR] [--keep FILE]

Nothing here uses the cold tracks or the last sixth of the warm log. Three tenths of the warm artists are treated
as new; rankers learn from the plays of the others before day 60; they are judged on the others' plays of days 60 to 75
and on the held-out artists' plays of days 75 to 100 (simulated users). Prints a line a setting: log loss, the mean
of both networks and of both sets of plays, with sound and without.
"""

import argparse
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from audio_engine.evaluation.cold_start.data import build_mels
from audio_engine.ranking.config import RankerConfig
from metric_learning.model_files import DEFAULT_MODEL_DIR
from tests.benchmarks.experiments.ranking.ablation import ask_methods, make_vectors, ranking_rows
from tests.benchmarks.experiments.ranking.data import RankingWorld, play_frame, read_ranking_world
from tests.benchmarks.experiments.ranking.vectors import PastVectors, SoundModel

SPLIT, TOLD, END = 60.0, 75.0, 100.0  # days
HELD_SHARE = 0.3  # of the artists
SEED = 0
FIRST = {"dim": 16, "width": 64, "dropout": 0.2, "vector_dropout": 0.0, "n_epochs": 6, "n_cross": 2}
SMALL = {"dim": 8, "width": 32, "dropout": 0.5, "n_epochs": 4}
SETTINGS: list[dict[str, float]] = [  # beside the first ones
    {},
    {"n_epochs": 3},
    {"weight_decay": 1.0},
    {"unknown_tracks": 0.6},
    {"vector_dropout": 0.5},
    {"vector_dropout": 0.8},
    {"dropout": 0.5},
    {"dim": 8, "width": 32},
    {"vector_dropout": 0.5, "unknown_tracks": 0.6, "n_epochs": 3},
    SMALL,
    SMALL | {"vector_dropout": 0.5},
    SMALL | {"vector_dropout": 0.5, "dim": 4},
    SMALL | {"vector_dropout": 0.5, "n_cross": 1},
]


def pseudo_cold_world(world: RankingWorld) -> RankingWorld:
    """Take some warm artists for new ones, and the early part of the log for all there is."""
    warm, plays = world.data.warm, world.data.plays
    artists = np.unique(np.array(warm.artist_keys))
    held_artists = np.random.default_rng(SEED).permutation(artists)[: round(HELD_SHARE * len(artists))]
    held = np.isin(np.array(warm.artist_keys), held_artists)
    kept, new = warm.where(~held), warm.where(held)
    log = plays.where(plays.day < TOLD).of_tracks(~held)
    cold = plays.where((plays.day >= TOLD) & (plays.day < END)).of_tracks(held)
    data = replace(world.data, warm=kept, cold=new, plays=log)
    ids = pl.DataFrame({"track": [*kept.track_ids, *new.track_ids]})
    return replace(
        world,
        data=data,
        tracks=ids.join(world.tracks, on="track", how="left", maintain_order="left"),
        plays=play_frame(log, world.user_ids, kept.track_ids),
        cold_plays=play_frame(cold, world.user_ids, new.track_ids),
    )


def choose(world: RankingWorld, vectors: PastVectors) -> Iterator[dict[str, object]]:
    """Train with every setting; yields one row each."""
    for setting in SETTINGS:
        config = replace(RankerConfig(), **(FIRST | setting))  # type: ignore[arg-type]
        predicted = ask_methods(world, vectors, split_day=SPLIT, config=config, seeds=[SEED])
        rows = [
            row for row in ranking_rows(predicted, n_users=world.data.n_users) if row.method.startswith(("DCN", "Deep"))
        ]
        line: dict[str, object] = {"setting": ", ".join(f"{name} {value:g}" for name, value in setting.items())}
        for measure in ("log_loss", "auc"):
            for sound in (", audio", ", no audio"):
                for plays in ("warm", "cold"):
                    found = [
                        row.value
                        for row in rows
                        if row.method.endswith(sound) and (row.about["plays"], row.metric) == (plays, measure)
                    ]
                    line[f"{measure} {plays}{sound}"] = round(float(np.mean(found)), 4)
        yield line


def main() -> None:
    """Read the options, train, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", type=Path, required=True)
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--store", type=Path, default=Path("/tmp/audio-engine-mels"))
    parser.add_argument("--keep", type=Path, help="where the vectors are kept for another run")
    options = parser.parse_args()
    whole = read_ranking_world(options.world, options.audio)
    world, sound = pseudo_cold_world(whole), SoundModel(model_dir=DEFAULT_MODEL_DIR, store=options.store)
    if options.keep and options.keep.exists():
        vectors = pickle.loads(options.keep.read_bytes())
    else:
        build_mels(world.data, [DEFAULT_MODEL_DIR], options.store, n_workers=2)
        vectors = make_vectors(world, sound, split_day=SPLIT)
        if options.keep:
            options.keep.write_bytes(pickle.dumps(vectors))
    for i, line in enumerate(choose(world, vectors)):
        if i == 0:
            print("|", " | ".join(line), "|")
            print("|---" * len(line) + "|")
        print("|", " | ".join(str(value) for value in line.values()), "|", flush=True)


if __name__ == "__main__":
    main()
