"""Validation of the response model on plays that were held out from its fit."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from audio_engine.metrics.ranking_quality import user_weights
from metric_learning.play_log import LIKE, NONE, PlayLog
from tests.benchmarks.experiments.ranking.probabilities import estimate, measure
from tests.benchmarks.experiments.simulation.response import ResponseSettings, fit_response

HELD_OUT = 0.1  # share of the plays
N_DRAWS = 200  # resamples of the users


@dataclass(frozen=True, kw_only=True)
class ResponseCheck:
    """One number of the check, with a 95 % interval over users."""

    plays: str  # of warm or of cold tracks
    question: str  # a like among opinions, or among all plays
    measure: str
    value: float
    low: float
    high: float
    n_plays: int


def check_response(
    plays: PlayLog, shape: tuple[int, int], *, n_warm: int, settings: ResponseSettings | None = None, seed: int = 0
) -> Iterator[ResponseCheck]:
    """Fit the response model on nine tenths of the plays, and compare it with the rest.

    Parameters
    ----------
    plays
        All plays.
    shape
        Number of users and of tracks.
    n_warm
        The tracks from there on are cold.
    settings
        Settings of the model.
    seed
        Seed of the split and of the resamples.

    Yields
    ------
    check
        AUC (mean of users, and of all plays together), log loss and expected calibration error.
    """
    held = np.random.default_rng(seed).random(len(plays)) < HELD_OUT
    probability = fit_response(plays.where(~held), shape, settings).probability
    weights = user_weights(shape[0], seed=seed, n_draws=N_DRAWS)
    for name, of_split in (("warm", plays.track < n_warm), ("cold", plays.track >= n_warm)):
        for question, asked in (("like among opinions", plays.action != NONE), ("like among plays", plays.action >= 0)):
            judged = plays.where(held & of_split & asked)
            predicted = probability[judged.user, judged.track].astype(np.float64)
            likely = predicted[:, LIKE] / (predicted[:, LIKE:].sum(1) if question == "like among opinions" else 1.0)
            for metric, draws in measure(judged.user, judged.liked, likely, weights=weights).items():
                found = estimate(draws)
                yield ResponseCheck(
                    plays=name,
                    question=question,
                    measure=metric,
                    value=found.value,
                    low=found.low,
                    high=found.high,
                    n_plays=len(judged),
                )
