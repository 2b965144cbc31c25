"""Circles: what users who share an attribute, such as an age band, prefer more than others do.

Every user has one vote per dimension, divided among its values by how much of each the user has liked lately. The votes
of a circle for a value, observed, are compared with those expected if the circle voted like everyone; their ratio is
the lift. Lifts of small circles are shrunk towards 1.

References
----------
W. DuMouchel, Bayesian data mining in large frequency tables, The American Statistician 1999: observed counts are
Poisson with mean lambda times expected, lambda has a Gamma prior fitted to all cells by maximum likelihood (a negative
binomial), and a cell is judged by its posterior. Changed here: one Gamma in place of his mixture of two, its mean fixed
at 1, and the posterior's 95 % interval beside its mean. R. Wedderburn, Quasi-likelihood functions, Biometrika 1974:
votes are fractions, which vary less than counts do, so both are divided by the dispersion of the value, sum of squared
votes over the sum of votes.
"""

from collections.abc import Iterable, Sequence

import polars as pl

from audio_engine.metrics.lift import gamma_prior_by_likelihood, shrunk_lift
from audio_engine.users.taste_state import decayed_to
from audio_engine.users.track_facts import of_dimension

CIRCLE_DIMENSIONS = ("genre", "language", "region", "artist", "sound")
MAX_LEVELS = 20  # different whole numbers that a column may have to be taken as categories
CROSSED = "+"  # between attributes that make a circle together
CIRCLES = pl.Schema(
    {
        "attribute": pl.String,
        "circle": pl.String,  # value of the attribute
        "dimension": pl.String,
        "value": pl.String,
        "n_users": pl.Int64,  # of the circle, who have liked something
        "observed": pl.Float64,  # votes
        "expected": pl.Float64,  # votes
        "lift": pl.Float64,
        "shrunk_lift": pl.Float64,  # mean of the posterior
        "low": pl.Float64,
        "high": pl.Float64,  # its central 95 %
    }
)


def categories_of(users: pl.DataFrame) -> list[str]:
    """List the columns of a table of users that are categories: text, truth values, whole numbers of few values.

    Examples
    --------
    >>> categories_of(pl.DataFrame({"user": ["a", "b"], "age_band": [0, 1], "weight_kg": [60.5, 71.0]}))
    ['age_band']
    """
    found = []
    for name, dtype in users.schema.items():
        is_whole = dtype.is_integer() and users[name].n_unique() <= MAX_LEVELS
        if name != "user" and (dtype in {pl.String, pl.Boolean, pl.Categorical, pl.Enum} or is_whole):
            found.append(name)
    return found


def attributes_of(users: pl.DataFrame, attributes: Sequence[str]) -> pl.DataFrame:
    """Lay out which circles each user is in.

    Parameters
    ----------
    users
        ``user`` and the columns named.
    attributes
        Names of columns; several joined by ``+`` make a circle together: ``age_band+gender``.

    Returns
    -------
    circles
        ``user``, ``attribute``, ``circle``; without users of whom the attribute is not known.

    Raises
    ------
    ValueError
        When there is no such column.
    """
    parts = []
    for attribute in attributes:
        columns = attribute.split(CROSSED)
        for name in columns:
            if name not in users.columns:
                raise ValueError(f"attribute must be a column of users, got {name!r} of {', '.join(users.columns)}")
        circle = pl.concat_str(pl.col(columns).cast(pl.String), separator=CROSSED)
        parts.append(users.select("user", attribute=pl.lit(attribute), circle=circle).drop_nulls("circle"))
    return pl.concat(parts) if parts else pl.DataFrame(schema=dict.fromkeys(("user", "attribute", "circle"), pl.String))


def count_votes(  # noqa: PLR0913  (what a vote is made from)
    blocks: Iterable[pl.DataFrame],
    facts: pl.DataFrame,
    members: pl.DataFrame,
    *,
    today: float,
    half_life_days: float,
    dimensions: Sequence[str] = CIRCLE_DIMENSIONS,
) -> pl.DataFrame:
    """Count the votes of circles, a block of users at a time.

    Parameters
    ----------
    blocks
        Tastes of users, as `TasteStore.blocks` reads them.
    facts
        Of the tracks.
    members
        From `attributes_of`.
    today, half_life_days
        As of when plays have decayed.
    dimensions
        Which are wanted.

    Returns
    -------
    votes
        ``attribute, circle, dimension, value, votes, squares`` (sum of squared votes), and ``n_users`` of the circle
        who voted in that dimension.
    """
    cell = ["attribute", "circle", "dimension", "value"]
    votes, voters = [], []
    for tastes in blocks:
        now = decayed_to(tastes, today, half_life_days=half_life_days)
        each = pl.concat([_votes(now, facts, dimension) for dimension in dimensions]).join(members, on="user")
        votes.append(each.group_by(cell).agg(votes=pl.col("vote").sum(), squares=(pl.col("vote") ** 2).sum()))
        voters.append(each.group_by(cell[:3]).agg(n_users=pl.col("user").n_unique().cast(pl.Int64)))
        if len(votes) > 1:
            votes = [pl.concat(votes).group_by(cell).sum()]
            voters = [pl.concat(voters).group_by(cell[:3]).sum()]
    if not votes:
        return pl.DataFrame(
            schema=dict.fromkeys(cell, pl.String) | {"votes": pl.Float64, "squares": pl.Float64, "n_users": pl.Int64}
        )
    return votes[0].join(voters[0], on=cell[:3]).sort(cell)


def lifts(votes: pl.DataFrame) -> pl.DataFrame:
    """Compare the votes of each circle with everyone's.

    Parameters
    ----------
    votes
        From `count_votes`.

    Returns
    -------
    circles
        With the columns of `CIRCLES`, the highest lower bound first. Every circle that voted is compared on every value
        that anyone of the attribute's circles voted for; votes of none count too.
    """
    found = [_lifts(part) for part in votes.partition_by("attribute", "dimension")]
    table = pl.concat(found) if found else pl.DataFrame(schema=CIRCLES)
    return table.sort("low", "attribute", "circle", "value", descending=[True, False, False, False])


def _votes(now: pl.DataFrame, facts: pl.DataFrame, dimension: str) -> pl.DataFrame:
    """Divide each user's vote among the values of a dimension."""
    liked = now.join(of_dimension(facts, dimension), on="track").group_by("user", "value").agg(pl.col("liked").sum())
    vote = pl.col("liked") / pl.col("liked").sum().over("user")
    voted = liked.filter(pl.col("liked") > 0)
    return voted.select("user", "value", dimension=pl.lit(dimension), vote=vote)


def _lifts(votes: pl.DataFrame) -> pl.DataFrame:
    """Compare the circles of one attribute in one dimension."""
    circles = votes.select("attribute", "circle", "dimension", "n_users").unique()
    values = votes.group_by("value").agg(all_votes=pl.col("votes").sum(), squares=pl.col("squares").sum())
    n_all = circles["n_users"].sum()
    cells = circles.join(values, how="cross").join(
        votes.select("circle", "value", "votes"), on=["circle", "value"], how="left"
    )
    cells = cells.with_columns(
        observed=pl.col("votes").fill_null(0.0),
        expected=pl.col("all_votes") * pl.col("n_users") / n_all,
        dispersion=pl.col("squares") / pl.col("all_votes"),
    )
    observed = (cells["observed"] / cells["dispersion"]).to_numpy()
    expected = (cells["expected"] / cells["dispersion"]).to_numpy()
    shrunk = shrunk_lift(observed, expected, gamma_prior_by_likelihood(observed, expected))
    return cells.with_columns(
        lift=pl.col("observed") / pl.col("expected"),
        shrunk_lift=pl.Series(shrunk.value),
        low=pl.Series(shrunk.low),
        high=pl.Series(shrunk.high),
    ).select(*CIRCLES)
