"""Ranking on files: trains a ranker from a play log and vectors, and scores a table of users and tracks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from audio_engine.atomic_files import write_table
from audio_engine.plays.demographics import numbers_of
from audio_engine.plays.formats import scan_plays
from audio_engine.plays.table_files import read_parquet, reading, scan_table
from audio_engine.plays.tables import read_users
from audio_engine.plays.track_matching import TrackNames
from audio_engine.plays.validation import PlayCounts, count_plays, load_plays, validate_plays
from audio_engine.ranking.config import RankerConfig
from audio_engine.ranking.ranker import NAMES_FILE, Ranker
from audio_engine.ranking.tables import keyed, read_vectors, require
from audio_engine.ranking.track_tables import KNOWN_AS, match_known, read_tracks_with_vectors, table_of
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

    n_plays: int  # that it learned from
    n_left_out: int  # plays that could not be used
    left_out: Mapping[str, int]  # of them, by reason
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
        When a table lacks a column, the log has no likes or no rejections, or no track of it has a vector; names the
        file.
    """
    config = config or RankerConfig()
    tracks, names = read_tracks_with_vectors(files.tracks, files.vectors)
    called = None if names is None else table_of(names)
    log, counts = _read_log(files.plays, called)
    if files.tracks is None:
        tracks = log.select(pl.col("track").unique(maintain_order=True)).join(
            tracks, on="track", how="left", maintain_order="left"
        )
    if files.vectors and not tracks["vector"].count():
        raise ValueError(
            f"{files.vectors.name} must hold vectors of tracks of the log, got none (do both use the same ids?)"
        )
    users = keyed(scan_table(files.users).collect(), ("user",), name=files.users.name) if files.users else None
    user_vectors = None
    if config.audio and files.vectors and names is not None:
        user_vectors = _user_vectors(files, log, tracks, names)
    ranker = Ranker.train(log, tracks=tracks, users=users, user_vectors=user_vectors, config=config)
    ranker.save(out, names=called)
    return RankerReport(
        n_plays=len(log),
        n_left_out=counts.left_out,
        left_out=counts.reasons,
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
        A table with ``user, track`` (by any name that the log may have for it) and maybe ``day``; other columns are
        kept.
    out
        The table to write: the same rows with ``probability``; written atomically.

    Returns
    -------
    n_rows
    """
    ranker, table = Ranker.load(ranker_dir), scan_table(pairs)
    schema = table.collect_schema()
    require(pl.DataFrame(schema=schema), ("user", "track"), name=pairs.name)

    names_file = ranker_dir / NAMES_FILE
    known = match_known(table, read_parquet(names_file) if names_file.exists() else None)

    def predict(part: pl.DataFrame) -> pl.DataFrame:
        asked = part.drop("track").rename({KNOWN_AS: "track"})
        return part.drop(KNOWN_AS).with_columns(pl.Series(PROBABILITY, ranker.predict(asked), dtype=pl.Float32))

    answered = known.map_batches(predict, schema={**schema, PROBABILITY: pl.Float32}, streamable=True)
    write_table(answered, out)
    return int(table.select(pl.len()).collect(engine="streaming").item())


def _read_log(plays: Path, names: pl.DataFrame | None) -> tuple[pl.DataFrame, PlayCounts]:
    """Read the plays that can be used, ``user, track, day, action``, those of unknown tracks among them."""
    known = match_known(scan_plays(plays), names).with_columns(track=KNOWN_AS)
    judged = validate_plays(known, None).select("user", "track", "day", "action", "reason")
    with reading(plays):
        table = judged.collect(engine="streaming")
    good, counts = table.filter(pl.col("reason").is_null()), count_plays(table.lazy())
    n_likes, n_opinions = ((good["action"] == "like").sum(), (good["action"] != "none").sum())
    if n_likes in {0, n_opinions}:
        raise ValueError(
            f"{plays.name} must hold likes and rejections, got {n_likes} likes of {n_opinions} opinions ({counts})"
        )
    return good.drop("reason"), counts


def _user_vectors(files: RankingFiles, log: pl.DataFrame, tracks: pl.DataFrame, names: TrackNames) -> pl.DataFrame:
    """Compute the users' vectors at `N_WINDOWS` times of the log."""
    first, last = float(log["day"].min() or 0), float(log["day"].max() or 0)  # type: ignore[arg-type]
    if first == last:
        raise ValueError(
            f"{files.plays.name} must hold plays of more than one day to read vectors, got day {first:g} only "
            "(a user's vector must be older than the play that it ranks)"
        )
    days = days_of(first, last, every=(last - first) / N_WINDOWS)
    if files.model_dir:
        users = log["user"].unique(maintain_order=True).to_list()
        return _tower_user_vectors(files, files.model_dir, names, user_ids=users, days=days)
    table = read_vectors(tracks, name="vectors")
    heard = {track: vector for track, vector in zip(tracks["track"], table, strict=True) if vector.any()}
    return mean_user_vectors(log, heard, days)


def _tower_user_vectors(
    files: RankingFiles, model_dir: Path, names: TrackNames, *, user_ids: Sequence[str], days: Sequence[float]
) -> pl.DataFrame:
    """Compute them by the user tower of a model, from the plays of the tracks it knows."""
    tower, track_ids = load_user_tower(model_dir)
    users, categories = {name: row for row, name in enumerate(user_ids)}, None
    if tower.recipe.columns and files.users:
        users, table = read_users(files.users)
        categories = numbers_of(table, tower.recipe.columns)
    known = names.with_tower({track_id: row for row, track_id in enumerate(track_ids)})
    in_tower = known.select("name", "duration_s", row="tower_row").drop_nulls("row")
    plays, counts = load_plays(validate_plays(scan_plays(files.plays), in_tower), users)
    if len(plays) == 0:
        raise ValueError(
            f"{files.plays.name} must hold plays of tracks that the model's user tower knows, got none ({counts})"
        )
    return tower_user_vectors(tower, plays, users=list(users), days=days, categories=categories)
