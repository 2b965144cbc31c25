"""Does the value of tracks by one day tell which are liked, favoured and bought in the days after?

Tracks are valued from the log up to a day, and compared with what happened to them in a later window: rank correlation
over the tracks, and how much more the tenth of highest value got than the average track. Baselines are the raw counts
and raw rates of the same log up to the same day. Intervals resample the tracks; a difference compares value and
baseline on the same resamples. `choose` tries weights on an early window, `judge` measures one policy on a later one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
import typer
from numpy.typing import NDArray
from scipy.stats import rankdata

from audio_engine.cli.options import AsJson
from audio_engine.cli.printing import put_json
from audio_engine.metrics.bootstrap import percentile_interval
from audio_engine.metrics.results import Result
from audio_engine.plays.events import usable_events
from audio_engine.plays.validation import usable_plays
from audio_engine.scoring.value.policy import Policy, Signals, read_policy
from audio_engine.scoring.value.value_table import ValueInputs, measure_tracks, place_tracks
from tests.benchmarks.experiments.printing import put_rows

N_DRAWS = 1_000  # resamples of the tracks
TOP_SHARE = 0.1  # of the tracks: those of the lift
ACTS = ("like", "favourite", "purchase")
TOLERANCE = 0.003  # of rank correlation, within which a policy ranks nearly as well as the best

Floats = NDArray[np.float64]
app = typer.Typer(no_args_is_help=True)


@dataclass(frozen=True, kw_only=True)
class Window:
    """Value is taken at `until`; what counts lies in (until, to]."""

    until: float
    to: float

    def __post_init__(self) -> None:
        if not self.until < self.to:
            raise ValueError(f"until must be before to {self.to:g}, got {self.until:g}")


def counts_between(inputs: ValueInputs, tracks: Sequence[str], *, after: float, to: float) -> pl.DataFrame:
    """Count per track, in the order of `tracks`, what happened in a window: plays, and the three acts and their sum."""
    day = pl.col("day")
    within = (day > after) & (day <= to)
    plays = usable_plays(inputs.plays).filter(within).group_by("track").agg(
        plays=pl.len().cast(pl.Float64), like=(pl.col("action") == "like").sum().cast(pl.Float64)
    )  # fmt: skip
    kinds = [(pl.col("kind") == kind).sum().cast(pl.Float64).alias(kind) for kind in ACTS[1:]]
    if inputs.events is None:
        raise ValueError("events must be a file, got none")
    events = usable_events(inputs.events).filter(within).group_by("track").agg(kinds)
    table = pl.LazyFrame({"track": tracks})
    for counts in (plays, events):
        table = table.join(counts, on="track", how="left", maintain_order="left")
    return table.fill_null(0.0).with_columns(acts=pl.sum_horizontal(ACTS)).collect()


def baselines(past: pl.DataFrame) -> Mapping[str, Floats]:
    """Score tracks by raw counts and raw rates (0 without plays)."""
    plays = past["plays"].to_numpy()
    counts = {name: past[name].to_numpy() for name in ("plays", "like", "acts", "favourite", "purchase")}
    rates = {
        f"raw rate of {name}": np.divide(values, plays, out=np.zeros_like(plays), where=plays > 0)
        for name, values in counts.items()
        if name != "plays"
    }
    return {f"raw count of {name}": values for name, values in counts.items()} | rates


def rank_correlation(score: Floats, target: Floats, axis: int = -1) -> Floats:
    """Compute Spearman's ρ (C. Spearman, 1904), ties at their mean rank, along an axis."""
    ranks = [rankdata(values, axis=axis) for values in (score, target)]
    first, second = (values - values.mean(axis=axis, keepdims=True) for values in ranks)
    below = np.sqrt((first**2).sum(axis=axis) * (second**2).sum(axis=axis))
    return np.asarray(np.divide((first * second).sum(axis=axis), below, out=np.zeros_like(below), where=below > 0))


def top_lift(score: Floats, target: Floats, axis: int = -1) -> Floats:
    """Divide the mean target of the best tenth by score by the mean of all, along the last axis."""
    n_top = max(1, round(TOP_SHARE * score.shape[axis]))
    best = np.argsort(-score, axis=axis, kind="stable")[..., :n_top]
    return np.asarray(np.take_along_axis(target, best, axis=axis).mean(axis=axis) / target.mean(axis=axis))


def judge_value(
    inputs: ValueInputs,
    policy: Policy,
    *,
    window: Window,
    others: Mapping[str, Policy] | None = None,
    n_draws: int = N_DRAWS,
) -> Iterator[Result]:
    """Compare value and baselines with what came after, target by target.

    Yields
    ------
    rows
        ``method``, ``metric`` (``rho`` or ``top lift``), and of each baseline ``value minus``: the difference.
    """
    valued = measure_tracks(inputs, policy=policy, at_day=window.until)
    names = valued.tracks["track"].to_list()
    scores = {"value": _score(place_tracks(valued, policy), names)}
    for name, other in (others or {}).items():
        scores[name] = _score(place_tracks(valued, other), names)
    scores |= baselines(counts_between(inputs, names, after=-np.inf, to=window.until))
    later = counts_between(inputs, names, after=window.until, to=window.to)
    targets = {name: later[name].to_numpy() for name in ("acts", *ACTS)}
    plays = later["plays"].to_numpy()
    targets["acts a play"] = np.divide(targets["acts"], plays, out=np.zeros_like(plays), where=plays > 0)
    rows = np.random.default_rng(0).integers(len(names), size=(n_draws, len(names)))
    for target, truth in targets.items():
        yield from _judged(scores, truth, rows, target=target)


def _judged(scores: Mapping[str, Floats], truth: Floats, rows: NDArray[np.int64], *, target: str) -> Iterator[Result]:
    """Measure each method on one target, and how far the value is ahead of it, on the same resamples of the tracks."""
    measures: dict[str, Callable[..., Floats]] = {"rho": rank_correlation, "top lift": top_lift}
    for metric, measure in measures.items():
        figures = {method: float(measure(score, truth)) for method, score in scores.items()}
        drawn = {method: measure(score[rows], truth[rows]) for method, score in scores.items()}
        for method, figure in figures.items():
            yield _result(method, metric, figure, drawn[method], target)
            if method != "value":
                ahead = drawn["value"] - drawn[method]
                yield _result(method, f"value minus, {metric}", figures["value"] - figure, ahead, target)


def _result(method: str, metric: str, value: float, drawn: Floats, target: str) -> Result:
    found = percentile_interval(value, drawn)
    return Result(
        method=method, metric=metric, value=found.value, low=found.low, high=found.high, about={"target": target}
    )


def _score(placed: pl.DataFrame, tracks: Sequence[str]) -> Floats:
    """Take the scores in the order of tracks."""
    return (
        pl.DataFrame({"track": tracks}).join(placed, on="track", how="left", maintain_order="left")["score"].to_numpy()
    )


Plays = Annotated[Path, typer.Option(metavar="FILE", help="A play log.")]
Events = Annotated[Path, typer.Option(metavar="FILE", help="user, track, day, kind.")]
Tracks = Annotated[Path, typer.Option(metavar="FILE", help="The tracks to compare: track.")]
PolicyFile = Annotated[Path | None, typer.Option(metavar="FILE", help="The example otherwise.")]
Circles = Annotated[Path | None, typer.Option(metavar="FILE", help="user, and the policy's columns of circles.")]
Vectors = Annotated[Path | None, typer.Option(metavar="FILE", help="Audio vectors.")]


@app.command()
def judge(  # noqa: PLR0917  (as many parameters as it has options)
    plays: Plays,
    events: Events,
    tracks: Tracks,
    policy: PolicyFile = None,
    circles: Circles = None,
    vectors: Vectors = None,
    until: Annotated[float, typer.Option(metavar="DAY", help="Value is taken there.")] = 60.0,
    to: Annotated[float, typer.Option(metavar="DAY", help="What comes up to here is the target.")] = 120.0,
    draws: Annotated[int, typer.Option(min=2, help="Resamples of the tracks.")] = N_DRAWS,
    as_json: AsJson = False,
) -> None:
    """Judge one policy (simulated listening if the world is)."""
    inputs = ValueInputs(plays=plays, tracks=tracks, events=events, circles=circles, vectors=vectors)
    chosen = read_policy(policy)
    alone = {f"{name} alone": replace(chosen, weights={name: 1.0}) for name in ("heat", "quality", "pay", "soaring")}
    rows = judge_value(inputs, chosen, window=Window(until=until, to=to), others=alone, n_draws=draws)
    put_rows(rows, by=("target", "method"), as_json=as_json)


@app.command()
def choose(  # noqa: PLR0917
    plays: Plays,
    events: Events,
    tracks: Tracks,
    policy: PolicyFile = None,
    circles: Circles = None,
    until: Annotated[float, typer.Option(metavar="DAY")] = 40.0,
    to: Annotated[float, typer.Option(metavar="DAY")] = 60.0,
    n: Annotated[int, typer.Option("-n", help="How many of the best to print.")] = 12,
) -> None:
    """Try signals and weights: of those that rank the acts of a window nearly best, print the best for each act."""
    inputs = ValueInputs(plays=plays, tracks=tracks, events=events, circles=circles)
    base = read_policy(policy)
    grid = product((0.0, 0.25), (1.5, 3.0, 5.0), (0.5, 1.5), (0.0, -0.1))
    tried = [
        row
        for completion, favourite, share, rejected in grid
        for row in _tried(
            inputs,
            replace(
                base,
                signals=Signals(
                    completion=completion, favourite=favourite, share=share, skip=rejected, dislike=rejected
                ),
            ),
            window=Window(until=until, to=to),
        )
    ]
    best = max(row["acts"] for row in tried)
    near = [row for row in tried if row["acts"] >= best - TOLERANCE]
    for row in sorted(near, key=lambda row: -row["mean"])[:n]:
        put_json(row)


def _tried(inputs: ValueInputs, policy: Policy, *, window: Window) -> Iterator[dict[str, float]]:
    """Try weights over the dimensions that a policy's signals make: rank correlations with each target."""
    measured = measure_tracks(inputs, policy=policy, at_day=window.until)
    names = measured.tracks["track"].to_list()
    later = counts_between(inputs, names, after=window.until, to=window.to)
    for heat, pay, soaring in product((0.2, 0.3, 0.4, 0.5), (0.0, 0.1, 0.2, 0.3), (0.0, 0.1)):
        weights = {"heat": heat, "quality": 1 - heat, "pay": pay, "soaring": soaring}
        score = _score(place_tracks(measured, replace(policy, weights=weights, rules=())), names)
        found = {name: float(rank_correlation(score, later[name].to_numpy())) for name in ("acts", *ACTS)}
        mean = sum(found.values()) / len(found)
        yield {
            "mean": mean,
            **found,
            **{f"weight of {name}": weight for name, weight in weights.items()},
            **{f"signal {name}": signal for name, signal in asdict(policy.signals).items()},
        }


if __name__ == "__main__":
    app()
