"""User profiles and vectors from a play log, computed in blocks of users, so that memory does not grow with the log.

All plays of a user are in one block, by a hash of the name. Vectors are computed from the audio of liked tracks and, if
the model's user tower knows enough of the played tracks, from the tower too. One method is used for a whole log, so
that its users are comparable.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.plays.demographics import numbers_of
from audio_engine.plays.formats import scan_plays
from audio_engine.plays.table_files import reading
from audio_engine.plays.tables import read_users
from audio_engine.plays.track_matching import TrackNames, spelled
from audio_engine.plays.validation import PlayCounts, count_plays, validate_plays
from audio_engine.recall.recommendations import Method
from audio_engine.recall.user_profile import merged_vectors, taste_vectors, tastes_of
from audio_engine.recall.users import UserBatch
from metric_learning.play_log import ACTIONS, PlayLog

if TYPE_CHECKING:
    from audio_engine.recall.user_tower import KnownTower

Floats = NDArray[np.float32]

PLAYS_A_BLOCK = 2_000_000  # about
TOWER_SHARE = 0.5  # minimum share of usable plays whose tracks the tower knows, for the tower to be used
SEED = 0  # of the hash
TOGETHER: Final = "user tower and sound"  # methods
ALONE: Final = "sound"


@dataclass(frozen=True, kw_only=True)
class PreparedLog:
    """A validated play log, with its counts."""

    plays: pl.LazyFrame  # those that can be used: user, day, completion, action, row, tower_row (null: not known)
    counts: PlayCounts
    n_users: int  # in the whole log
    n_good: int  # plays of tracks of the catalogue, or of tracks that the tower knows
    n_of_tower: int  # plays of tracks that the tower knows
    n_elsewhere: int  # usable plays of tracks that the tower alone knows: they are not in the catalogue
    n_shared: int  # plays whose track is named as several recordings are, and that are therefore plays of none
    last_day: float  # of the plays that can be used

    @property
    def method(self) -> Method:
        """How its users' vectors are computed."""
        return TOGETHER if self.n_of_tower and self.n_of_tower >= TOWER_SHARE * self.n_good else ALONE


def prepare_log(plays: Path, names: TrackNames, tower: "KnownTower | None") -> PreparedLog:
    """Validate a play log and count its plays.

    Parameters
    ----------
    plays
        Parquet, CSV or JSON lines: ``user``, ``track``, and where there are such ``day`` or ``timestamp``,
        ``completion`` or ``played_s``, ``action``.
    names
        What it calls the tracks of the catalogue.
    tower
        Of the model; None where it has none.

    Raises
    ------
    FileNotFoundError
        When there is no such log.
    ValueError
        When it lacks a column, or no play of it is of a track of the catalogue.
    """
    log = scan_plays(plays)
    judged = validate_plays(log, names.with_tower(tower.row_of if tower else {}))
    with reading(plays):
        counts = count_plays(judged)
    good = judged.filter(pl.col("reason").is_null())
    good = good.select("user", pl.col("day").fill_null(0.0), "completion", "action", "row", "tower_row")
    sums = good.select(pl.len(), pl.col("tower_row").count(), pl.col("row").null_count(), pl.col("day").max()).collect(
        engine="streaming"
    )
    n_good, n_of_tower, n_elsewhere, last_day = sums.row(0)
    n_shared = _count_shared(log, names)
    if n_good == n_elsewhere:
        details = [str(counts)]
        details += [f"{n_shared} of names that fit several tracks"] if n_shared else []
        details += [f"{n_elsewhere} of tracks that only the model knows"] if n_elsewhere else []
        raise ValueError(f"{plays.name} must hold plays of tracks of the catalogue, got none ({', '.join(details)})")
    n_users = log.select(pl.col("user").drop_nulls().n_unique()).collect(engine="streaming").item()
    return PreparedLog(
        plays=good,
        counts=counts,
        n_users=n_users,
        n_good=n_good,
        n_of_tower=n_of_tower,
        n_elsewhere=n_elsewhere,
        n_shared=n_shared,
        last_day=last_day,
    )


def user_batches(
    log: PreparedLog,
    vectors: Floats,
    *,
    tower: "KnownTower | None" = None,
    categories: pl.DataFrame | None = None,
) -> Iterator[UserBatch]:
    """Compute the users of a log, a block at a time.

    Parameters
    ----------
    log
        From `prepare_log`; `PreparedLog.method` says how the vectors are computed.
    vectors : (n_tracks, dim)
        Of the tracks of the catalogue, unit length.
    tower
        Of the model.
    categories
        ``user`` and ``categories``, the numbers that the tower reads.

    Yields
    ------
    users
        Without users who have no vector: they liked nothing, or played nothing that the tower knows.
    """
    n_blocks = -(-log.n_good // PLAYS_A_BLOCK)
    for number in range(n_blocks):
        is_here = pl.col("user").hash(SEED) % n_blocks == number
        plays = log.plays.filter(is_here).collect(engine="streaming").sort("day", maintain_order=True)
        users = plays["user"].unique().sort()
        known = plays.filter(pl.col("row").is_not_null())
        tastes = tastes_of(_arrays(known, users, "row"), len(users), len(vectors), now=log.last_day)
        made = taste_vectors(tastes, vectors)
        has_vector = np.linalg.norm(made, axis=1) > 0
        if log.method == TOGETHER and tower is not None:
            of_tower = _arrays(plays.filter(pl.col("tower_row").is_not_null()), users, "tower_row")
            values = None if categories is None else _categories_of(users, categories, len(tower.columns))
            by_tower = tower.embed(of_tower, len(users), now=log.last_day, categories=values)
            made = merged_vectors(by_tower, made)
            has_vector = np.bincount(of_tower.user, minlength=len(users)) > 0
        yield UserBatch(users=users.to_list(), vectors=made, tastes=tastes).where(has_vector)


def read_categories(users: Path, tower: "KnownTower") -> pl.DataFrame:
    """Read of a table of users, ``user`` and any demographic columns, those that a tower reads, for `user_batches`."""
    row_of, table = read_users(users)
    values = numbers_of(table, tower.columns)[list(row_of.values())]
    return pl.DataFrame({"user": list(row_of), "categories": values.tolist()})


def _count_shared(log: pl.LazyFrame, names: TrackNames) -> int:
    """Count the plays whose track is named as several recordings are."""
    shared = names.shared.to_frame("name").join(names.rows, on="name", how="anti")
    if shared.is_empty():
        return 0
    played = log.select(spelled("track").alias("name")).join(shared.lazy(), on="name", how="semi")
    return int(played.select(pl.len()).collect(engine="streaming").item())


def _arrays(plays: pl.DataFrame, users: pl.Series, row: str) -> PlayLog:
    """Lay plays out as arrays; the tracks are the numbers of a column."""
    names = pl.DataFrame({"user": users, "number": np.arange(len(users))})
    numbered = plays.join(names, on="user", how="left", maintain_order="left")
    codes = {name: code for code, name in enumerate(ACTIONS)}
    return PlayLog(
        user=numbered["number"].to_numpy(),
        track=numbered[row].to_numpy(),
        day=numbered["day"].cast(pl.Float32).to_numpy(),
        completion=numbered["completion"].cast(pl.Float32).fill_null(float("nan")).to_numpy(),
        action=numbered["action"].replace_strict(codes, return_dtype=pl.Int8).to_numpy(),
    )


def _categories_of(users: pl.Series, table: pl.DataFrame, n_columns: int) -> NDArray[np.int64]:
    """Look up the categories of users, (n_users, n_columns); of those not in the table none is known."""
    found = users.to_frame().join(table, on="user", how="left", maintain_order="left")["categories"]
    return np.array([[0] * n_columns if row is None else list(row) for row in found.to_list()], np.int64)
