"""Measures of a run of days, and their summary over seeds."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from audio_engine.metrics.lists import coverage, gini
from audio_engine.metrics.results import Result
from audio_engine.scoring.exploration import ENOUGH_PLAYS
from tests.benchmarks.experiments.simulation.days import DayDone
from tests.benchmarks.experiments.simulation.world import Known

SOON_DAYS = 7  # within which a new track should have its `ENOUGH_PLAYS`
LAST_DAYS = 10  # at the end, when exploration should pay off
LEVEL = 0.95
BASE = "off"  # the policy that others are compared with


@dataclass(frozen=True, kw_only=True)
class Run:
    """One policy under one seed."""

    policy: str
    seed: int
    n_days: int
    whole: dict[str, float]  # by measure, of all the days
    by_day: dict[str, list[float]]  # by measure, of each


def measure_run(policy: str, seed: int, known: Known, days: Iterable[DayDone]) -> Run:
    """Measure a run while it proceeds.

    Parameters
    ----------
    policy, seed
        Of the run.
    known
        Says which tracks are new: those released from the first day on.
    days
        From `run_days`.

    Returns
    -------
    run
    """
    is_new = known.release_day >= known.first_day
    released = known.release_day[is_new] - known.first_day + 1  # day of the simulation
    shown = np.zeros(len(is_new))
    evenings, by_day = [], []
    for done in days:
        tracks = done.plays.track[done.recommended]
        liked, new = done.plays.liked[done.recommended], is_new[tracks]
        today = np.bincount(tracks, minlength=len(shown))
        shown += today
        out = released <= done.day
        evenings.append(done.n_plays[is_new])
        by_day.append(
            {
                "like_rate": _share(liked),
                "new_share": _share(new),
                "new_like_rate": _share(liked[new]),
                "gini": float(gini(today[known.release_day < known.first_day + done.day])),
                "reached": _share(evenings[-1][out] >= ENOUGH_PLAYS),
                "n": float(len(liked)),
                "n_new": float(new.sum()),
            }
        )
    table = {name: np.array([day[name] for day in by_day]) for name in by_day[0]}
    whole = _whole(table) | _spread(shown, is_new) | _waits(np.array(evenings), released)
    daily = {name: values.tolist() for name, values in table.items() if name not in {"n", "n_new"}}
    return Run(policy=policy, seed=seed, n_days=len(by_day), whole=whole, by_day=daily)


def summarise(runs: Sequence[Run]) -> Iterator[Result]:
    """Average runs over seeds, and compare each policy with `BASE`, seed by seed.

    Parameters
    ----------
    runs
        Of any policies and seeds.

    Yields
    ------
    result
        Of each policy and measure: of all the days (``day`` is None), then of each; then the gain ``over`` `BASE`. No
        interval where there is one seed.

    References
    ----------
    Student (W. Gosset), The probable error of a mean, Biometrika 1908: the interval, seeds taken as independent.
    """
    base = {run.seed: run for run in runs if run.policy == BASE}
    for policy in dict.fromkeys(run.policy for run in runs):
        own = sorted((run for run in runs if run.policy == policy), key=lambda run: run.seed)
        paired = [run for run in own if run.seed in base and policy != BASE]
        for measure in own[0].whole:
            values = [run.whole[measure] for run in own]
            gains = [run.whole[measure] - base[run.seed].whole[measure] for run in paired]
            yield from _summaries(policy, measure, None, values, gains)
        for measure, days in own[0].by_day.items():
            for day in range(len(days)):
                values = [run.by_day[measure][day] for run in own]
                gains = [run.by_day[measure][day] - base[run.seed].by_day[measure][day] for run in paired]
                yield from _summaries(policy, measure, day + 1, values, gains)


def _summaries(policy: str, measure: str, day: int | None, values: list[float], gains: list[float]) -> Iterator[Result]:
    """Average a measure over seeds, and what it gains over `BASE` where there is that to compare with."""
    for over, each in ((None, values), (BASE, gains)):
        if each:
            value, low, high = _interval(each)
            about = {"day": day, "over": over, "n_seeds": len(each)}
            yield Result(method=policy, metric=measure, value=value, low=low, high=high, about=about)


def _interval(values: list[float]) -> tuple[float, float | None, float | None]:
    """Average, with Student's interval where there are two values or more and all are finite."""
    mean = float(np.mean(values))
    if len(values) < 2 or not np.isfinite(values).all():
        return mean, None, None
    half = float(t.ppf((1 + LEVEL) / 2, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return mean, mean - half, mean + half


def _whole(table: dict[str, NDArray[np.float64]]) -> dict[str, float]:
    """Combine the days, each weighted by its plays."""
    return {
        "like_rate": _mean(table["like_rate"], table["n"]),
        "like_rate_last_days": _mean(table["like_rate"][-LAST_DAYS:], table["n"][-LAST_DAYS:]),
        "new_share": _mean(table["new_share"], table["n"]),
        "new_like_rate": _mean(table["new_like_rate"], table["n_new"]),
        "new_likes": float(np.nansum(table["new_like_rate"] * table["n_new"])),
    }


def _spread(shown: NDArray[np.float64], is_new: NDArray[np.bool_]) -> dict[str, float]:
    """Measure how evenly recommendations are distributed over tracks."""
    return {
        "new_coverage": float(coverage(shown[is_new])),
        "new_gini": float(gini(shown[is_new])),
        "gini": float(gini(shown)),
    }


def _waits(evenings: NDArray[np.int64], released: NDArray[np.int64]) -> dict[str, float]:
    """Measure how long new tracks wait for `ENOUGH_PLAYS`, from their plays (n_days, n_new) at the end of each day."""
    enough = evenings >= ENOUGH_PLAYS
    n_days = len(evenings)
    days = np.where(enough.any(0), enough.argmax(0) + 1 - released + 1, np.inf)  # 1: on the day of its release
    judged = released <= n_days - SOON_DAYS + 1
    out = released <= n_days
    return {
        "reached_in_a_week": _share(days[judged] <= SOON_DAYS),
        "median_days_to_enough": float(np.median(days[out])) if out.any() else np.nan,
    }


def _share(flags: NDArray[np.bool_]) -> float:
    """Average flags; NaN where there are none."""
    return float(flags.mean()) if len(flags) else np.nan


def _mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Average days by their plays; NaN where there are none."""
    total = weights.sum()
    return float(np.nansum(values * weights) / total) if total else np.nan
