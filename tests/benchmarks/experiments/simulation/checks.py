"""Validation of the response model on plays that were held out from its fit."""

from collections.abc import Iterator

import numpy as np

from audio_engine.metrics.bootstrap import percentile_interval, user_weights
from audio_engine.metrics.results import Result, results_of
from metric_learning.play_log import LIKE, NONE, PlayLog
from tests.benchmarks.experiments.ranking.probabilities import measure
from tests.benchmarks.experiments.simulation.response import ResponseSettings, fit_response

HELD_OUT = 0.1  # share of the plays
N_DRAWS = 200  # resamples of the users


def check_response(
    plays: PlayLog, shape: tuple[int, int], *, n_warm: int, settings: ResponseSettings | None = None, seed: int = 0
) -> Iterator[Result]:
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
    result
        AUC (mean of users, and of all plays together), log loss and expected calibration error; about ``plays`` (of
        warm or of cold tracks), ``question`` (a like among opinions, or among all plays) and ``n_plays``.
    """
    held = np.random.default_rng(seed).random(len(plays)) < HELD_OUT
    probability = fit_response(plays.where(~held), shape, settings).probability
    weights = user_weights(shape[0], seed=seed, n_draws=N_DRAWS)
    for name, of_split in (("warm", plays.track < n_warm), ("cold", plays.track >= n_warm)):
        for question, asked in (("like among opinions", plays.action != NONE), ("like among plays", plays.action >= 0)):
            judged = plays.where(held & of_split & asked)
            predicted = probability[judged.user, judged.track].astype(np.float64)
            likely = predicted[:, LIKE] / (predicted[:, LIKE:].sum(1) if question == "like among opinions" else 1.0)
            draws = measure(judged.user, judged.liked, likely, weights=weights)
            found = {metric: percentile_interval(float(each[0]), each[1:]) for metric, each in draws.items()}
            about = {"plays": name, "question": question, "n_plays": len(judged)}
            yield from results_of(found, method="response model", about=about)
