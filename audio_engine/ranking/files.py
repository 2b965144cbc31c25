"""Ranking on files: trains a ranker from a play log and vectors, and scores a table of users and tracks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from audio_engine.atomic_files import whole_file
from audio_engine.plays.formats import scan_plays
from audio_engine.plays.scanning import scan_table
from audio_engine.plays.tables import read_users
from audio_engine.plays.validation import load_plays, validate_plays
from audio_engine.ranking.config import RankerConfig
from audio_engine.ranking.ranker import Ranker
from audio_engine.ranking.tables import read_vectors, require
from audio_engine.ranking.user_vectors import days_of, mean_user_vectors, tower_user_vectors
from metric_learning.user_checkpoint import load_user_tower

N_WINDOWS = 10  # times in the log at which users' vectors are recomputed
PROBABILITY = "probability"  # the column added by `score_file`


@dataclass(frozen=True, kw_only=True)
class RankingFiles:
    """The training files of a ranker."""

    plays: Path  # user, track, action, and day or timestamp
    tracks: Path | None = None  # track, and optionally artist_key or artist, release_day, file
    vectors: Path | None = None  # an export of a catalogue, or track and vector; None: no audio vectors
    users: Path | None = None  # user; any further column is a category
    model_dir: Path | None = None  # its user tower computes the users' vectors; None: means of liked tracks


@dataclass(frozen=True, kw_only=True)
class RankerReport:
    """The result of a training."""

    n_plays: int
    n_opinions: int  # likes and rejections: the examples
    n_users: int
    n_tracks: int
    n_tracks_with_vector: int
    like_rate: float  # of the opinions
    last_day: float


def train_from_files(files: RankingFiles, out: Path, *, config: RankerConfig | None = None) -> RankerReport:
    """Train a ranker from files and save it.

    Parameters
    ----------
    files
        The tables.
    out
        Folder of the ranker.
    config
        How.

    Returns
    -------
    report

    Raises
    ------
    FileNotFoundError
        When a file is missing, or the model has no user tower.
    ValueError
        When a table lacks a column, or no track of the log has a vector.
    """
    config = config or RankerConfig()
    log = scan_plays(files.plays).select("user", "track", "day", "action").collect(engine="streaming")
    tracks = read_track_table(files, log)
    users = scan_table(files.users).collect() if files.users else None
    user_vectors = _user_vectors(files, log, tracks) if config.audio and files.vectors else None
    ranker = Ranker.train(log, tracks=tracks, users=users, user_vectors=user_vectors, config=config)
    ranker.save(out)
    return RankerReport(
        n_plays=len(log),
        n_opinions=int((log["action"] != "none").sum()),
        n_users=log["user"].n_unique(),
        n_tracks=log["track"].n_unique(),
        n_tracks_with_vector=int(ranker.known.track_vectors.any(1).sum()) if ranker.known.track_vectors.size else 0,
        like_rate=ranker.recipe.rate,
        last_day=ranker.day,
    )


def score_file(ranker_dir: Path, pairs: Path, out: Path) -> int:
    """Add to a table of users and tracks the probability of a like, streaming.

    Parameters
    ----------
    ranker_dir
        A ranker.
    pairs
        A table with ``user, track`` and optionally ``day``; other columns are kept.
    out
        The Parquet file to write: the same rows with ``probability``; written atomically.

    Returns
    -------
    n_rows
    """
    ranker, table = Ranker.load(ranker_dir), scan_table(pairs)
    schema = table.collect_schema()
    require(pl.DataFrame(schema=schema), ("user", "track"), name=pairs.name)

    def predict(part: pl.DataFrame) -> pl.DataFrame:
        return part.with_columns(pl.Series(PROBABILITY, ranker.predict(part), dtype=pl.Float32))

    answered = table.map_batches(predict, schema={**schema, PROBABILITY: pl.Float32}, streamable=True)
    with whole_file(out) as temporary:
        answered.sink_parquet(temporary, engine="streaming")
    return int(pl.scan_parquet(out).select(pl.len()).collect().item())


def read_track_table(files: RankingFiles, log: pl.DataFrame) -> pl.DataFrame:
    """Read the tracks: ``track, artist, release_day, vector``, as far as the files have them.

    An export of a catalogue has its own track ids; if the table of tracks has the file of each, vectors are matched by
    file name.
    """
    if files.tracks:
        table = scan_table(files.tracks).collect()
        require(table, ("track",), name=files.tracks.name)
        table = table.with_columns(pl.col("track").cast(pl.String))
    else:
        table = log.select(pl.col("track").unique(maintain_order=True))
    if "artist_key" in table.columns:
        table = table.with_columns(artist=pl.col("artist_key"))
    if files.vectors:
        table = _join_vectors(table.drop("vector", strict=False), files.vectors)
    return table.select(name for name in ("track", "artist", "release_day", "vector") if name in table.columns)


def _join_vectors(table: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Join vectors to tracks, by id or by file name."""
    vectors = scan_table(path).collect()
    require(vectors, ("vector",), name=path.name)
    if "track" not in vectors.columns and "track_id" in vectors.columns:
        vectors = vectors.rename({"track_id": "track"})
    require(vectors, ("track",), name=path.name)
    vectors = vectors.with_columns(pl.col("track").cast(pl.String))
    joined = table.join(
        vectors.select("track", "vector").unique("track"), on="track", how="left", maintain_order="left"
    )
    if joined["vector"].null_count() == len(joined) and "file" in table.columns and "path" in vectors.columns:
        by_file = vectors.with_columns(file=pl.col("path").cast(pl.String).str.split("/").list.last())
        joined = table.join(
            by_file.select("file", "vector").unique("file"), on="file", how="left", maintain_order="left"
        )
    if joined["vector"].null_count() == len(joined):
        raise ValueError(f"{path.name} must hold vectors of tracks in the log, got none (do both use the same ids?)")
    return joined


def _user_vectors(files: RankingFiles, log: pl.DataFrame, tracks: pl.DataFrame) -> pl.DataFrame:
    """Compute the users' vectors at `N_WINDOWS` times of the log."""
    first, last = float(log["day"].min() or 0), float(log["day"].max() or 0)  # type: ignore[arg-type]
    if first == last:
        raise ValueError(
            f"plays must be of more than one day to read vectors, got day {first:g} only "
            "(a user's vector must be older than the play that it ranks)"
        )
    days = days_of(first, last, every=(last - first) / N_WINDOWS)
    if files.model_dir:
        names = log["user"].unique(maintain_order=True).to_list()
        return _tower_user_vectors(files, files.model_dir, names=names, days=days)
    table = read_vectors(tracks, name="vectors")
    heard = {track: vector for track, vector in zip(tracks["track"], table, strict=True) if vector.any()}
    return mean_user_vectors(log, heard, days)


def _tower_user_vectors(
    files: RankingFiles, model_dir: Path, *, names: Sequence[str], days: Sequence[float]
) -> pl.DataFrame:
    """Compute them by the user tower of a model, from the plays of the tracks it knows."""
    tower, track_ids = load_user_tower(model_dir)
    users, categories = {name: row for row, name in enumerate(names)}, None
    if tower.recipe.categories:
        sizes = np.array(tower.recipe.categories)
        nothing = np.zeros((len(names), len(sizes)), np.int64)
        users, categories = read_users(files.users) if files.users else (users, nothing)
        categories = np.minimum(categories, sizes - 1)
    rows = {track_id: row for row, track_id in enumerate(track_ids)}
    durations = dict.fromkeys(track_ids, float("nan"))
    plays, counts = load_plays(validate_plays(scan_plays(files.plays), durations), users, rows)
    if len(plays) == 0:
        raise ValueError(f"plays must hold plays of tracks that the model's user tower knows, got none ({counts})")
    return tower_user_vectors(tower, plays, users=list(users), days=days, categories=categories)
