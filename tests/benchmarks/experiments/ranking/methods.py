"""Methods compared: rankers with and without audio, and simpler predictors of a like.

Each method predicts the test plays from one state of knowledge; none sees a play of a later day.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from audio_engine.ranking.config import Network
from audio_engine.ranking.counts import like_rate
from audio_engine.ranking.features import make_fields
from audio_engine.ranking.networks import Fields
from audio_engine.ranking.ranker import Ranker, learning_rows
from audio_engine.ranking.tables import read_log
from tests.benchmarks.experiments.ranking.data import Judged

NAMES: Final[Mapping[Network, str]] = {"deepfm": "DeepFM", "dcn": "DCN-V2"}
UNCALIBRATED: Final = ("cosine of user and track",)  # an order, no probability

Floats = NDArray[np.float64]
Answers = dict[str, Floats]  # by set of test plays: a method's prediction for each


def ranker_name(network: Network, *, audio: bool) -> str:
    """Return the name of a ranker in the tables.

    Examples
    --------
    >>> ranker_name("dcn", audio=False)
    'DCN-V2, no audio'
    """
    return f"{NAMES[network]}, {'audio' if audio else 'no audio'}"


def ask(ranker: Ranker, judged: Judged) -> Floats:
    """Predict plays by a ranker."""
    return np.asarray(ranker.predict(judged.rows), np.float64)


def popularity(ranker: Ranker, judged: Judged) -> Floats:
    """Predict a track's smoothed like rate so far; every new track gets the overall one."""
    counts, rate = ranker.counts["track"], ranker.recipe.rate
    rates = counts.select("track", rate=like_rate(pl.col("likes"), pl.col("rejections"), rate))
    found = judged.rows.join(rates, on="track", how="left", maintain_order="left")["rate"].fill_null(rate)
    return np.asarray(found.to_numpy())


def cosine(ranker: Ranker, judged: Judged) -> Floats:
    """Predict by the inner product of the user's and the track's unit vectors alone."""
    vectors = ranker.describe(judged.rows).vectors.numpy()
    return np.asarray(np.einsum("nd,nd->n", vectors[:, 0], vectors[:, 1]), np.float64)


def logistic(plays: pl.DataFrame, states: Sequence[tuple[Ranker, Judged]], *, audio: bool) -> Answers:
    """Logistic regression on the numbers of an example, and with audio on both vectors and their product; no ids.

    Parameters
    ----------
    plays
        The training plays.
    states
        A ranker with audio, in the state of knowledge from which each set of test plays is predicted.
    audio
        Whether to use the vectors.

    Returns
    -------
    by judged plays
    """
    ranker = states[0][0]
    examples = learning_rows(read_log(plays), ranker.known)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    model.fit(_plain(make_fields(examples, ranker.known, ranker.recipe), audio=audio), examples["liked"].to_numpy())
    return {
        judged.name: model.predict_proba(_plain(state.describe(judged.rows), audio=audio))[:, 1]
        for state, judged in states
    }


def _plain(fields: Fields, *, audio: bool) -> NDArray[np.float32]:
    """Concatenate the numbers, and with audio the vectors and their product."""
    numbers, vectors = fields.numbers.numpy(), fields.vectors.numpy()
    if not audio:
        return np.asarray(numbers[:, :-1])  # the last one is the similarity
    return np.concatenate([numbers, vectors[:, 0], vectors[:, 1], vectors[:, 0] * vectors[:, 1]], axis=1)
