"""Interaction quality: what a play of a track is worth, next to other plays of its users at the same place in a visit.

Some users like whatever they hear, and the first tracks of a visit are skipped less than the twentieth. The worth of a
play is therefore split as w = μ + user + place + track + noise. Users and tracks are drawn from normal distributions,
whose variances are estimated, and shrunk; the places, at most 20, are plain means. Each sweep estimates one of the
three with the others taken off.
"""

from dataclasses import dataclass, fields

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from audio_engine.scoring.value.dimension import Dimension
from audio_engine.scoring.value.log import ValueLog
from audio_engine.scoring.value.policy import Signals

N_SWEEPS = 3  # the effects of tracks then move by less than a hundredth of their spread (docs/experiments/value.md)
Z_95 = 1.96  # standard deviations on either side of a normal 95 % interval

WORTH = """
    SELECT listener, track, place, {completion!r} * coalesce(completion, (SELECT avg(completion) FROM heard), 0)
           + {like!r} * liked::INTEGER + {favourite!r} * favoured::INTEGER + {share!r} * shared::INTEGER
           + {skip!r} * skipped::INTEGER + {dislike!r} * disliked::INTEGER AS worth
    FROM heard
"""
LEFT_OVER = """
    SELECT {by}, count(*) AS n, sum(rest) AS total, sum(rest * rest) AS squares FROM (
        SELECT worth.*, worth {minus} AS rest FROM worth {joins}
    ) GROUP BY {by}
"""
EFFECTS = {"listener": "user_effects", "place": "place_effects", "track": "track_effects"}

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ShrunkMeans:
    """Means of groups, shrunk towards that of all."""

    mean: float  # of all
    spread: float  # standard deviation of the groups' true means
    noise: float  # … of a member of a group around its mean
    value: Floats  # (n_groups,) the posterior mean
    deviation: Floats  # (n_groups,) and its standard deviation


def shrunk_means(totals: ArrayLike, squares: ArrayLike, counts: ArrayLike) -> ShrunkMeans:
    """Shrink means of groups under a normal model of two levels.

    Parameters
    ----------
    totals, squares, counts : (n_groups,)
        Sum, sum of squares and number of the members of each group; a count of 0 gives the mean of all.

    Returns
    -------
    means

    References
    ----------
    B. Efron, C. Morris, Data analysis using Stein's estimator and its generalizations, JASA 1975. The variances are
    those of the analysis of variance of unequal groups: S. Searle, G. Casella, C. McCulloch, Variance Components, 1992,
    section 3.6.

    Examples
    --------
    >>> means = shrunk_means([2, 8, 0], [2, 16, 0], [4, 4, 0])  # means 0.5 and 2; squares within 1 + 0, of 6 to spare
    >>> round(means.noise**2, 3), round(means.spread**2, 3)
    (0.167, 1.083)
    >>> means.value.round(3)
    array([0.528, 1.972, 1.25 ])
    """
    totals, squares, counts = (np.asarray(values, np.float64) for values in (totals, squares, counts))
    n, k = float(counts.sum()), int(np.count_nonzero(counts))
    if not n:
        return ShrunkMeans(
            mean=0.0, spread=0.0, noise=0.0, value=np.zeros_like(counts), deviation=np.zeros_like(counts)
        )
    mean, within = totals.sum() / n, np.divide(totals, counts, out=np.zeros_like(totals), where=counts > 0)
    between = float((counts * (within - mean) ** 2).sum())
    noise = max(0.0, float(squares.sum() - (totals * within).sum()) / max(1, n - k))
    usual = (n - float((counts**2).sum()) / n) / max(1, k - 1)  # members of a group, were all alike in size
    variance = max(0.0, (between / max(1, k - 1) - noise) / usual) if usual > 0 else 0.0
    both = variance * counts + noise
    kept = np.divide(variance * counts, both, out=np.zeros_like(counts), where=both > 0)
    return ShrunkMeans(
        mean=float(mean),
        spread=variance**0.5,
        noise=noise**0.5,
        value=mean + kept * (within - mean),
        deviation=np.sqrt(variance * (1 - kept)),
    )


def interaction_quality(log: ValueLog, tracks: pl.DataFrame, signals: Signals) -> Dimension:
    """Measure how much more a play of each track is worth than the average play.

    Numerator: Σ over its plays of w less the effects of user and place, w = completion + likes + favourites + shares −
    skips − dislikes, weighted by `signals`. Denominator: its plays times μ, the worth of the average play. Prior:
    Normal(1, (spread/μ)²) over the tracks. Interval: 95 % of the posterior; μ and the effects of users and places are
    taken as known. A track without plays has 1. A log without `completion` counts the same for each play. Nothing is
    corrected for where a track stood on a screen, which a play log does not tell.

    Parameters
    ----------
    log
        Plays and events.
    tracks
        ``track``: those to measure.
    signals
        What a play is worth.

    Returns
    -------
    dimension
        A ratio: 2 is worth twice the average play.

    Raises
    ------
    ValueError
        When the average play is worth less than nothing.

    References
    ----------
    Y. Koren, Factor in the neighbors: scalable and accurate collaborative filtering, TKDD 2010, section 2.1: baseline
    estimates, here with a place in the visit, and with variances estimated in place of chosen.
    """
    log.keep("worth", WORTH.format(**{each.name: float(getattr(signals, each.name)) for each in fields(signals)}))
    for name in ("listener", "place", "track"):
        key = "''" if name != "place" else "0"
        log.connection.execute(
            f"CREATE OR REPLACE VIEW {EFFECTS[name]} AS SELECT {key} AS {name}, 0.0 AS effect LIMIT 0"
        )
    for _ in range(N_SWEEPS):
        for name in ("listener", "place"):
            _estimate(log, name)
        counts, means = _estimate(log, "track")
    return _dimension(counts, means, tracks)


def _estimate(log: ValueLog, name: str) -> tuple[pl.DataFrame, ShrunkMeans]:
    """Estimate the effects of users, places or tracks, with those of the other two taken off, and make them a view."""
    others = [other for other in EFFECTS if other != name]
    joins = " ".join(f"LEFT JOIN {EFFECTS[other]} USING ({other})" for other in others)
    minus = " ".join(f"- coalesce({EFFECTS[other]}.effect, 0)" for other in others)
    counts = log.fetch(LEFT_OVER.format(by=name, joins=joins, minus=minus))
    means = shrunk_means(*(counts[column].to_numpy() for column in ("total", "squares", "n")))
    log.put(EFFECTS[name], counts.select(name, effect=pl.Series(means.value - means.mean, dtype=pl.Float64)))
    return counts, means


def _dimension(counts: pl.DataFrame, means: ShrunkMeans, tracks: pl.DataFrame) -> Dimension:
    """Lay out the worth of tracks as a ratio, those without plays among them."""
    if means.mean < 0 or (means.mean == 0 and means.noise > 0):
        raise ValueError(
            f"signals must make the average play worth more than 0, got {means.mean:.3g} "
            "(lower the weights of skip and dislike)"
        )
    usual = means.mean or 1.0  # a log that tells nothing
    found = counts.with_columns(
        worth=pl.Series(means.value - means.mean, dtype=pl.Float64) / usual + 1,
        deviation=pl.Series(means.deviation, dtype=pl.Float64) / usual,
    )
    table = tracks.select("track").join(found, on="track", how="left", maintain_order="left")
    table = table.with_columns(
        pl.col("total").fill_null(0.0),
        pl.col("n").cast(pl.Float64).fill_null(0.0),
        pl.col("worth").fill_null(1.0),
        pl.col("deviation").fill_null(means.spread / usual),
    )
    value, deviation = table["worth"].to_numpy(), table["deviation"].to_numpy()
    return Dimension(
        value=value,
        low=value - Z_95 * deviation,
        high=value + Z_95 * deviation,
        numerator=table["total"].to_numpy(),
        denominator=table["n"].to_numpy() * means.mean,
        prior=f"Normal(1, {means.spread / usual:.4g}²); the average play is worth {means.mean:.4g}",
    )
