"""Heats of tracks from the changes that the job on Flink writes (`flink_job`), as a table like that of the sink."""

from pathlib import Path

import polars as pl

from audio_engine.scoring.heat import as_of_latest
from audio_engine.streaming.sink import COUNTS, HEAT_SCHEMA

ROW = pl.Struct({**HEAT_SCHEMA, "latest_day": pl.Float64})


def read_flink_changes(folder: Path, *, half_life_days: float) -> pl.DataFrame:
    """Read the newest values of all tracks.

    Parameters
    ----------
    folder
        Files of JSON lines in Debezium's layout. Those that Flink has not committed are hidden, and not read.
    half_life_days
        That of the job.

    Returns
    -------
    heats
        As `HEAT_SCHEMA`, each as of the latest record of its track, in the order of the tracks.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name[0] != ".")
    if not files:
        return pl.DataFrame(schema=HEAT_SCHEMA)
    rows = _newest(pl.concat([_newest(_changes(file.read_bytes())) for file in files]))
    heats = as_of_latest(rows.lazy(), half_life_days=half_life_days).select(HEAT_SCHEMA.names())
    return heats.sort("track").collect()


def _changes(content: bytes) -> pl.DataFrame:
    """Read the states of tracks after each change; Flink begins a new file before one grows large."""
    return pl.read_ndjson(content, schema={"after": ROW}).drop_nulls("after").unnest("after")


def _newest(changes: pl.DataFrame) -> pl.DataFrame:
    """Keep the last state of each track: counts only grow, so the order of changes and files does not matter."""
    return changes.group_by("track").agg(pl.all().get(pl.sum_horizontal(COUNTS).arg_max()))
