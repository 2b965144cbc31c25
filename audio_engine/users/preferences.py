"""Preferences: what a user likes and dislikes, by genre, artist, language, region, sound and track, and how surely.

A profile is behaviour times content: the decayed sums of a user's plays of each track (`taste_state`) are added up over
the tracks that share a value. The preference is a mean of signals, from -1 (rejected) to 1 (liked), smoothed towards
what everyone thinks of the value.

References
----------
H. Bühlmann, Experience rating and credibility, ASTIN Bulletin 1967: the estimate ``Z x + (1 - Z) m`` with the
credibility factor ``Z = n / (n + k)``, in which n is the exposure and k the variance of one observation relative to
that of the means. Here n is the evidence of the plays as of today (a play with an action counts 1, one without 0.3,
half that after a half-life), and one k is chosen for all (docs/experiments/users.md).
"""

from collections.abc import Iterable

import polars as pl

from audio_engine.users.taste_state import decayed_to
from audio_engine.users.track_facts import DIMENSIONS, of_dimension

PRIOR_PLAYS = 10.0  # k: so many plays with an action weigh as much as what everyone thinks
PROFILE = pl.Schema(
    {
        "user": pl.String,
        "dimension": pl.String,
        "value": pl.String,
        "n_plays": pl.Int64,
        "last_day": pl.Float64,
        "share": pl.Float64,  # of the user's plays as of today, 0 to 1
        "weight": pl.Float64,  # liked minus disliked, in likes of today
        "preference": pl.Float64,  # -1 to 1
        "everyone": pl.Float64,  # the same of all users together
        "confidence": pl.Float64,  # Z, 0 to 1
    }
)


def everyones(totals: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
    """Average the signal over all users, by value.

    Parameters
    ----------
    totals
        As `TasteStore.totals`, with the decayed sums as of one day.
    facts
        Of the tracks.

    Returns
    -------
    everyone
        ``dimension``, ``value``, ``everyone``.
    """
    parts = [_summed(totals, facts, dimension, by=()) for dimension in DIMENSIONS]
    mean = (pl.col("liked") - pl.col("disliked")) / pl.col("evidence")
    return pl.concat(parts).select("dimension", "value", everyone=mean.fill_nan(0.0))


def preferences(  # noqa: PLR0913  (what a profile is made from)
    tastes: pl.DataFrame,
    facts: pl.DataFrame,
    everyone: pl.DataFrame,
    *,
    today: float,
    half_life_days: float,
    dimensions: Iterable[str] = DIMENSIONS,
    prior_plays: float = PRIOR_PLAYS,
) -> pl.DataFrame:
    """Work out the profiles of some users.

    Parameters
    ----------
    tastes
        ``user``, ``track`` and the sums of their plays, as `TasteStore` reads them.
    facts
        Of the tracks.
    everyone
        From `everyones`.
    today
        Day as of which plays have decayed: the last of the store or later.
    half_life_days
        Of the store.
    dimensions
        Which are wanted.
    prior_plays
        k, in plays with an action.

    Returns
    -------
    profiles
        With the columns of `PROFILE`; by user and dimension, the value with the most weight first.
    """
    facts = facts.join(tastes, on="track", how="semi")
    now = decayed_to(tastes, today, half_life_days=half_life_days)
    heard = now.group_by("user").agg(all_heard=pl.col("heard").sum())
    parts = [_summed(now, facts, dimension, by=("user",)) for dimension in dimensions]
    rows = pl.concat(parts).join(heard, on="user").join(everyone, on=["dimension", "value"], how="left")
    prior = pl.col("everyone").fill_null(0.0)
    net, evidence = pl.col("liked") - pl.col("disliked"), pl.col("evidence")
    return (
        rows.with_columns(
            weight=net,
            everyone=prior,
            share=(pl.col("heard") / pl.col("all_heard")).fill_nan(0.0),
            preference=(net + prior_plays * prior) / (evidence + prior_plays),
            confidence=evidence / (evidence + prior_plays),
        )
        .select(*PROFILE)
        .sort("user", "dimension", "weight", "value", descending=[False, False, True, False])
    )


def _summed(sums: pl.DataFrame, facts: pl.DataFrame, dimension: str, *, by: tuple[str, ...]) -> pl.DataFrame:
    """Add the sums of tracks up over the values of a dimension, and over all users unless they are kept apart."""
    return (
        sums.join(of_dimension(facts, dimension), on="track")
        .group_by(*by, "value")
        .agg(pl.col("n_plays", "heard", "evidence", "liked", "disliked").sum(), pl.col("last_day").max())
        .with_columns(dimension=pl.lit(dimension))
    )
