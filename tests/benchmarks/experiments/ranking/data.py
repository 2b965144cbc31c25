"""A world as the input tables of a ranker, split by time: earlier plays for training, later ones for testing."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.evaluation.cold_start.data import ColdStartData, read_world
from audio_engine.plays.table_files import scan_table
from audio_engine.plays.tables import read_plays, read_users
from audio_engine.ranking.user_vectors import user_vector_table
from metric_learning.play_log import ACTIONS, PlayLog
from tests.benchmarks.experiments.ranking.vectors import PastVectors


@dataclass(frozen=True, kw_only=True)
class RankingWorld:
    """Plays of warm and cold tracks, with the tables of tracks and users."""

    data: ColdStartData
    user_ids: tuple[str, ...]
    users: pl.DataFrame  # user, and categories
    tracks: pl.DataFrame  # track, artist, release_day where the world knows it; warm ones first
    plays: pl.DataFrame  # user, track, day, action; of warm tracks, in the order of `data.plays`
    cold_plays: pl.DataFrame  # of cold ones


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Plays with an opinion that a ranker has not seen."""

    name: str  # warm, cold, …
    rows: pl.DataFrame  # user, track, day
    user: NDArray[np.int64]  # (n_plays,) rows of users
    liked: NDArray[np.bool_]  # (n_plays,)

    def where(self, name: str, keep: NDArray[np.bool_]) -> "Judged":
        """Select some of the plays, under another name."""
        return Judged(name=name, rows=self.rows.filter(pl.Series(keep)), user=self.user[keep], liked=self.liked[keep])


def read_ranking_world(world: Path, audio: Path) -> RankingWorld:
    """Read a folder with the layout of `../shared/world`."""
    data = read_world(world, audio)
    row_of, _ = read_users(world / "users.parquet")
    cold_plays, _ = read_plays(world / "plays_valid_cold.parquet", row_of, data.cold)
    table = scan_table(world / "tracks.parquet").collect()
    ids, artists = data.warm.track_ids + data.cold.track_ids, data.warm.artist_keys + data.cold.artist_keys
    tracks = pl.DataFrame({"track": ids, "artist": artists}, {"track": pl.String, "artist": pl.String})
    if "release_day" in table.columns:
        released = table.select(pl.col("track").cast(pl.String), "release_day")
        tracks = tracks.join(released, on="track", how="left", maintain_order="left")
    user_ids = tuple(row_of)
    return RankingWorld(
        data=data,
        user_ids=user_ids,
        users=scan_table(world / "users.parquet").collect(),
        tracks=tracks,
        plays=play_frame(data.plays, user_ids, data.warm.track_ids),
        cold_plays=play_frame(cold_plays, user_ids, data.cold.track_ids),
    )


def play_frame(plays: PlayLog, user_ids: Sequence[str], track_ids: Sequence[str]) -> pl.DataFrame:
    """Tabulate plays by ids: ``user, track, day, action``."""
    columns = {
        "user": pl.Series(user_ids, dtype=pl.String)[plays.user],
        "track": pl.Series(track_ids, dtype=pl.String)[plays.track],
        "day": pl.Series(plays.day).cast(pl.Float64),
        "action": pl.Series(ACTIONS)[plays.action.astype(np.int64)],
    }
    return pl.DataFrame(columns)


def judged_plays(name: str, plays: pl.DataFrame, user_ids: Sequence[str]) -> Judged:
    """Keep the plays with an opinion; the rows given to a ranker do not include the label."""
    spoken = plays.filter(pl.col("action") != "none")
    user = spoken["user"].replace_strict(list(user_ids), range(len(user_ids)), return_dtype=pl.Int64)
    return Judged(
        name=name,
        rows=spoken.select("user", "track", "day"),
        user=user.to_numpy(),
        liked=(spoken["action"] == "like").to_numpy(),
    )


def with_vectors(world: RankingWorld, vectors: PastVectors) -> pl.DataFrame:
    """Add vectors to the tracks of a world."""
    both = np.concatenate([vectors.warm, vectors.cold])
    column = pl.Series("vector", both, dtype=pl.Array(pl.Float32, both.shape[1])).cast(pl.List(pl.Float32))
    return world.tracks.with_columns(column)


def users_from_plays(world: RankingWorld, vectors: PastVectors, days: Sequence[float]) -> pl.DataFrame:
    """Tabulate users' vectors on some days: ``user, day, vector``."""
    return pl.concat(
        user_vector_table(world.user_ids, day, of_day) for day, of_day in zip(days, vectors.user_vectors, strict=True)
    )
