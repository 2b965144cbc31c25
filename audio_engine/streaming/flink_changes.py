"""Heats of tracks from the changes that the job on Flink writes (`flink_job`), as a table like that of the sink."""

from pathlib import Path

import polars as pl

from audio_engine.scoring.time_decay import decay_rate
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
    changes = pl.scan_ndjson(files, schema={"after": ROW}).select("after").drop_nulls().unnest("after")
    newest = pl.sum_horizontal(COUNTS).arg_max()  # counts only grow, so no order of files is needed
    rows = changes.group_by("track").agg(pl.all().get(newest))
    age = pl.col("latest_day") - pl.col("anchor_day")
    carried = rows.with_columns(heat=pl.col("heat") * (-decay_rate(half_life_days) * age).exp())
    heats = carried.with_columns(anchor_day="latest_day").select(HEAT_SCHEMA.names())
    return heats.sort("track").collect()
