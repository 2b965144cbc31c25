"""Tiers of users: by activity, from not seen to core active, and verticals, named filters over what is known of users.

Activity is recency (days since the last play), frequency (plays and active days in a window) and assets (tracks that
the user has liked), as in the recency-frequency-monetary tables of direct marketing.

References
----------
P. Fader, B. Hardie, K. Lee, RFM and CLV: using iso-value curves for customer base analysis, JMR 2005: recency and
frequency as sufficient statistics of activity; assets stand in for money here.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import polars as pl

from audio_engine.plays.table_files import scan_table, user_text
from audio_engine.users.tier_rules import ActivityRules, Condition, Quantile, TierRules

COLUMNS = {"core_active_days": "active_days", "core_plays": "plays", "core_assets": "assets"}  # by threshold
ACTIVITY = ("recency_days", "active_days", "plays", "assets")


@dataclass(frozen=True, kw_only=True, eq=False)
class KnownUsers:
    """What filters may look at, of some users."""

    tiers: pl.DataFrame  # from `activity_tiers`
    personas: pl.DataFrame  # from `persona_stars.persona_table`; may be empty if no filter asks for one
    profiles: pl.DataFrame  # from `preferences.preferences`, of the dimensions that filters ask for
    users: pl.DataFrame | None  # table of attributes


def with_assets(activity: pl.DataFrame, table: Path) -> pl.DataFrame:
    """Count the rows of a table, a thing that a user has each, among the assets of the users who have played.

    Raises
    ------
    FileNotFoundError, ValueError
        When the table is missing, or has no column ``user``.
    """
    scanned = scan_table(table)
    if "user" not in (schema := scanned.collect_schema()):
        raise ValueError(f"{table.name} must have a column 'user', got {', '.join(schema.names())}")
    counted = scanned.select(user_text("user", schema["user"])).group_by("user").agg(more=pl.len().cast(pl.Int64))
    both = activity.join(counted.collect(engine="streaming"), on="user", how="left", maintain_order="left")
    return both.with_columns(assets=pl.col("assets") + pl.col("more").fill_null(0)).drop("more")


def activity_tiers(
    activity: pl.DataFrame, rules: ActivityRules, *, today: float, everyone: pl.Series | None = None
) -> tuple[pl.DataFrame, dict[str, float]]:
    """Put each user into a tier by activity.

    Parameters
    ----------
    activity
        As `TasteStore.activity` gives it, since ``today - window_days``.
    rules
        The thresholds.
    today
        Day as of which.
    everyone
        Names of all users, those without a play among them; None: those who have played.

    Returns
    -------
    tiers
        ``user``, ``tier``, and the columns of `ACTIVITY` (null of users who never played).
    thresholds
        By name, as used: those learned as the numbers that were found.
    """
    known = activity.with_columns(recency_days=today - pl.col("last_day"), age=today - pl.col("first_day"))
    if everyone is not None:
        names = pl.concat([everyone.alias("user"), known["user"]]).unique(maintain_order=True)
        known = names.to_frame().join(known, on="user", how="left", maintain_order="left")
    is_seen = (pl.col("recency_days") <= rules.not_seen_days).fill_null(value=False)
    is_new = pl.col("age") <= rules.new_days
    thresholds = _thresholds(known.filter(is_seen & ~is_new), rules)
    is_core = pl.all_horizontal(pl.col(column) >= thresholds[name] for name, column in COLUMNS.items())
    tier = (
        pl.when(~is_seen)
        .then(pl.lit("not seen"))
        .when(is_new)
        .then(pl.lit("new"))
        .when(is_core)
        .then(pl.lit("core active"))
        .otherwise(pl.lit("low asset"))
    )
    return known.select("user", tier.alias("tier"), *ACTIVITY), thresholds


def vertical_tiers(rules: TierRules, known: KnownUsers) -> pl.DataFrame:
    """List who is in which vertical tier.

    Parameters
    ----------
    rules
        With the filters.
    known
        The users to look at.

    Returns
    -------
    members
        ``user``, ``vertical``.

    Raises
    ------
    ValueError
        When a filter asks for an attribute that no table has.
    """
    found = [pl.DataFrame(schema={"user": pl.String, "vertical": pl.String})]
    for tier in rules.verticals:
        members = known.tiers.select("user")
        for condition in tier.where:
            table, meets = _test(condition, known)
            members = members.join(table.filter(meets), on="user", how="semi")
        found.append(members.with_columns(vertical=pl.lit(tier.name)))
    return pl.concat(found)


def dimensions_asked(rules: TierRules) -> list[str]:
    """List the dimensions of profiles that the filters look at."""
    return sorted({each.dimension for tier in rules.verticals for each in tier.where if each.dimension})


def asks_persona(rules: TierRules) -> bool:
    """Tell whether a filter looks at personas."""
    return any(each.persona for tier in rules.verticals for each in tier.where)


def _thresholds(users: pl.DataFrame, rules: ActivityRules) -> dict[str, float]:
    """Learn the thresholds that are quantiles; 0 where there is nobody to learn from."""
    found: dict[str, float] = {}
    for each in fields(rules):
        value = getattr(rules, each.name)
        if isinstance(value, Quantile):
            learned = users[COLUMNS[each.name]].quantile(value.quantile, "nearest")
            value = 0.0 if learned is None else float(learned)
        found[each.name] = value
    return found


def _test(condition: Condition, known: KnownUsers) -> tuple[pl.DataFrame, pl.Expr]:
    """Find the table that a condition is about, and what its rows must meet."""
    if condition.tier:
        return known.tiers, pl.col("tier").is_in(condition.tier)
    if condition.persona:
        return known.personas, pl.col(f"{condition.persona}_stars") >= condition.stars_from
    if condition.attribute:
        users = known.users
        if users is None or condition.attribute not in users.columns:
            raise ValueError(
                f"users must be a table with a column {condition.attribute!r} for the tiers (--users FILE)"
            )
        return users, pl.col(condition.attribute).cast(pl.String).is_in(condition.is_)
    where = (pl.col("dimension") == condition.dimension) & (pl.col("value") == condition.value)
    bounds = (("preference", condition.preference_from), ("confidence", condition.confidence_from))
    for column, bound in (*bounds, ("share", condition.share_from)):
        where &= pl.col(column) >= bound
    return known.profiles, where
