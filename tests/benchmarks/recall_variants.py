"""Comparison of recall methods by what users later like, on ../shared/world (simulated); prints Markdown tables.

`python -m tests.benchmarks.recall_variants --world ../shared/world --catalogue DIR [--choose | --write-log FILE]`

The catalogue holds ../shared/audio; its model's user tower makes the user vectors. Users are made of the plays
before day 105. Warm: tracks of the later plays that the user had not heard before. Cold: the tracks of
plays_valid_cold. With --choose, the numbers of similar-track recall are varied on training data only: warm tracks as
above, and artists held out of the users' plays. To choose fairly, the catalogue must be of a model that has seen
neither: --write-log writes the plays for `audio-engine train --max-epochs 0` to make one of.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from audio_engine import Engine
from audio_engine.evaluation.cold_start.data import ColdStartData, read_world
from audio_engine.metrics.auc import auc_by_row
from audio_engine.metrics.bootstrap import mean_interval, user_weights
from audio_engine.metrics.ranking_quality import ranking_by_user, top_k
from audio_engine.plays.demographics import numbers_of
from audio_engine.plays.track_matching import name_catalogue
from audio_engine.recall.user_profile import (
    DISLIKE_SHARE,
    HALF_LIFE_DAYS,
    merged_vectors,
    taste_vectors,
    tastes_of,
)
from audio_engine.recall.user_tower import KnownTower
from audio_engine.training.data import hold_out_artists
from metric_learning.play_log import PlayLog, feedback_table, played_table

LATE_DAY = 105  # of 120: from here on plays are to be foretold
SOUND_SHARES = (0.0, 0.25, 0.5, 1.0, 2.0)
HALF_LIVES = (30.0, 60.0, 120.0, 240.0, np.inf)
DISLIKE_SHARES = (0.0, 0.25, 0.5, 1.0)

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Task:
    """Tracks to rank, and what users made of them."""

    name: str
    vectors: Floats  # (n_tracks, dim)
    feedback: NDArray[np.int8]  # (n_users, n_tracks)
    heard: NDArray[np.bool_]  # (n_users, n_tracks) in the time that is to be foretold
    known: NDArray[np.bool_]  # (n_users, n_tracks) before it: no candidates
    popularity: Floats  # (n_tracks,) likes before it


def vectors_of(catalogue: Path, world: Path, data: ColdStartData) -> tuple[Floats, Floats, KnownTower | None]:
    """Read the vectors of warm and cold tracks, and the tower of their model."""
    with Engine.open(catalogue) as engine:
        track_ids, vectors = engine.catalogue.vectors(engine.info().model_id)
        audio = data.warm.files[0].parent
        names = name_catalogue(engine.tracks(), table=world / "tracks.parquet", audio=audio)
        tower = KnownTower.of_model(engine.directory / "models" / engine.info().model_id)
    row_of = {track_id: row for row, track_id in enumerate(track_ids)}
    warm, cold = (
        vectors[[row_of[names.track_ids[names.row_of[name]]] for name in tracks.track_ids]]
        for tracks in (data.warm, data.cold)
    )
    return warm, cold, tower


def tasks_of(data: ColdStartData, warm: Floats, cold: Floats) -> tuple[PlayLog, list[Task]]:
    """Cut the log: the plays that users are made of, and what is to be foretold."""
    early, late = data.plays.where(data.plays.day < LATE_DAY), data.plays.where(data.plays.day >= LATE_DAY)
    return early, [warm_task(data, early, late, warm), cold_task(data, cold)]


def warm_task(data: ColdStartData, early: PlayLog, late: PlayLog, warm: Floats) -> Task:
    """Foretell the later plays of warm tracks that are new to the user."""
    n_users, n_tracks = data.n_users, len(warm)
    known = played_table(early, n_users, n_tracks)
    return Task(
        name="warm",
        vectors=warm,
        feedback=np.where(known, 0, feedback_table(late, n_users, n_tracks)).astype(np.int8),
        heard=played_table(late, n_users, n_tracks) & ~known,
        known=known,
        popularity=np.bincount(early.track[early.liked], minlength=n_tracks).astype(np.float32),
    )


def cold_task(data: ColdStartData, cold: Floats) -> Task:
    """Foretell the plays of tracks that nobody has played."""
    nothing = np.zeros(data.heard.shape, np.bool_)
    return Task(
        name="cold",
        vectors=cold,
        feedback=data.feedback.toarray(),
        heard=data.heard.toarray(),
        known=nothing,
        popularity=np.zeros(len(cold), np.float32),
    )


def held_out_task(data: ColdStartData, plays: PlayLog, warm: Floats, is_held: NDArray[np.bool_]) -> Task:
    """Foretell the plays of artists that were held out of the users' plays."""
    told = plays.of_tracks(is_held)
    n_tracks = int(is_held.sum())
    heard = played_table(told, data.n_users, n_tracks)
    return Task(
        name="held-out artists",
        vectors=warm[is_held],
        feedback=feedback_table(told, data.n_users, n_tracks),
        heard=heard,
        known=np.zeros_like(heard),
        popularity=np.zeros(n_tracks, np.float32),
    )


def row(name: str, scores: NDArray[np.floating], task: Task, weights: Floats) -> str:
    """Score a table of users and tracks: a line of the table."""
    liked, rejected = task.feedback > 0, task.feedback < 0
    candidates = np.where(task.known, -np.inf, scores)
    ranking = ranking_by_user(top_k(candidates), liked)
    found = (auc_by_row(scores, liked, rejected), ranking["recall@10"], ranking["ndcg@10"])
    cells = [mean_interval(values, weights) for values in found]
    return f"| {name} | " + " | ".join(map(str, cells)) + " |"


def largest_similarities(tastes: csr_array, tracks: Floats, offered: Floats) -> Floats:
    """Score by the liked track that is most similar, weighted: the other way to merge."""
    similarity = tracks @ offered.T
    scores = np.full((tastes.shape[0], len(offered)), -1.0, np.float32)
    for user in range(tastes.shape[0]):
        part = slice(tastes.indptr[user], tastes.indptr[user + 1])
        weights, rows = tastes.data[part], tastes.indices[part]
        if (weights > 0).any():
            scores[user] = (weights[weights > 0, None] * similarity[rows[weights > 0]]).max(axis=0)
    return scores


def put_variants(data: ColdStartData, warm: Floats, cold: Floats, tower: KnownTower | None) -> None:
    """Print the table of variants."""
    early, tasks = tasks_of(data, warm, cold)
    weights = user_weights(data.n_users, seed=0)
    tastes = tastes_of(early, data.n_users, len(warm), now=LATE_DAY)
    sound = taste_vectors(tastes, warm)
    plain = taste_vectors(tastes, warm, dislike_share=0.0)
    user = tower_vectors(data, early, tower)
    for task in tasks:
        offered = task.vectors
        put_head(f"{task.name} tracks, simulated")
        shape = (data.n_users, len(offered))
        print(row("random", np.random.default_rng(0).random(shape), task, weights))
        print(row("popularity", np.broadcast_to(task.popularity, shape), task, weights))
        print(row("similar tracks, the largest similarity", largest_similarities(tastes, warm, offered), task, weights))
        print(row("similar tracks, weighted sum", plain @ offered.T, task, weights))
        print(row("**… less disliked sound**", sound @ offered.T, task, weights))
        if user is not None:
            print(row("**user vector** (user tower)", user @ offered.T, task, weights))
            print(row("**both, merged**", merged_vectors(user, sound) @ offered.T, task, weights))


def put_choice(data: ColdStartData, warm: Floats, tower: KnownTower | None) -> None:
    """Print what half-lives, shares of dislikes and shares of sound are worth on training data."""
    weights = user_weights(data.n_users, seed=0)
    is_held = hold_out_artists(data.warm.artist_keys, seed=0)
    early, (later, _) = tasks_of(data, warm, np.zeros((data.feedback.shape[1], warm.shape[1]), np.float32))
    tasks = ((later, early), (held_out_task(data, data.plays, warm, is_held), early.where(~is_held[early.track])))
    for task, plays in tasks:
        put_head(f"{task.name}, training data, simulated")
        for name, vectors in choices(data, plays, warm, tower):
            print(row(name, vectors @ task.vectors.T, task, weights))


def choices(
    data: ColdStartData, plays: PlayLog, warm: Floats, tower: KnownTower | None
) -> Iterator[tuple[str, Floats]]:
    """Make users in every way that is to be chosen from."""
    for half_life in HALF_LIVES:
        tastes = tastes_of(plays, data.n_users, len(warm), now=LATE_DAY, half_life_days=half_life)
        yield f"half-life {half_life:g} days, dislikes {DISLIKE_SHARE:g}", taste_vectors(tastes, warm)
    tastes = tastes_of(plays, data.n_users, len(warm), now=LATE_DAY, half_life_days=HALF_LIFE_DAYS)
    for share in DISLIKE_SHARES:
        yield f"half-life {HALF_LIFE_DAYS:g} days, dislikes {share:g}", taste_vectors(tastes, warm, dislike_share=share)
    user, sound = tower_vectors(data, plays, tower), taste_vectors(tastes, warm)
    for share in SOUND_SHARES if user is not None else ():
        yield f"user tower and {share:g} of sound", merged_vectors(user, sound, sound_share=share)


def tower_vectors(data: ColdStartData, plays: PlayLog, tower: KnownTower | None) -> Floats | None:
    """Embed the users by the user tower."""
    if tower is None:
        return None
    rows = np.array([tower.row_of.get(track_id, -1) for track_id in data.warm.track_ids])
    return tower.embed(plays.remap(rows), data.n_users, now=LATE_DAY, categories=numbers_of(data.users, tower.columns))


def write_log(data: ColdStartData, world: Path, out: Path) -> None:
    """Write the plays that a model for choosing may learn from: early ones, of artists that are not held out."""
    is_held = hold_out_artists(data.warm.artist_keys, seed=0)
    kept = [track for track, held in zip(data.warm.track_ids, is_held, strict=True) if not held]
    log = pl.read_parquet(world / "plays_train.parquet")
    log.filter((pl.col("day") < LATE_DAY) & pl.col("track").is_in(kept)).write_parquet(out)


def put_head(name: str) -> None:
    """Print the head of a table."""
    print(f"\n| {name} | AUC liked/rejected | recall@10 | nDCG@10 |\n|---|---|---|---|")


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--world", type=Path, required=True)
    parser.add_argument("--audio", type=Path, help="what the catalogue was embedded from; beside the world by default")
    parser.add_argument("--catalogue", type=Path, required=True)
    parser.add_argument("--choose", action="store_true")
    parser.add_argument("--write-log", type=Path)
    arguments = parser.parse_args()
    data = read_world(arguments.world, arguments.audio or arguments.world.parent / "audio")
    if arguments.write_log:
        write_log(data, arguments.world, arguments.write_log)
        return
    warm, cold, tower = vectors_of(arguments.catalogue, arguments.world, data)
    if arguments.choose:
        put_choice(data, warm, tower)
    else:
        put_variants(data, warm, cold, tower)


if __name__ == "__main__":
    main()
