"""Recommendations of one kind of content to users of another, from two play logs with common users."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.plays.formats import scan_plays
from audio_engine.plays.scanning import PlayColumns
from audio_engine.plays.tables import read_vectors
from audio_engine.plays.track_matching import spelled
from audio_engine.plays.validation import load_plays, validate_plays
from audio_engine.recall.unplayed import best_unplayed
from audio_engine.transfer.factors import FactorSettings, TransferFactors, learn_factors, preferences
from metric_learning.play_log import PlayLog

logger = logging.getLogger(__name__)

RICH_SETTINGS = FactorSettings(popularity=0)  # of the factors of the kind that much is played of


@dataclass(frozen=True, kw_only=True, eq=False)
class KindLog:
    """The plays of one kind of content."""

    plays: PlayLog  # `track` is a row of `items`
    items: list[str]  # their ids
    n_users: int

    @property
    def shape(self) -> tuple[int, int]:
        """Number of users and of items."""
        return self.n_users, len(self.items)


def recall_across(  # noqa: PLR0913  (what the command asks)
    source: Sequence[Path],
    target: Path,
    *,
    item: str,
    vectors: Path | None = None,
    k: int = 100,
    settings: FactorSettings | None = None,
) -> Iterator[pl.DataFrame]:
    """Recommend items of a second kind to every user of either log, without those that they have played.

    Logs and factors are in memory, the answers of a block of users at a time.

    Parameters
    ----------
    source
        Logs of the kind of which much is played: user, track, and action or completion.
    target
        The log of the second kind.
    item
        Its column of items.
    vectors
        A Parquet file of ``track`` (or ``track_id``) and ``vector``: the audio vectors of items of the second kind,
        those without a play among them.
    k
        Items per user.
    settings
        Of the factors of the second kind.

    Returns
    -------
    answers
        Of some users at a time, as they are drawn: ``user``, ``rank`` (from 1), `item`, ``score``; and ``plays``, how
        many of the second kind the user has. Their schema is `answer_schema`.

    Raises
    ------
    ValueError
        When a log has no plays, k is below 1, or `item` is the name of another column of the answer.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    if item in {"user", "rank", "score", "plays"}:
        raise ValueError(f"item must be the column of the items, got {item!r}")
    users = users_of_logs([scan_plays(path) for path in source] + [scan_kind(target, item)])
    songs = read_kind(pl.concat([scan_plays(path) for path in source]), users)
    known_items, sound = (None, None) if vectors is None else _items_with_sound(vectors, target, item)
    second = read_kind(scan_kind(target, item), users, items=known_items)
    factors = transfer(songs, second, sound=sound, settings=settings)
    return _answers(factors, second, pl.Series(list(users), dtype=pl.String), item=item, k=k)


def answer_schema(item: str) -> pl.Schema:
    """Give the columns of what `recall_across` recommends."""
    return pl.Schema(
        {"user": pl.String(), "rank": pl.Int64(), item: pl.String(), "score": pl.Float32(), "plays": pl.Int64()}
    )


def transfer(
    source: KindLog,
    target: KindLog,
    *,
    sound: NDArray[np.float32] | None = None,
    settings: FactorSettings | None = None,
) -> TransferFactors:
    """Learn factors of the second kind, with users' vectors mapped from their factors of the first.

    Parameters
    ----------
    source, target
        Plays of the same users.
    sound : (n_items, dim)
        Vectors of the second kind's items, zeros where there is none.
    settings
        Of the second kind's factors; those of the first are `RICH_SETTINGS`.

    Returns
    -------
    factors
        Of the second kind, for all users.
    """
    return learn_factors(
        preferences(target.plays, target.shape),
        known=user_factors(source),
        sound=sound,
        settings=settings or FactorSettings(),
    )


def user_factors(source: KindLog) -> NDArray[np.float32]:
    """Learn vectors of users from their plays of one kind, zeros for those without: (n_users, dim)."""
    factors = learn_factors(preferences(source.plays, source.shape), settings=RICH_SETTINGS)
    without = source.plays.count_by("user", source.n_users) == 0
    return np.where(without[:, None], np.float32(0), factors.users[:, : RICH_SETTINGS.dim])


def scan_kind(path: Path, item: str) -> pl.LazyFrame:
    """Open a log of another kind of content, whose column of items is `item`, as one of tracks."""
    return scan_plays(path, columns=PlayColumns(track=item))


def users_of_logs(logs: Sequence[pl.LazyFrame]) -> dict[str, int]:
    """Give the users of some logs row numbers, in the order of their ids."""
    users = pl.concat([log.select("user") for log in logs]).drop_nulls().unique().sort("user")
    return {name: row for row, name in enumerate(users.collect(engine="streaming")["user"])}


def read_kind(log: pl.LazyFrame, users: Mapping[str, int], *, items: Sequence[str] | None = None) -> KindLog:
    """Read the plays of one kind.

    Parameters
    ----------
    log
        From `scan_plays` or `scan_kind`.
    users
        Row of each; plays of others are left out.
    items
        Ids of the items; None: those of the log, in order.

    Returns
    -------
    plays
    """
    if items is None:
        items = log.select(pl.col("track").drop_nulls().unique().sort()).collect(engine="streaming")["track"].to_list()
    rows = pl.DataFrame({"track": items}, schema={"track": pl.String}).select(
        name=spelled("track"), row=pl.int_range(pl.len(), dtype=pl.Int64), duration_s=pl.lit(None, pl.Float64)
    )
    plays, counts = load_plays(validate_plays(log, rows.unique("name", keep="first", maintain_order=True)), users)
    if counts.left_out:
        logger.warning("%s", counts)
    if not len(plays):
        raise ValueError(f"plays must hold plays of users and items, got {len(items)} items and no usable play")
    return KindLog(plays=plays, items=list(items), n_users=len(users))


def _answers(factors: TransferFactors, log: KindLog, names: pl.Series, *, item: str, k: int) -> Iterator[pl.DataFrame]:
    """Lay out the best items of each user, by name, a block of users at a time."""
    ids, n_plays = pl.Series(log.items, dtype=pl.String), log.plays.count_by("user", log.n_users)

    def score(block: slice) -> NDArray[np.float32]:
        return factors.users[block] @ factors.items.T

    for user, rank, column, scores in best_unplayed(score, log.plays, log.shape, k=k):
        columns = (names.gather(user), rank, ids.gather(column), scores, n_plays[user])
        schema = answer_schema(item)
        yield pl.DataFrame(dict(zip(schema, columns, strict=True)), schema=schema)


def _items_with_sound(vectors: Path, target: Path, item: str) -> tuple[list[str], NDArray[np.float32]]:
    """List the items of a log and those that have vectors, and the vectors, zeros where there is none."""
    table = read_vectors(vectors)
    played = scan_kind(target, item).select(pl.col("track").drop_nulls().unique().sort()).collect()
    named = played.with_columns(name=spelled("track")).join(table.names.rows, on="name", how="left")
    others = sorted(set(range(len(table.vectors))) - set(named["row"].drop_nulls()))
    key = "track_id" if "track_id" in table.others.columns else "track"
    items = named["track"].to_list() + table.others[key].cast(pl.String).gather(others).to_list()
    rows = named["row"].to_list() + others
    sound = np.zeros((len(items), len(table.vectors[0])), np.float32)
    for place, row in enumerate(rows):
        if row is not None:
            sound[place] = table.vectors[row].to_numpy()
    return items, sound
