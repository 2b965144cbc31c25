"""The partner's process: it joins a training, or the serving of new users, and never sends a feature or an id.

What it sends of a user is what its own network makes of the features: the activations at the cut.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from audio_engine.errors import PartnerError, RecipeMismatchError
from audio_engine.federated.alignment import align
from audio_engine.federated.link import Arrays, Link, dial, read_words, words
from audio_engine.federated.model_folder import PartnerHalf, load_partner, save_partner
from audio_engine.federated.tables import PartnerFeatures, read_features
from metric_learning.federated.partner import PartnerLearner, make_partner_tower
from metric_learning.federated.recipe import FederatedTraining, PartnerRecipe
from metric_learning.threads import one_thread

logger = logging.getLogger(__name__)

TRAIN, SERVE = "train", "serve"
LEAST_DEVIATION = 1e-6


@dataclass(frozen=True, kw_only=True)
class PartnerReport:
    """What the partner's process did."""

    job: str  # train or serve
    n_users: int  # of the partner
    n_common: int  # of these, with the other party
    n_bytes: dict[str, int]  # that crossed, by direction and kind


def join(  # noqa: PLR0913  (the files, and where)
    features: Path,
    model_dir: Path,
    *,
    address: str,
    secret: bytes = b"",
    patience_s: float,
    on_progress: Callable[[str], None] = logger.info,
) -> PartnerReport:
    """Join whoever listens at an address, until they have done.

    Parameters
    ----------
    features
        The partner's table: ``user``, and columns of numbers.
    model_dir
        Where the partner's half goes; or lies, when new users are served.
    address
        Of the other party: HOST:PORT.
    secret
        Key of hashed ids.
    patience_s
        Seconds to wait for the other party.
    on_progress
        Called with a line of text from time to time; by default it is logged.

    Raises
    ------
    PartnerError
        When the other party has gone, or says what it should not.
    FileNotFoundError, RecipeMismatchError
        When users are served and the partner's half is missing, damaged, or of another training.
    ValueError
        When the table or the address is not what it must be.
    """
    table = read_features(features)
    with dial(address, patience_s=patience_s) as link, one_thread():
        link.send("hello", n_features=np.array([len(table.columns)]))
        settings = read_words(link.receive("settings")[1])
        common = align(link, table.users, method=settings["alignment"], secret=secret, is_first=False)
        on_progress(f"{settings['job']}: {len(common)} of {len(table.users)} users in common")
        row_of = {user: row for row, user in enumerate(table.users)}
        values = table.values[[row_of[user] for user in common]]
        half = (
            _new_half(table, values, settings) if settings["job"] == TRAIN else _known_half(model_dir, table, settings)
        )
        learner = PartnerLearner(_scaled(values, half), half.tower, half.training)
        _converse(link, learner, n_users=len(common))
        if settings["job"] == TRAIN:
            save_partner(model_dir, half)
        link.send("done")
        return PartnerReport(
            job=settings["job"], n_users=len(table.users), n_common=len(common), n_bytes=dict(link.n_bytes)
        )


def _converse(link: Link, learner: PartnerLearner, *, n_users: int) -> None:
    """Answer with activations and learn from gradients, until the other party stops."""
    while True:
        kind, arrays = link.receive("rows", "gradients", "stop")
        if kind == "stop":
            return
        values = _checked(kind, arrays, n_users=n_users)
        if kind == "rows":
            link.send("activations", values=learner.activations(values.astype(np.int64)).numpy())
        else:
            learner.gradients(torch.from_numpy(values))


def _checked(kind: str, arrays: Arrays, *, n_users: int) -> NDArray[Any]:
    """Refuse rows of users that are not in common, and gradients that are not finite."""
    values = arrays["values"]
    if kind == "rows" and values.size and not (values.min() >= 0 and values.max() < n_users):
        raise PartnerError(f"rows must be from 0 to {n_users - 1}, got {values.min()} to {values.max()}")
    if kind == "gradients" and not np.isfinite(values).all():
        raise PartnerError("gradients must be finite, got some that are not")
    return values


def _new_half(table: PartnerFeatures, values: NDArray[np.float32], settings: dict[str, Any]) -> PartnerHalf:
    """Begin a training."""
    training = FederatedTraining(**settings["training"])
    recipe = PartnerRecipe(n_features=len(table.columns), cut_dim=settings["cut_dim"])
    known = values if len(values) else np.zeros((1, len(table.columns)), np.float32)
    is_known = ~np.isnan(known)
    n_known = np.maximum(is_known.sum(0), 1)
    mean = np.where(is_known, known, 0).sum(0) / n_known
    deviation = np.sqrt(np.where(is_known, (known - mean) ** 2, 0).sum(0) / n_known)
    return PartnerHalf(
        tower=make_partner_tower(recipe, seed=training.seed),
        training=training,
        training_id=settings["training_id"],
        columns=table.columns,
        mean=mean.astype(np.float32),
        deviation=np.maximum(deviation, LEAST_DEVIATION).astype(np.float32),
    )


def _known_half(model_dir: Path, table: PartnerFeatures, settings: dict[str, Any]) -> PartnerHalf:
    """Load the half of the training that the other party serves from."""
    half = load_partner(model_dir)
    if half.training_id != settings["training_id"]:
        raise RecipeMismatchError(
            f"{model_dir} must be of training {settings['training_id']}, which is served, got {half.training_id}"
        )
    if tuple(half.columns) != table.columns:
        raise RecipeMismatchError(f"the features must be {', '.join(half.columns)}, got {', '.join(table.columns)}")
    return half


def _scaled(values: NDArray[np.float32], half: PartnerHalf) -> torch.Tensor:
    """Scale features as in training; what is not known is the mean."""
    return torch.from_numpy(np.nan_to_num((values - half.mean) / half.deviation)).float()


def greet(link: Link, settings: dict[str, Any]) -> None:
    """Take a partner in, and tell it what is to be done; the other end of the beginning of `join`."""
    link.receive("hello")
    link.send("settings", json=words(settings))
