"""Does the soaring forecast tell which tracks outside of the most played ones will enter them within a week?

Split by time and by artist at once: for each of five folds of artists, what is learned up to a day from the other
artists is asked about the fold's tracks on later days. Against it stand the trend test's p-value and lift, and the
plays of the last week. Intervals resample artists with all their tracks and days.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
import typer
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score
from sklearn.model_selection import GroupKFold

from audio_engine.cli.options import AsJson
from audio_engine.metrics.bootstrap import percentile_interval
from audio_engine.metrics.results import Result
from audio_engine.scoring.trends import rising_tracks
from audio_engine.scoring.value.log import ValueLog, open_value_log
from audio_engine.scoring.value.policy import Soaring, Times
from audio_engine.scoring.value.soaring import N_FOLDS, N_PAST, forecast, learning_rows
from audio_engine.scoring.value.value_table import read_catalogue, read_sound
from tests.benchmarks.experiments.printing import put_rows

N_DRAWS = 500  # resamples of the artists

Floats = NDArray[np.float64]
Measure = Callable[..., float]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Tracks on days, asked about: what came, and what each method said."""

    rows: pl.DataFrame  # of tracks outside of the top, with `soars` and `artist`
    scores: Mapping[str, Floats]  # by method; more is likelier


def ask(
    log: ValueLog, tracks: pl.DataFrame, soaring: Soaring, *, until: int, vectors: NDArray[np.float32] | None
) -> Asked:
    """Learn from the days up to `until`, fold by fold of artists, and ask about weekly days after it."""
    past = learning_rows(log, tracks, soaring, ends=[until - (k + 1) * soaring.days for k in range(N_PAST)])
    last = int(np.floor(log.at_day))
    later = learning_rows(log, tracks, soaring, ends=list(range(until, last - soaring.days + 1, soaring.days)))
    later = later.filter(~pl.col("is_top"))
    artists = later["artist"].to_numpy()
    said = {name: np.zeros(len(later)) for name in ("forecast, plays", "forecast, plays and sound")}
    for _, held in GroupKFold(N_FOLDS).split(artists, groups=artists):
        rest, fold = past.filter(~pl.col("artist").is_in(list(set(artists[held])))), later[held]
        said["forecast, plays"][held] = forecast(rest, fold).value
        if vectors is not None:
            said["forecast, plays and sound"][held] = forecast(rest, fold, vectors=vectors).value
    if vectors is None:
        del said["forecast, plays and sound"]
    trends = _trends(log, later)
    raw = {"trend test": -trends["p_value"].to_numpy(), "trend lift": trends["lift"].to_numpy()}
    return Asked(rows=later, scores=said | raw | {"plays of the last week": later["n_7"].to_numpy()})


def _trends(log: ValueLog, rows: pl.DataFrame) -> pl.DataFrame:
    """Run the trend test at each day, for the rows in their order; a track without plays in its windows has p = 1."""
    days = [
        rising_tracks(log.plays().filter(pl.col("day") < end), at_day=float(end)).with_columns(
            end=pl.lit(end, pl.Int64)
        )
        for end in rows["end"].unique().to_list()
    ]
    joined = rows.select("track", "end").join(pl.concat(days), on=["track", "end"], how="left", maintain_order="left")
    return joined.with_columns(pl.col("p_value").fill_null(1.0), pl.col("lift").fill_null(0.0))


def judge_soaring(asked: Asked, *, seed: int, n_draws: int = N_DRAWS) -> Iterator[Result]:
    """Compute AUC and average precision of each method, and the difference of each to the forecast from plays alone."""
    soars = asked.rows["soars"].to_numpy()
    artists, rows = np.unique(asked.rows["artist"].to_numpy(), return_inverse=True)
    rng = np.random.default_rng(seed)
    weights = [rng.multinomial(len(artists), np.full(len(artists), 1 / len(artists)))[rows] for _ in range(n_draws)]
    weights = [weight for weight in weights if weight[soars].any() and weight[~soars].any()]
    about = {"n": len(soars), "n_soar": int(soars.sum()), "n_artists": len(artists)}
    first = asked.scores["forecast, plays"]
    measures: dict[str, Measure] = {"AUC": roc_auc_score, "average precision": average_precision_score}
    for name, measure in measures.items():
        ours = np.array([measure(soars, first, sample_weight=weight) for weight in weights])
        for method, score in asked.scores.items():
            drawn = np.array([measure(soars, score, sample_weight=weight) for weight in weights])
            value = measure(soars, score)
            yield _result(method, name, value, drawn, about)
            yield _result(method, f"forecast minus, {name}", measure(soars, first) - value, ours - drawn, about)
    for method, score in asked.scores.items():
        if method.startswith("forecast"):
            drawn = np.array([brier_score_loss(soars, score, sample_weight=weight) for weight in weights])
            yield _result(method, "Brier", brier_score_loss(soars, score), drawn, about)
            drawn = np.array([np.average(score - soars, weights=weight) for weight in weights])
            yield _result(method, "mean said minus came", float((score - soars).mean()), drawn, about)


def _result(method: str, metric: str, value: float, drawn: Floats, about: Mapping[str, int]) -> Result:
    found = percentile_interval(float(value), drawn)
    return Result(method=method, metric=metric, value=found.value, low=found.low, high=found.high, about=about)


def main(  # noqa: PLR0917  (as many parameters as it has options)
    plays: Annotated[Path, typer.Option(metavar="FILE", help="A play log.")],
    tracks: Annotated[Path, typer.Option(metavar="FILE", help="track, artist_key.")],
    vectors: Annotated[Path | None, typer.Option(metavar="FILE", help="Audio vectors.")] = None,
    until: Annotated[int, typer.Option(metavar="DAY", help="What came up to here is learned from.")] = 60,
    to: Annotated[float, typer.Option(metavar="DAY", help="And up to here asked about.")] = 120.0,
    draws: Annotated[int, typer.Option(min=2, help="Resamples of the artists.")] = N_DRAWS,
    as_json: AsJson = False,
) -> None:
    """Judge the soaring forecast (simulated listening if the world is)."""
    catalogue = read_catalogue(tracks)
    sound = None if vectors is None else read_sound(vectors, catalogue)
    with open_value_log(plays, events=None, times=Times(), at_day=to) as log:
        asked = ask(log, catalogue, Soaring(), until=until, vectors=sound)
    put_rows(judge_soaring(asked, seed=0, n_draws=draws), by=("method",), as_json=as_json)


if __name__ == "__main__":
    typer.run(main)
