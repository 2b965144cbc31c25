"""Checkpoint of a user tower: one file of weights, with its sizes and the warm tracks it knows, written atomically.

It is stored in the folder of the audio encoder it was trained with: only their vectors are comparable.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from metric_learning.atomic_files import write_whole
from metric_learning.model_files import USER_TOWER_FILE, RecipeMismatchError
from metric_learning.user import UserTower
from metric_learning.user_recipe import UserColumn, UserRecipe

FORMAT_VERSION = 3  # raise it whenever the same files would give different vectors
HEAD = "user_tower"  # metadata entry with the version and sizes, as JSON
TRACK_IDS = "track_ids"  # tensor of the track ids, JSON as bytes: there may be more than the header can hold


def save_user_tower(model_dir: Path, tower: UserTower, track_ids: tuple[str, ...]) -> None:
    """Write a user tower.

    Parameters
    ----------
    model_dir
        Created if missing.
    tower
        The network.
    track_ids
        The warm tracks, in the order of the tower's vectors.
    """
    model_dir.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tower.state_dict().items()}
    tensors[TRACK_IDS] = torch.from_numpy(np.frombuffer(json.dumps(track_ids).encode(), np.uint8).copy())
    head = {"format_version": FORMAT_VERSION, "user": asdict(tower.recipe)}
    write_whole(model_dir / USER_TOWER_FILE, save(tensors, metadata={HEAD: json.dumps(head)}))


def has_user_tower(model_dir: Path) -> bool:
    """Return whether a model was trained with users."""
    return (model_dir / USER_TOWER_FILE).exists()


def load_user_tower(model_dir: Path) -> tuple[UserTower, tuple[str, ...]]:
    """Read a user tower, in evaluation mode, on the CPU.

    Returns
    -------
    tower
    track_ids
        The warm tracks, in the order of its vectors.

    Raises
    ------
    FileNotFoundError
        When the model was not trained with users.
    RecipeMismatchError
        When the file is damaged, of another format, or the weights do not match the sizes.
    """
    if not has_user_tower(model_dir):
        raise FileNotFoundError(f"a model for users must hold {USER_TOWER_FILE}, got {model_dir}")
    try:
        with safe_open(model_dir / USER_TOWER_FILE, framework="pt") as file:
            head = json.loads((file.metadata() or {})[HEAD])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (it is no dict)
        if head["format_version"] != FORMAT_VERSION:
            raise RecipeMismatchError(
                f"format_version of the user tower in {model_dir} must be {FORMAT_VERSION}, got "
                f"{head['format_version']} (was it made by another version? audio-engine use-model gives a catalogue "
                "the user tower of this one)"
            )
        track_ids = tuple(json.loads(tensors.pop(TRACK_IDS).numpy().tobytes()))
        tower = UserTower(_recipe_of(head["user"]))
        tower.load_state_dict(tensors)
    except RecipeMismatchError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise RecipeMismatchError(
            f"the user tower in {model_dir} must be whole and from one training: {reason}"
        ) from error
    return tower.eval(), track_ids


def _recipe_of(numbers: dict[str, Any]) -> UserRecipe:
    """Make a recipe of what JSON has of it, which knows no tuples."""
    columns = (
        UserColumn(name=column["name"], values=tuple(column["values"]), edges=tuple(column["edges"]))
        for column in numbers["columns"]
    )
    return UserRecipe(**{**numbers, "columns": tuple(columns)})
