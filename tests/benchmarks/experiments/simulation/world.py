"""The simulated world: users who come by, tracks released day by day, a log so far.

It starts where the log of the warm tracks ends. What the policies may know is in `SimulatedWorld.known`; how users will
respond, how often they come and what they find themselves is hidden.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.evaluation.cold_start.benchmark import embed_mels
from audio_engine.evaluation.cold_start.data import ColdStartData, open_mels
from audio_engine.plays.demographics import numbers_of
from audio_engine.plays.table_files import scan_table
from audio_engine.plays.tables import read_plays, read_users
from audio_engine.ranking.user_vectors import days_of, tower_user_vectors
from metric_learning.checkpoint import load_checkpoint
from metric_learning.play_log import PlayLog
from metric_learning.user_checkpoint import load_user_tower
from tests.benchmarks.experiments.simulation.response import Response, ResponseSettings, fit_response

MEAN_VISIT = 0.06  # probability that the average user visits on a day
MOST_VISIT = 0.5  # of the most active one
VECTOR_DAYS = 12.0  # days between the vectors of a user that a ranker learns from

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Known:
    """A policy's knowledge before the first day."""

    user_ids: tuple[str, ...]
    track_ids: tuple[str, ...]  # those released so far, then those to come
    users: pl.DataFrame  # user, and categories
    tracks: pl.DataFrame  # track, artist, release_day, vector
    user_vectors: pl.DataFrame  # user, day, vector: by the user tower, from plays before that day
    track_vectors: Floats  # (n_tracks, dim) from audio
    latest_user_vectors: Floats  # (n_users, dim) from all plays so far
    release_day: NDArray[np.int64]  # (n_tracks,)
    plays: PlayLog  # so far; rows of `user_ids` and `track_ids`
    first_day: int  # of the simulation


@dataclass(frozen=True, kw_only=True)
class SimulatedWorld:
    """The known and the hidden state of the world."""

    known: Known
    response: Response
    visit: NDArray[np.float64]  # (n_users,) probability of a visit on a day
    attention: NDArray[np.float64]  # (n_tracks,) weight of each track among what users find themselves; any scale


def read_simulation(
    world: Path, data: ColdStartData, *, model_dir: Path, store: Path, settings: ResponseSettings | None = None
) -> SimulatedWorld:
    """Read the rest of a folder with the layout of `../shared/world`, and fit its users' responses.

    The log-mels must have been computed (`evaluation.cold_start.data.build_mels`).

    Parameters
    ----------
    world
        The folder.
    data
        The data from `read_world`.
    model_dir
        Computes the vectors of tracks and users; it must have a user tower.
    store
        The cache of log-mels, in the model's recipe.
    settings
        Settings of the response model.

    Returns
    -------
    world

    Raises
    ------
    ValueError
        When the model's user tower knows no track of the world.
    """
    n_warm, n_cold = len(data.warm), len(data.cold)
    user_ids, _ = read_users(world / "users.parquet")
    everything = all_plays(world, data)
    first_day = int(np.floor(data.plays.day.max())) + 1
    n_plays = np.bincount(data.plays.user, minlength=data.n_users)
    by_track = np.bincount(everything.track, minlength=n_warm + n_cold).astype(np.float64)
    for split in (slice(0, n_warm), slice(n_warm, None)):  # their logs are of different length
        by_track[split] /= by_track[split].mean()
    return SimulatedWorld(
        known=_known(world, data, tuple(user_ids), model_dir=model_dir, store=store, first_day=first_day),
        response=fit_response(everything, (data.n_users, n_warm + n_cold), settings),
        visit=np.minimum(MEAN_VISIT * n_plays / n_plays.mean(), MOST_VISIT),
        attention=by_track,
    )


def all_plays(world: Path, data: ColdStartData) -> PlayLog:
    """Read the plays of warm and of cold tracks, the cold tracks' rows after the warm ones'."""
    cold, _ = read_plays(world / "plays_valid_cold.parquet", read_users(world / "users.parquet")[0], data.cold)
    return join_logs(data.plays, cold, n_warm=len(data.warm))


def join_logs(warm: PlayLog, cold: PlayLog, *, n_warm: int) -> PlayLog:
    """Join two logs of the same users, the tracks of the second after those of the first."""
    shifted = {"track": cold.track + n_warm}
    columns = {
        name: np.concatenate([getattr(warm, name), shifted.get(name, getattr(cold, name))])
        for name in PlayLog.__dataclass_fields__
    }
    return PlayLog(**columns)


def _known(
    world: Path, data: ColdStartData, user_ids: tuple[str, ...], *, model_dir: Path, store: Path, first_day: int
) -> Known:
    """Collect what policies may know: the log of the warm tracks, tables, and vectors from audio and from that log."""
    encoder, recipe = load_checkpoint(model_dir)
    vectors = np.concatenate(
        [embed_mels(encoder, open_mels(tracks, recipe, store)) for tracks in (data.warm, data.cold)]
    )
    track_ids = data.warm.track_ids + data.cold.track_ids
    released = scan_table(world / "tracks.parquet").select(pl.col("track").cast(pl.String), "release_day").collect()
    tracks = pl.DataFrame(
        {"track": track_ids, "artist": data.warm.artist_keys + data.cold.artist_keys, "vector": vectors.tolist()},
        schema_overrides={"vector": pl.List(pl.Float32)},
    ).join(released, on="track", how="left", maintain_order="left")
    user_vectors = _user_vectors(data, user_ids, model_dir=model_dir, first_day=first_day)
    newest = user_vectors.filter(pl.col("day") == first_day)["vector"].to_list()
    return Known(
        user_ids=user_ids,
        track_ids=track_ids,
        users=scan_table(world / "users.parquet").collect(),
        tracks=tracks,
        user_vectors=user_vectors,
        track_vectors=vectors,
        latest_user_vectors=np.array(newest, np.float32),
        release_day=tracks["release_day"].fill_null(0).to_numpy().astype(np.int64),
        plays=data.plays,
        first_day=first_day,
    )


def _user_vectors(data: ColdStartData, user_ids: tuple[str, ...], *, model_dir: Path, first_day: int) -> pl.DataFrame:
    """Embed every user by the user tower, every `VECTOR_DAYS` and at the end."""
    tower, known = load_user_tower(model_dir)
    row_of = {track_id: row for row, track_id in enumerate(known)}
    rows = np.array([row_of.get(track_id, -1) for track_id in data.warm.track_ids])
    log = data.plays.remap(rows)
    if not len(log):
        raise ValueError("model must have a user tower that knows tracks of the world, got one that knows none of them")
    categories = numbers_of(data.users, tower.recipe.columns)
    days = days_of(0.0, first_day, every=VECTOR_DAYS)
    return tower_user_vectors(tower, log, users=user_ids, days=days, categories=categories)
