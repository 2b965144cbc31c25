"""Profiles, personas and circles on a world: do they tell what users do next, are they traits, is it more than chance?

Profiles are made from the plays before a day and judged on later plays of the same log: the AUC, user by user, of liked
against rejected plays. Personas are measured on even and on odd days (rank correlation of the halves), and compared
with whatever is known to be true of the users. Circles are compared with circles of shuffled attributes. Nothing is
chosen on the plays of ``valid_cold``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
import typer
from numpy.typing import NDArray

from audio_engine import Engine
from audio_engine.cli.options import AsJson, World
from audio_engine.metrics.auc import auc_by_group
from audio_engine.metrics.bootstrap import bootstrap_mean, percentile_interval, user_weights
from audio_engine.metrics.results import Result, results_of
from audio_engine.plays.formats import scan_plays
from audio_engine.plays.track_matching import name_catalogue
from audio_engine.plays.validation import validate_plays
from audio_engine.recall.user_profile import HALF_LIFE_DAYS
from audio_engine.users.circles import attributes_of, categories_of, count_votes, lifts
from audio_engine.users.persona import MEASURES, Listening, measure, user_vectors
from audio_engine.users.preferences import everyones, preferences
from audio_engine.users.sounds import learn_centres, with_sounds
from audio_engine.users.taste_state import added, decayed_to, state_of_plays
from audio_engine.users.track_facts import facts_of, of_dimension
from audio_engine.users.user_profiles import read_attributes
from tests.benchmarks.experiments.printing import put_rows

JUDGED = ("artist", "sound")  # dimensions; of a track alone a user's past says little where tracks are played once
PRIORS = (0.01, 3.0, 10.0, 30.0, 100.0)
N_SHUFFLES = 5

Floats = NDArray[np.float64]


def read_world(world: Path, catalogue: Path, plays: Path) -> tuple[pl.DataFrame, Listening]:
    """Read plays, by the ids of the catalogue, and what is known of the tracks (``reach`` is of all the plays)."""
    with Engine.open(catalogue) as engine:
        tracks = engine.tracks()
        names = name_catalogue(tracks, table=world / "tracks.parquet", audio=world.parent / "audio")
        track_ids, vectors = engine.catalogue.vectors(engine.models.active_id)
    judged = validate_plays(scan_plays(plays), names.table).filter(pl.col("reason").is_null()).collect()
    table = judged.with_columns(track=pl.Series(names.track_ids).gather(judged["row"]))
    facts = facts_of(tracks, names, table=world / "tracks.parquet")
    facts = with_sounds(facts, track_ids, vectors, learn_centres(vectors))
    reach = table.group_by("track").agg(reach=pl.col("user").n_unique() / table["user"].n_unique())
    rows = {track: row for row, track in enumerate(track_ids)}
    listening = Listening(facts=facts, reach=reach, rows=rows, vectors=vectors, half_life_days=HALF_LIFE_DAYS)
    return table.select("user", "track", "day", "completion", "action"), listening


def judge_profiles(plays: pl.DataFrame, facts: pl.DataFrame, *, cut: float, end: float, seed: int) -> Iterator[Result]:
    """Score plays from a day to another by the profiles of the days before, with each prior."""
    state = state_of_plays(plays.filter(pl.col("day") < cut))
    totals = decayed_to(added([state], ["track"]), cut)
    everyone = everyones(totals, facts)
    later = plays.filter((pl.col("day") >= cut) & (pl.col("day") < end) & (pl.col("action") != "none"))
    later = later.filter(pl.col("user").is_in(state["user"].unique().implode()))
    for prior in PRIORS:
        known = preferences(
            state, facts, everyone, today=cut, half_life_days=HALF_LIFE_DAYS, dimensions=JUDGED, prior_plays=prior
        )
        for dimension in JUDGED:
            scored = _scored(later, facts, known, everyone, dimension)
            yield from _aucs(scored, method=f"{dimension}, prior {prior:g}", seed=seed)


def _scored(
    later: pl.DataFrame, facts: pl.DataFrame, known: pl.DataFrame, everyone: pl.DataFrame, dimension: str
) -> pl.DataFrame:
    """Give each later play the preference for its value, everyone's where the user has none."""
    plays = later.join(of_dimension(facts, dimension), on="track")
    own = known.filter(dimension=dimension).select("user", "value", "preference")
    prior = everyone.filter(dimension=dimension).select("value", "everyone")
    plays = plays.join(prior, on="value", how="left").join(own, on=["user", "value"], how="left")
    return plays.with_columns(pl.col("everyone").fill_null(0.0)).with_columns(
        pl.coalesce("preference", "everyone").alias("preference")
    )


def _aucs(scored: pl.DataFrame, *, method: str, seed: int) -> Iterator[Result]:
    """Compute the mean over users of the AUC of liked against rejected plays, by everyone's mean and above it."""
    users = scored["user"].rank("dense").to_numpy().astype(np.int64) - 1
    liked = (scored["action"] == "like").to_numpy()
    own, all_ = (
        auc_by_group(users, liked, scored[column].to_numpy(), n_groups=users.max() + 1)[0]
        for column in ("preference", "everyone")
    )
    known = ~np.isnan(own)
    figures = {"auc": own, "everyone's": all_, "difference": own - all_}
    estimates = {name: bootstrap_mean(values[known], seed=seed) for name, values in figures.items()}
    yield from results_of(estimates, method=method, about={"n": int(known.sum())})


def judge_personas(plays: pl.DataFrame, listening: Listening, truth: pl.DataFrame, *, seed: int) -> Iterator[Result]:
    """Correlate the measures of even days with those of odd days, and of all days with what is true of users."""
    even = pl.col("day").floor().cast(pl.Int64) % 2 == 0
    halves = [_measured(plays.filter(which), listening) for which in (even, ~even)]
    both, whole = halves[0].join(halves[1], on="user"), _measured(plays, listening).join(truth, on="user")
    for name in MEASURES:
        yield _correlation(both, name, f"{name}_right", metric="even and odd days", method=name, seed=seed)
        for column in truth.columns:
            if column != "user" and truth[column].dtype.is_numeric():
                yield _correlation(whole, name, column, metric=column, method=name, seed=seed)


def _measured(plays: pl.DataFrame, listening: Listening) -> pl.DataFrame:
    """Measure the users of some plays."""
    tastes = state_of_plays(plays)
    crowd = user_vectors(tastes, listening)[1].mean(0)
    return measure(tastes, listening, crowd=crowd / np.linalg.norm(crowd))


def _correlation(table: pl.DataFrame, one: str, other: str, *, metric: str, method: str, seed: int) -> Result:
    """Correlate the ranks of two columns, with an interval over users (whose ranks among all are kept)."""
    known = table.drop_nulls([one, other])
    if known.height < 3:
        return Result(method=method, metric=metric, value=float("nan"), about={"n": known.height})
    ranks = [known[column].rank().to_numpy() for column in (one, other)]
    x, y = ((rank - rank.mean()) / rank.std() for rank in ranks)
    weights = user_weights(len(known), seed=seed).astype(np.float64) / len(known)
    means = [weights @ each for each in (x, y, x * y, x * x, y * y)]
    spread = np.sqrt((means[3] - means[0] ** 2) * (means[4] - means[1] ** 2))
    found = percentile_interval(float((x * y).mean()), (means[2] - means[0] * means[1]) / spread)
    return next(results_of({metric: found}, method=method, about={"n": len(known)}))


def judge_circles(plays: pl.DataFrame, facts: pl.DataFrame, users: pl.DataFrame, *, seed: int) -> Iterator[Result]:
    """Count the intervals beside 1, of true and of shuffled circles; score the lifts of one half on the other."""
    rng = np.random.default_rng(seed)
    state, attributes = state_of_plays(plays), categories_of(users)
    for attribute in attributes:
        found = _circles(state, facts, users, attribute)
        yield Result(method=attribute, metric="beside 1", value=_beside(found), about={"circles": "true"})
        names = users["user"].to_numpy()
        shuffles = (users.with_columns(user=pl.Series(rng.permutation(names))) for _ in range(N_SHUFFLES))
        beside = np.mean([_beside(_circles(state, facts, shuffled, attribute)) for shuffled in shuffles])
        yield Result(method=attribute, metric="beside 1", value=float(beside), about={"circles": "shuffled"})
        yield from _on_the_other_half(state, facts, users, attribute, rng=rng, seed=seed)


def _on_the_other_half(
    state: pl.DataFrame,
    facts: pl.DataFrame,
    users: pl.DataFrame,
    attribute: str,
    *,
    rng: np.random.Generator,
    seed: int,
) -> Iterator[Result]:
    """Compare how well plain and shrunk lifts of half the users foretell the votes of the others (Poisson deviance)."""
    names = users["user"].to_numpy()
    half = pl.Series(rng.permutation(names)[: len(names) // 2]).implode()
    first, second = (
        _circles(state.filter(which), facts, users, attribute)
        for which in (pl.col("user").is_in(half), ~pl.col("user").is_in(half))
    )
    cells = first.join(second, on=["attribute", "circle", "dimension", "value"])
    observed, expected = cells["observed_right"].to_numpy(), cells["expected_right"].to_numpy()
    for name, lift in (("lift", cells["lift"]), ("shrunk lift", cells["shrunk_lift"]), ("none", None)):
        mean = expected * (1.0 if lift is None else np.maximum(lift.to_numpy(), 1e-3))
        deviance = 2 * (observed * np.log(np.maximum(observed, 1e-9) / mean) - (observed - mean))
        estimate = bootstrap_mean(deviance, seed=seed)
        yield from results_of({"deviance": estimate}, method=attribute, about={"circles": name, "n": len(cells)})


def _circles(state: pl.DataFrame, facts: pl.DataFrame, users: pl.DataFrame, attribute: str) -> pl.DataFrame:
    """Compare the circles of an attribute."""
    today = state.select(pl.col("last_day").max()).item()
    members = attributes_of(users, [attribute])
    return lifts(count_votes([state], facts, members, today=today, half_life_days=HALF_LIFE_DAYS))


def _beside(circles: pl.DataFrame) -> float:
    """Compute the share of intervals that lie beside 1."""
    share = circles.select(((pl.col("low") > 1) | (pl.col("high") < 1)).mean())
    return float(share.item())


def main(  # noqa: PLR0917  (a command has as many parameters as it has options)
    part: Annotated[str, typer.Argument(help="profiles, personas or circles.")],
    world: World,
    catalogue: Annotated[Path, typer.Option(metavar="DIR", help="In which the world's tracks are embedded.")],
    plays: Annotated[Path | None, typer.Option(metavar="FILE", help="The world's plays_train otherwise.")] = None,
    users: Annotated[Path | None, typer.Option(metavar="FILE", help="The world's users otherwise.")] = None,
    truth: Annotated[Path | None, typer.Option(metavar="FILE", help="user, and numbers that are true of them.")] = None,
    cut: Annotated[float, typer.Option(help="Day from which plays are judged; profiles know those before.")] = 80.0,
    end: Annotated[float, typer.Option(help="Day until which.")] = 100.0,
    seed: Annotated[int, typer.Option(help="Of the intervals and shuffles.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Judge profiles, personas or circles on a world (simulated users if the world is)."""
    table, listening = read_world(world, catalogue, plays or world / "plays_train.parquet")
    match part:
        case "profiles":
            rows = judge_profiles(table, listening.facts, cut=cut, end=end, seed=seed)
        case "personas":
            known = pl.read_parquet(truth or world / "true_sensitivity.parquet")
            rows = judge_personas(table, listening, known, seed=seed)
        case "circles":
            rows = judge_circles(table, listening.facts, read_attributes(users or world / "users.parquet"), seed=seed)
        case _:
            raise typer.BadParameter("must be profiles, personas or circles", param_hint="PART")
    by = ("method", "circles") if part == "circles" else ("method", "n")
    put_rows(rows, by=by, as_json=as_json)


if __name__ == "__main__":
    typer.run(main)
