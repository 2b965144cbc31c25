"""Whether audio helps a ranker, on tracks that have plays and on tracks that nobody has played.

Rankers are trained on the plays before a day; warm plays are the later ones of the same tracks, cold ones are of tracks
without any play, of which the rankers know only artist, release and audio. The vectors themselves are computed from the
plays before that day too. Intervals come from resampling users, those of a difference pairwise; several seeds are
averaged within each resample.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.metrics.bootstrap import percentile_interval, user_weights
from audio_engine.metrics.results import Result
from audio_engine.ranking.config import Network, RankerConfig
from audio_engine.ranking.ranker import Ranker
from audio_engine.ranking.user_vectors import days_of
from metric_learning.threads import one_thread
from tests.benchmarks.experiments.ranking.data import Judged, RankingWorld, judged_plays, users_from_plays, with_vectors
from tests.benchmarks.experiments.ranking.methods import UNCALIBRATED, ask, cosine, logistic, popularity, ranker_name
from tests.benchmarks.experiments.ranking.probabilities import mean_draws, measure, reliability
from tests.benchmarks.experiments.ranking.vectors import PastVectors, SoundModel, past_vectors

logger = logging.getLogger(__name__)

BOOTSTRAP_SEED = 0
N_WINDOWS = 10  # times before the split at which users' vectors are recomputed
RANKED = ("user_auc", "auc")  # measures of ranking alone
RELIABLE = ranker_name("dcn", audio=True)  # the method whose calibration is tabulated
NETWORKS: tuple[Network, ...] = ("deepfm", "dcn")

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """The methods' predictions for the test plays."""

    judged: tuple[Judged, ...]
    answers: dict[str, list[dict[str, Floats]]]  # by method: for each seed, by name of the judged plays


def vector_days(split_day: float) -> list[float]:
    """List the days before the split at which users' vectors are recomputed, and the split itself."""
    return days_of(0.0, split_day, every=split_day / N_WINDOWS)


def make_vectors(world: RankingWorld, sound: SoundModel, *, split_day: float) -> PastVectors:
    """Fit the vectors of tracks and users to the plays before the split; users also as the log ends."""
    days = [*vector_days(split_day), last_day(world)]
    with one_thread():
        return past_vectors(world.data, sound, before=split_day, days=days)


def ask_methods(
    world: RankingWorld, vectors: PastVectors, *, split_day: float, config: RankerConfig, seeds: Sequence[int]
) -> Predictions:
    """Train every ranker and baseline on the plays before a day, and predict the test plays.

    Parameters
    ----------
    world
        The world.
    vectors
        From `make_vectors`.
    split_day
        The first day of the warm test plays.
    config
        Config of the rankers; network, audio and seed are set here.
    seeds
        Of the rankers.

    Returns
    -------
    predicted
    """
    days, end = vector_days(split_day), last_day(world)
    learned, later = (world.plays.filter(keep) for keep in (pl.col("day") < split_day, pl.col("day") >= split_day))
    user_vectors = users_from_plays(world, vectors, [*days, end])
    past, newest = user_vectors.filter(pl.col("day") <= split_day), user_vectors.filter(pl.col("day") > split_day)
    tracks, judged = with_vectors(world, vectors), judged_sets(world, later)
    answers: dict[str, list[dict[str, Floats]]] = {}
    states: list[tuple[Ranker, Judged]] = []
    for network, audio, seed in ((n, a, s) for n in NETWORKS for a in (False, True) for s in seeds):
        chosen = replace(config, network=network, audio=audio, seed=seed)
        warm = Ranker.train(learned, tracks=tracks, users=world.users, user_vectors=past, config=chosen)
        cold = warm.updated(plays=later, user_vectors=newest)
        states = [(warm if plays.name == "warm" else cold, plays) for plays in judged]
        found = {plays.name: ask(state, plays) for state, plays in states}
        answers.setdefault(ranker_name(network, audio=audio), []).append(found)
        logger.info("%s, seed %d: trained and asked", ranker_name(network, audio=audio), seed)
    simple = {
        "popularity": {plays.name: popularity(state, plays) for state, plays in states},
        UNCALIBRATED[0]: {plays.name: cosine(state, plays) for state, plays in states},
        "logistic regression, no audio": logistic(learned, states, audio=False),
        "logistic regression, audio": logistic(learned, states, audio=True),
    }
    return Predictions(judged=judged, answers={name: [found] for name, found in simple.items()} | answers)


def judged_sets(world: RankingWorld, later: pl.DataFrame) -> tuple[Judged, ...]:
    """Build the sets of test plays: warm, cold, and those cold ones whose artist has no warm track."""
    cold = judged_plays("cold", world.cold_plays, world.user_ids)
    unseen = pl.Series(world.data.cold.track_ids, dtype=pl.String).filter(pl.Series(~world.data.seen))
    of_unseen = cold.rows["track"].is_in(unseen.to_list()).to_numpy()
    sets = (judged_plays("warm", later, world.user_ids), cold, cold.where("cold, unseen artists", of_unseen))
    return tuple(judged for judged in sets if judged.liked.any() and not judged.liked.all())


def ranking_rows(predicted: Predictions, *, n_users: int) -> Iterator[Result]:
    """Measure the predictions, and the differences that audio makes.

    Parameters
    ----------
    predicted
        By every method.
    n_users
        Number of users.

    Yields
    ------
    row
        One for each method, set of plays and measure; then the differences, audio less no audio.
    """
    weights = user_weights(n_users, seed=BOOTSTRAP_SEED)
    draws: dict[tuple[str, str, str], list[Floats]] = {}
    for method, by_seed in predicted.answers.items():
        for judged in predicted.judged:
            for found in by_seed:
                measures = measure(judged.user, judged.liked, found[judged.name], weights=weights)
                for name, values in measures.items():
                    if name in RANKED or method not in UNCALIBRATED:
                        draws.setdefault((method, judged.name, name), []).append(values)
    for (method, plays, name), of_seeds in draws.items():
        yield _row(method, plays, name, of_seeds)
    for (method, plays, name), of_seeds in draws.items():
        base = draws.get((method.replace(", audio", ", no audio"), plays, name))
        if method.endswith(", audio") and base is not None:
            gained = [own - without for own, without in zip(of_seeds, base, strict=True)]
            yield _row(f"{method} less no audio", plays, name, gained)


def reliability_rows(predicted: Predictions, method: str) -> Iterator[dict[str, object]]:
    """Tabulate how a method's probabilities agree with the likes, all seeds together."""
    for judged in predicted.judged:
        by_seed = [found[judged.name] for found in predicted.answers[method]]
        for line in reliability(np.tile(judged.liked, len(by_seed)), np.concatenate(by_seed)):
            yield {"method": method, "plays": judged.name, **line}


def last_day(world: RankingWorld) -> float:
    """Return the end of the warm tracks' log: the end of its last day."""
    return float(np.floor(world.data.plays.day.max())) + 1.0


def default_split(world: RankingWorld) -> float:
    """Choose the day that leaves the last sixth of the warm log for testing."""
    return last_day(world) * 5 / 6


def _row(method: str, plays: str, name: str, draws: Sequence[Floats]) -> Result:
    """Average over seeds, with the interval; about the plays, and the least and the most of the seeds."""
    mean, by_seed = mean_draws(draws), [float(values[0]) for values in draws]
    about = {"plays": plays, "least": min(by_seed), "most": max(by_seed), "n_seeds": len(draws)}
    found = asdict(percentile_interval(float(mean[0]), mean[1:]))
    return Result(method=method, metric=name, about=about, **found)
