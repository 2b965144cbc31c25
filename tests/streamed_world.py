"""A log as a stream delivers it: files of records with event ids, 5 % of them late, 2 % twice, all out of order."""

from pathlib import Path

import numpy as np
import polars as pl

LATE, TWICE = 0.05, 0.02  # shares of the records
MOST_LATE_DAYS = 0.8  # within the 24 hours of the watermark, with room for the shuffling
COPY_DAYS = 121.0  # by which each further copy of a log is later


def made_log(n_plays: int, *, seed: int = 0) -> pl.DataFrame:
    """Make a small log of plays and events."""
    rng = np.random.default_rng(seed)
    is_event = rng.random(n_plays) < 0.1
    kinds = rng.choice(["favourite", "share", "purchase", "subscribe"], n_plays)
    table = pl.DataFrame(
        {
            "user": [f"u{number}" for number in rng.integers(0, 300, n_plays)],
            "track": [f"t{number}" for number in (20 * rng.random(n_plays) ** 2).astype(int)],
            "day": np.sort(rng.uniform(0, 60, n_plays)).round(6),
            "completion": rng.random(n_plays).round(3),
            "action": rng.choice(["like", "dislike", "skip", "none"], n_plays, p=[0.2, 0.1, 0.1, 0.6]),
            "kind": np.where(is_event, kinds, "play"),
        }
    )
    kind = pl.when(pl.col("kind") != "play").then("kind")
    return table.with_columns(kind, pl.when(kind.is_null()).then("action"), pl.when(kind.is_null()).then("completion"))


def world_log(world: Path, *, n_copies: int = 1) -> pl.DataFrame:
    """Read the plays and the events of a world of simulated listening, one copy after the other."""
    plays = pl.read_parquet(world / "plays_train.parquet").with_columns(kind=pl.lit(None, pl.String))
    events = pl.read_parquet(world / "events.parquet")
    log = pl.concat([plays, events], how="diagonal").sort("day")
    return pl.concat([log.with_columns(pl.col("day") + COPY_DAYS * copy) for copy in range(n_copies)])


def delivered(log: pl.DataFrame, *, seed: int = 0) -> pl.DataFrame:
    """Give the records their ids, and put them in the order in which they are delivered."""
    rng = np.random.default_rng(seed)
    numbered = log.with_row_index("number").with_columns(event_id=pl.format("e{}", "number")).drop("number")
    late = np.where(rng.random(log.height) < LATE, rng.uniform(0, MOST_LATE_DAYS, log.height), 0.0)
    came = numbered.with_columns(came=pl.col("day") + late)
    twice = came.filter(pl.Series(rng.random(log.height) < TWICE))
    again = twice.with_columns(pl.col("came") + pl.Series(rng.uniform(0, MOST_LATE_DAYS / 2, twice.height)))
    return pl.concat([came, again]).sort("came", maintain_order=True).drop("came")


def write_stream(records: pl.DataFrame, folder: Path, *, n_files: int, kind: str = "parquet", seed: int = 0) -> None:
    """Write records as files, one after the other in time, the records of each shuffled."""
    folder.mkdir(parents=True, exist_ok=True)
    n_rows = -(-records.height // n_files)
    for number, part in enumerate(records.iter_slices(n_rows)):
        shuffled = part.sample(fraction=1.0, shuffle=True, seed=seed + number)
        path = folder / f"part-{number:05}.{kind}"
        if kind == "parquet":
            shuffled.write_parquet(path)
        else:
            shuffled.write_ndjson(path)
