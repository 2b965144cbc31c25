"""Checkpoint of a user tower: `user.safetensors` (weights) beside `user.json` (sizes and the warm tracks it knows).

It is stored in the folder of the audio encoder it was trained with: only their vectors are comparable.
"""

import json
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from metric_learning.model_files import USER_RECIPE_FILE, USER_WEIGHTS_FILE, RecipeMismatchError
from metric_learning.user import UserTower
from metric_learning.user_recipe import UserRecipe

FORMAT_VERSION = 1  # raise it whenever the same files would give different vectors


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
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in tower.state_dict().items()}
    save_file(weights, model_dir / USER_WEIGHTS_FILE)
    numbers = {"format_version": FORMAT_VERSION, "user": asdict(tower.recipe), "track_ids": list(track_ids)}
    (model_dir / USER_RECIPE_FILE).write_text(json.dumps(numbers) + "\n", encoding="utf-8")


def has_user_tower(model_dir: Path) -> bool:
    """Return whether a model was trained with users."""
    return (model_dir / USER_RECIPE_FILE).exists() and (model_dir / USER_WEIGHTS_FILE).exists()


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
        When a file is damaged, of another format, or the weights do not match the sizes.
    """
    if not has_user_tower(model_dir):
        raise FileNotFoundError(
            f"a model for users must hold {USER_RECIPE_FILE} and {USER_WEIGHTS_FILE}, got {model_dir}"
        )
    recipe_path = model_dir / USER_RECIPE_FILE
    try:
        numbers = json.loads(recipe_path.read_text(encoding="utf-8"))
        if numbers["format_version"] != FORMAT_VERSION:
            raise RecipeMismatchError(
                f"format_version of {recipe_path} must be {FORMAT_VERSION}, got {numbers['format_version']}"
            )
        tower = UserTower(UserRecipe(**{**numbers["user"], "categories": tuple(numbers["user"]["categories"])}))
        tower.load_state_dict(load_file(model_dir / USER_WEIGHTS_FILE))
    except RecipeMismatchError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise RecipeMismatchError(
            f"the user tower in {model_dir} must be whole and from one training: {reason}"
        ) from error
    return tower.eval(), tuple(numbers["track_ids"])
