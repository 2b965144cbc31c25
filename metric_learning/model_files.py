"""Model files, without torch: `model.safetensors` (weights) beside `recipe.json` (numbers), and the model id.

The id is a hash of both files' content, so vectors of different models cannot be confused.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from features.recipe import MelRecipe
from metric_learning.atomic_files import whole_folder, write_whole

WEIGHTS_FILE = "model.safetensors"
RECIPE_FILE = "recipe.json"
CARD_FILE = "MODEL_CARD.md"
USER_TOWER_FILE = "user_tower.safetensors"  # of a model that was trained on listening
DEFAULT_MODEL_DIR = Path(__file__).parent / "default_model"  # ships in the package
ID_BYTES = 6  # 12 hexadecimal digits


class RecipeMismatchError(ValueError):
    """Weights, vectors or an index do not match the recipe."""


def read_model_files(model_dir: Path) -> tuple[bytes, bytes]:
    """Read the recipe (JSON) and the weights (safetensors).

    Raises
    ------
    FileNotFoundError
        When the folder is not a model.
    """
    try:
        return (model_dir / RECIPE_FILE).read_bytes(), (model_dir / WEIGHTS_FILE).read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        required = f"{RECIPE_FILE} and {WEIGHTS_FILE}"
        raise FileNotFoundError(f"a model must be a folder with {required}, got {str(model_dir)!r}") from error


def read_recipe(model_dir: Path) -> dict[str, Any]:
    """Read the numbers of a model: `format_version`, `mel` and `encoder`.

    Raises
    ------
    FileNotFoundError
        When the folder is not a model.
    RecipeMismatchError
        When its recipe is not JSON.
    """
    try:
        numbers: dict[str, Any] = json.loads(read_model_files(model_dir)[0])
    except ValueError as error:
        raise RecipeMismatchError(f"{RECIPE_FILE} in {model_dir} must be JSON: {error}") from error
    return numbers


def front_end_of(model_dir: Path) -> MelRecipe:
    """Read the front end that a model was trained with.

    Raises
    ------
    FileNotFoundError
        When the folder is not a model.
    RecipeMismatchError
        When its recipe is damaged.
    """
    try:
        return MelRecipe(**read_recipe(model_dir)["mel"])
    except (KeyError, TypeError, ValueError) as error:
        raise RecipeMismatchError(f"{RECIPE_FILE} in {model_dir} must hold a whole recipe, got {error}") from error


def model_id_of(model_dir: Path) -> str:
    """Compute a model's id from its content: 12 hexadecimal digits.

    Raises
    ------
    FileNotFoundError
        When the folder is not a model.
    RecipeMismatchError
        When its recipe is not JSON.
    """
    digest = hashlib.blake2b(digest_size=ID_BYTES)
    digest.update(json.dumps(read_recipe(model_dir), sort_keys=True).encode())
    digest.update(read_model_files(model_dir)[1])
    return digest.hexdigest()


def copy_model(model_dir: Path, into: Path) -> str:
    """Copy a model to `into/MODEL_ID`, atomically, and return its id; an existing copy is kept as it is."""
    model_id = model_id_of(model_dir)
    target = into / model_id
    if not target.exists():
        with whole_folder(target) as temporary:
            for name in (WEIGHTS_FILE, RECIPE_FILE, CARD_FILE, USER_TOWER_FILE):
                if (model_dir / name).exists():
                    shutil.copyfile(model_dir / name, temporary / name)
    return model_id


def copy_user_tower(model_dir: Path, into: Path) -> None:
    """Copy the user tower of a model, if it has one, to a copy of the same model, which may hold an older one."""
    if model_dir != into and (model_dir / USER_TOWER_FILE).exists():
        write_whole(into / USER_TOWER_FILE, (model_dir / USER_TOWER_FILE).read_bytes())
