"""Heat and freshness: how much a track is played lately, and how new it is."""

import numpy as np
import polars as pl

from audio_engine.scoring.time_decay import cooled, decayed_plays
from audio_engine.scoring.value.dimension import Dimension
from audio_engine.scoring.value.log import ValueLog
from audio_engine.scoring.value.quality import Z_95


def heat(log: ValueLog, tracks: pl.DataFrame, *, half_life_days: float) -> Dimension:
    """Sum the plays of each track, each decayed since its day by Newton's law of cooling.

    Numerator: Σ 2^(−age / half-life) over its plays. Denominator: its plays. Prior: none, 0 without plays. Interval:
    95 %, of a Poisson process: the variance of the sum is Σ 4^(−age / half-life), the heat at half the half-life.

    Returns
    -------
    dimension
        In plays.

    References
    ----------
    `audio_engine.scoring.time_decay`.
    """
    decayed = decayed_plays(log.plays(), at_day=log.at_day, half_life_days=half_life_days)
    variance = decayed_plays(log.plays(), at_day=log.at_day, half_life_days=half_life_days / 2)
    table = (
        tracks.select("track")
        .join(decayed, on="track", how="left", maintain_order="left")
        .join(variance.select("track", variance="decayed_plays"), on="track", how="left", maintain_order="left")
        .fill_null(0)
    )
    value, deviation = table["decayed_plays"].to_numpy(), np.sqrt(table["variance"].to_numpy())
    return Dimension(
        value=value,
        low=np.maximum(0.0, value - Z_95 * deviation),
        high=value + Z_95 * deviation,
        numerator=value,
        denominator=table["plays"].cast(pl.Float64).to_numpy(),
        prior="none: 0 plays",
    )


def freshness(log: ValueLog, tracks: pl.DataFrame, *, half_life_days: float) -> Dimension:
    """Measure how new each track is: 2^(−age / half-life).

    Age: the days since `release_day` where the table of tracks has one, else since the first play. Numerator: the age.
    Denominator: the half-life. Prior: a track without either is new, 1, as is one to come. Interval: none, a date is
    known (low and high are the value).

    Returns
    -------
    dimension
        Between 0 and 1.
    """
    first = log.fetch("SELECT track, min(played_at) AS first FROM plays GROUP BY track")
    table = tracks.join(first, on="track", how="left", maintain_order="left")
    released = pl.col("release_day").cast(pl.Float64) if "release_day" in tracks.columns else pl.lit(None, pl.Float64)
    age = table.select(age=(log.at_day - pl.coalesce(released, "first")).fill_null(0.0).clip(lower_bound=0.0))["age"]
    value = cooled(np.ones(len(table)), age.to_numpy(), half_life_days=half_life_days)
    return Dimension(
        value=value,
        low=value,
        high=value,
        numerator=age.to_numpy(),
        denominator=np.full(len(table), half_life_days),
        prior="none: a track without a date is new",
    )
