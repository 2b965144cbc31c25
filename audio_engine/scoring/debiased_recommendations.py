"""Recommendations for each user of a play log, with popularity removed by `audio_engine.scoring.debias`."""

import logging
import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import compress
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.plays.formats import scan_plays
from audio_engine.plays.tables import read_vectors
from audio_engine.plays.track_matching import name_by_table, spelled
from audio_engine.plays.validation import load_plays, validate_plays
from audio_engine.recall.unplayed import Floats, Rows, best_unplayed
from audio_engine.scoring.debias import DebiasSettings, train_debiased
from metric_learning.play_log import PlayLog, rows_of

logger = logging.getLogger(__name__)

SCHEMA = pl.Schema({"user": pl.String(), "rank": pl.Int64(), "track": pl.String(), "score": pl.Float32()})


def recommend_debiased(  # noqa: PLR0913  (what the command asks)
    plays: Path,
    *,
    c: float,
    k: int,
    vectors: Path | None = None,
    tracks: Path | None = None,
    settings: DebiasSettings | None = None,
) -> Iterator[pl.DataFrame]:
    """Train on a log, and find for each of its users the best tracks that they have not played.

    The log and the model are in memory, the answers of a block of users at a time.

    Parameters
    ----------
    plays
        The log: user, track, and action or completion.
    c
        How much popularity is removed, in the unit of the match ŷ_k.
    k
        Tracks per user; fewer if they have played nearly everything.
    vectors
        A Parquet file with ``track_id`` (or ``track``) and ``vector``, as ``audio-engine export`` writes it: the audio
        vectors of the tracks; plays of others are left out. None: ids alone.
    tracks
        Other names of the tracks of `vectors` in the log: ``track``, the name, and ``path`` or ``file``.
    settings
        Training settings.

    Returns
    -------
    recommended
        Of some users at a time, as they are drawn, with the columns of `SCHEMA`; ranks from 1.

    Raises
    ------
    ValueError
        When ``c`` is not finite, no play can be used, or `tracks` is given without `vectors`.
    """
    if tracks is not None and vectors is None:
        raise ValueError("tracks must be given with the vectors whose tracks they name, got tracks alone")
    if not math.isfinite(c):
        raise ValueError(f"c must be finite, got {c}")
    if vectors is None:
        log, users, played = read_log(plays)
        sound = None
    else:
        log, users, played, sound = read_log_with_vectors(plays, vectors, tracks)
    model = train_debiased(log, n_users=len(users), n_tracks=len(played), vectors=sound, settings=settings)
    best = best_unplayed(partial(model.scores, c), log, (len(users), len(played)), k=k)
    return _by_name(best, pl.Series(users), pl.Series(played))


def read_log(plays: Path) -> tuple[PlayLog, list[str], list[str]]:
    """Read a log and its users and tracks, both in the order of their ids.

    Returns
    -------
    plays
    users, tracks
        Their ids; the log holds positions in these lists. Users without a play that can be used are left out.
    """
    return _read_log(plays, _one_a_track(_names_in(plays, "track"), "name"))


def read_log_with_vectors(
    plays: Path, vectors: Path, tracks: Path | None = None
) -> tuple[PlayLog, list[str], list[str], NDArray[np.float32]]:
    """Read the plays of tracks that have vectors, each by the first of the names that the log has for it.

    How many plays of other tracks are left out is logged.

    Returns
    -------
    plays, users, tracks
        As `read_log` gives them.
    vectors : (n_tracks, dim)
        Of the tracks, in their order.
    """
    table = read_vectors(vectors)
    known = table.names if tracks is None else name_by_table(table.names, tracks, start=None)
    names = _names_in(plays, "track").join(known.rows, on="name", how="left", maintain_order="left")
    played = _one_a_track(names.drop_nulls("row"), "row")
    if len(names) and not len(played):
        raise ValueError(
            f"{vectors.name} must have vectors of tracks played, got none of {len(names)}: {names['track'][0]} "
            "(are the names in the log ids, paths or file names of its tracks?)"
        )
    return *_read_log(plays, played), np.array(table.vectors.gather(played["row"]).to_list(), np.float32)


def _by_name(
    best: Iterator[tuple[Rows, Rows, Rows, Floats]], users: pl.Series, tracks: pl.Series
) -> Iterator[pl.DataFrame]:
    """Lay out the best tracks of users by name, a block of users at a time."""
    for user, rank, track, score in best:
        columns = (users.gather(user), rank, tracks.gather(track), score)
        yield pl.DataFrame(dict(zip(SCHEMA, columns, strict=True)), schema=SCHEMA)


def _names_in(plays: Path, column: str) -> pl.DataFrame:
    """List what a log has in a column, in order, as it is written and as ``name`` in one spelling."""
    named = scan_plays(plays).select(pl.col(column).drop_nulls().unique().sort()).collect()
    return named.with_columns(name=spelled(column))


def _one_a_track(names: pl.DataFrame, key: str) -> pl.DataFrame:
    """Gather the ``names`` of each track, and the first spelling that the log has of them as ``track``."""
    return names.group_by(key, maintain_order=True).agg(pl.first("track"), names=pl.col("name").unique())


def _read_log(plays: Path, tracks: pl.DataFrame) -> tuple[PlayLog, list[str], list[str]]:
    """Read the plays of some tracks, ``track`` and ``names``: the log, and the names of its rows."""
    users = _names_in(plays, "user")["user"].to_list()
    if not users or not len(tracks):
        raise ValueError(f"plays must hold plays of users and tracks, got {len(users)} users and {len(tracks)} tracks")
    rows = tracks.select(pl.col("names").alias("name"), row=pl.int_range(pl.len(), dtype=pl.Int64)).explode("name")
    judged = validate_plays(scan_plays(plays), rows.with_columns(duration_s=pl.lit(None, pl.Float64)))
    log, counts = load_plays(judged, {name: row for row, name in enumerate(users)})
    if counts.left_out:
        logger.warning("%s", counts)
    has_plays = log.count_by("user", len(users)) > 0
    log = replace(log, user=rows_of(has_plays)[log.user])
    return log, list(compress(users, has_plays)), tracks["track"].to_list()
