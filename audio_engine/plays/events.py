"""Logs of events beside plays: who favoured, shared or bought what, and who subscribed.

An event log has ``user``, ``track``, ``day`` or ``timestamp``, and ``kind``, in any of the formats of a play log. An
event without a track, such as a subscription to the whole service, has a null there.
"""

import logging
from pathlib import Path

import polars as pl

from audio_engine.plays.formats import scan_plays
from audio_engine.plays.scanning import PlayColumns
from audio_engine.plays.table_files import reading, scan_table

logger = logging.getLogger(__name__)

KINDS = ("favourite", "share", "purchase", "subscribe")
EVENT_SCHEMA = pl.Schema({"user": pl.String, "track": pl.String, "day": pl.Float64, "kind": pl.String})


def usable_events(path: Path) -> pl.LazyFrame:
    """Open the events of a log that can be used; how many cannot is logged.

    Parameters
    ----------
    path
        The file, or a folder of Parquet files.

    Returns
    -------
    events
        Lazy, with the columns of `EVENT_SCHEMA`.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When it lacks a column.
    """
    names = scan_table(path).collect_schema().names()
    if "kind" not in names or not {"day", "timestamp"} & set(names):
        raise ValueError(f"{path.name} must have columns 'kind' and 'day' or 'timestamp', got {', '.join(names)}")
    events = scan_plays(path, columns=PlayColumns(action="kind")).select("user", "track", "day", kind="action")
    is_good = pl.col("user").is_not_null() & (pl.col("day") >= 0) & pl.col("kind").is_in(KINDS)
    is_good &= pl.col("day").is_not_nan()
    is_good = is_good.fill_null(value=False)
    with reading(path):
        n_rows, n_good = events.select(pl.len(), is_good.sum()).collect(engine="streaming").row(0)
    if n_good < n_rows:
        logger.warning(
            "%d events, %d left out (each must have a user, a time, and one of the kinds %s)",
            n_rows, n_rows - n_good, ", ".join(KINDS),
        )  # fmt: skip
    return events.filter(is_good)
