"""Pay drive, circle index and pull: counts of a track over what is expected of plays like its own.

Each play belongs to a stratum, such as its week and how active its user is, and each stratum has a rate: the share of
its plays that the thing happened to. The expected count of a track is the sum of the rates of its plays: what would
have happened had its users, on the same days, played the average track (indirect standardisation). Lifts over it are
shrunk by `audio_engine.metrics.lift`. The track's own plays are part of the rates, so that in a catalogue of few
tracks a lift is a little too close to 1.

References
----------
N. Breslow, N. Day, Statistical Methods in Cancer Research, volume II, 1987, chapter 2: the standardised ratio.
"""

from pathlib import Path

import polars as pl

from audio_engine.metrics.lift import gamma_prior_by_moments, gamma_prior_of_sums
from audio_engine.plays.table_files import scan_table, user_text
from audio_engine.scoring.value.dimension import Dimension, lift_dimension
from audio_engine.scoring.value.log import ValueLog

# a track's plays to which something happened, and how many were to be expected, from the rates of the strata
AGAINST_STRATA = """
    WITH told AS (SELECT track, {happened} AS happened, {stratum} AS stratum FROM heard {joins}),
    rates AS (SELECT stratum, avg(happened::INTEGER) AS rate FROM told GROUP BY stratum)
    SELECT track, sum(happened::INTEGER)::DOUBLE AS observed, sum(rate) AS expected
    FROM told JOIN rates USING (stratum) GROUP BY track
"""
WANTED = "liked OR (NOT skipped AND NOT disliked AND coalesce(completion, 0.75) > 0.5)"
# wanted plays of each track in each circle that has some
CELLS = f"""
    WITH wanted AS (SELECT circle, track FROM heard JOIN circles USING (listener) WHERE {WANTED}),
    circle AS (SELECT circle, count(*) / (SELECT count(*) FROM wanted) AS share FROM wanted GROUP BY circle),
    track AS (SELECT track, count(*) AS n FROM wanted GROUP BY track)
    SELECT track, circle, count(*)::DOUBLE AS observed, any_value(track.n * circle.share) AS expected
    FROM wanted JOIN track USING (track) JOIN circle USING (circle) GROUP BY track, circle
"""
# a cell without wanted plays adds what it expects, and those are what the others leave of the total
CELL_SUMS = """
    SELECT sum((observed - expected) ** 2 / expected) + sum(observed) - sum(expected) AS pearson,
           sum(observed) AS total, count(DISTINCT track) * count(DISTINCT circle) AS n_cells
    FROM cells HAVING count(*) > 0
"""
BEST_CELL = """
    SELECT track, arg_max(circle, lift) AS circle, arg_max(observed, lift) AS observed,
           arg_max(expected, lift) AS expected
    FROM (SELECT *, (observed + {strength}) / (expected + {strength}) AS lift FROM cells) GROUP BY track
"""


def pay_drive(log: ValueLog, tracks: pl.DataFrame) -> Dimension:
    """Measure how much more often a play of each track is followed by a payment than the plays that match it.

    Numerator: its plays after which their user bought or subscribed, within `Times.after_play`. Denominator: how many
    would be at the rate of all plays in the same week by users as active (in five bands by plays in the log): users who
    play a lot pay a lot, and some weeks have sales. Prior: Gamma with mean 1 over the tracks. Interval: 95 % of the
    posterior. A track without plays has lift 1.

    Returns
    -------
    dimension
        Lift: 2 is twice as often.
    """
    counts = log.fetch(
        AGAINST_STRATA.format(happened="paid", stratum="(week, band)", joins="JOIN activity USING (listener)")
    )
    return _lift(counts, tracks)


def pull_of_new_users(log: ValueLog, tracks: pl.DataFrame) -> Dimension:
    """Measure how much more of the new users each track brings in than its share of the plays.

    Numerator: first plays of users whom the log does not know from before; a user seen in its first `Times.absence`
    days may be an old one and is not counted. Denominator: the expected, were first plays spread over the tracks like
    all plays of their week. Prior, interval, tracks without plays: as `pay_drive`.

    Returns
    -------
    dimension
        Lift.
    """
    return _lift(log.fetch(AGAINST_STRATA.format(happened="is_first", stratum="week", joins="")), tracks)


def pull_of_returning_users(log: ValueLog, tracks: pl.DataFrame) -> Dimension:
    """Measure how much more of the users who had been away each track brings back than its share of the plays.

    Numerator: plays that end an absence of `Times.absence` days or more. Otherwise as `pull_of_new_users`.

    Returns
    -------
    dimension
        Lift.
    """
    return _lift(log.fetch(AGAINST_STRATA.format(happened="is_return", stratum="week", joins="")), tracks)


def circle_index(
    log: ValueLog, tracks: pl.DataFrame, *, circles: Path | None, columns: tuple[str, ...]
) -> tuple[Dimension, pl.Series]:
    """Measure how much more the circle that wants each track most wants it than its share of the plays.

    Numerator: wanted plays of the track in that circle: liked, or played past the half and not rejected. Denominator:
    the circle's share of all wanted plays times those of the track. Prior: Gamma with mean 1 over all pairs of track
    and circle; it holds down the highest of many. Interval: 95 % of the posterior of that pair, not widened for having
    been chosen. A track without wanted plays, or all tracks where no circles are known, has lift 1.

    Parameters
    ----------
    log
        Plays and events.
    tracks
        ``track``: those to measure.
    circles
        A table with ``user`` and `columns`; users who are not in it count nowhere. None: no circles are known.
    columns
        Users alike in all of these are a circle.

    Returns
    -------
    dimension
        Lift.
    circle
        Of each track, the circle; null without one.
    """
    if circles is None:
        nothing = pl.DataFrame(schema={"track": pl.String, "observed": pl.Float64, "expected": pl.Float64})
        return _lift(nothing, tracks), pl.Series("circle_name", [None] * len(tracks), dtype=pl.String)
    log.put("circles", _read_circles(circles, columns))
    log.keep("cells", CELLS)
    sums = log.fetch(CELL_SUMS).to_dicts() or [{"pearson": 0.0, "total": 0.0, "n_cells": 0}]
    prior = gamma_prior_of_sums(**sums[0])
    best = log.fetch(BEST_CELL.format(strength=repr(prior.strength)))
    table = tracks.select("track").join(best, on="track", how="left", maintain_order="left")
    counts = table.with_columns(pl.col("observed", "expected").fill_null(0.0))
    return lift_dimension(counts["observed"], counts["expected"], prior), table["circle"].alias("circle_name")


def _read_circles(path: Path, columns: tuple[str, ...]) -> pl.DataFrame:
    """Read the circle of each user: ``listener`` and ``circle``, the values of the columns as text."""
    table = scan_table(path)
    schema = table.collect_schema()
    for name in ("user", *columns):
        if name not in schema:
            raise ValueError(f"{path.name} must have a column {name!r}, got {', '.join(schema.names())}")
    circle = pl.concat_str([pl.col(name).cast(pl.String) for name in columns], separator=", ")
    users = table.select(user_text("user", schema["user"]).alias("listener"), circle.alias("circle")).drop_nulls()
    return users.unique("listener", keep="first", maintain_order=True).collect()


def _lift(counts: pl.DataFrame, tracks: pl.DataFrame) -> Dimension:
    """Shrink the lifts of the tracks that have plays, and give the prior's to the others."""
    prior = gamma_prior_by_moments(counts["observed"].to_numpy(), counts["expected"].to_numpy())
    table = tracks.select("track").join(counts, on="track", how="left", maintain_order="left")
    return lift_dimension(table["observed"].fill_null(0.0), table["expected"].fill_null(0.0), prior)
