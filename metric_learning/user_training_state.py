"""State of a user tower in training, and its checkpoint: a file from which a killed training goes on."""

import copy
import hashlib
import json
import logging
import pickle
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from metric_learning.atomic_files import whole_file
from metric_learning.lazy_adam import LazyAdam
from metric_learning.play_table import PlayTable
from metric_learning.user import UserTower

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

logger = logging.getLogger(__name__)

COUNTERS = ("n_steps", "n_rounds_since", "best_loss")


class UserTrainingState:
    """A tower in training, its optimisers, and its best state so far.

    Parameters
    ----------
    tower
        Trained in place, on the device that it lies on.
    learning_rate
        Of both optimisers.
    weight_decay
        Of what is not the vector of a track.
    """

    def __init__(self, tower: UserTower, *, learning_rate: float, weight_decay: float) -> None:
        self.tower = tower
        self.tracks = LazyAdam(tower.track_tables(), learning_rate=learning_rate)
        of_tracks = {id(table) for table in tower.track_tables()}
        others = [parameter for parameter in tower.parameters() if id(parameter) not in of_tracks]
        self.others = torch.optim.AdamW(others, lr=learning_rate, weight_decay=weight_decay)
        self.best: dict[str, Tensor] = copy.deepcopy(tower.state_dict())
        self.best_loss = np.inf
        self.n_steps = 0
        self.n_rounds_since = 0  # the best

    def step(self, loss: Tensor, *, rows: Tensor, vectors: Sequence[Tensor]) -> None:
        """Move against the gradients of a loss; `rows` and `vectors` as `LazyAdam.step` takes them."""
        self.others.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.others.step()
        self.tracks.step(rows, vectors)
        self.n_steps += 1

    def end_round(self, held_loss: float) -> None:
        """Take note of the loss on held-out users."""
        self.n_rounds_since += 1
        if held_loss < self.best_loss:
            self.best_loss, self.n_rounds_since = held_loss, 0
            self.best = copy.deepcopy(self.tower.state_dict())

    def save(self, path: Path, *, mark: str) -> None:
        """Write a checkpoint, atomically; `mark` as `fingerprint` gives it."""
        state = {"mark": mark, "tower": self.tower.state_dict(), "best": self.best} | {
            "tracks": self.tracks.state_dict(),
            "others": self.others.state_dict(),
            "counters": {name: getattr(self, name) for name in COUNTERS},
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            torch.save(state, temporary)

    def resume(self, path: Path, *, mark: str) -> None:
        """Go on from a checkpoint, if there is a whole one of the same training."""
        if not path.exists():
            return
        device = self.tower.log_ridge.device
        try:
            state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        except (RuntimeError, OSError, EOFError, ValueError, LookupError, pickle.UnpicklingError) as error:
            logger.warning("checkpoint %s is damaged, training resumes without it: %s", path, error)
            return
        if state["mark"] != mark:
            logger.warning("checkpoint %s is of other plays or settings, training begins anew", path)
            return
        self.tower.load_state_dict(state["tower"])
        self.tracks.load_state_dict(state["tracks"])
        self.others.load_state_dict(state["others"])
        self.best = state["best"]
        for name in COUNTERS:
            setattr(self, name, state["counters"][name])


def fingerprint(tower: UserTower, table: PlayTable, training: "DataclassInstance") -> str:
    """Name a training by all that decides how it ends: the weights it begins with, the plays and the hyperparameters.

    Returns
    -------
    mark
        32 hexadecimal digits.
    """
    recipe = json.dumps([asdict(tower.recipe), asdict(training), table.now])
    digest = hashlib.blake2b(recipe.encode(), digest_size=16)
    weights = [tensor.detach().cpu().numpy() for tensor in tower.state_dict().values()]
    for array in (table.track, table.day, table.completion, table.action, table.end, table.categories, *weights):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
