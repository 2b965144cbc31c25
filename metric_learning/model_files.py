"""The files of a model, and its name, without torch: `model.safetensors` (weights) beside `recipe.json` (numbers).

The id of a model is a hash of both files' content: vectors of unlike models can never be taken for each other.
"""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from metric_learning.full_disk import naming_full_disk

WEIGHTS_FILE = "model.safetensors"
RECIPE_FILE = "recipe.json"
CARD_FILE = "MODEL_CARD.md"
USER_WEIGHTS_FILE = "user.safetensors"  # of a model that was trained on listening: its user tower
USER_RECIPE_FILE = "user.json"
DEFAULT_MODEL_DIR = Path(__file__).parent / "default_model"  # ships in the package
ID_BYTES = 6  # 12 hexadecimal digits


class RecipeMismatchError(ValueError):
    """Weights, vectors or an index met a recipe that did not make them."""


def read_model_files(model_dir: Path) -> tuple[bytes, bytes]:
    """Read the recipe (JSON) and the weights (safetensors).

    Raises
    ------
    FileNotFoundError
        When the folder is no model.
    """
    try:
        return (model_dir / RECIPE_FILE).read_bytes(), (model_dir / WEIGHTS_FILE).read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        wanted = f"{RECIPE_FILE} and {WEIGHTS_FILE}"
        raise FileNotFoundError(f"a model must be a folder with {wanted}, got {str(model_dir)!r}") from error


def write_model_file(path: Path, content: bytes) -> None:
    """Write a file aside, then put it in its place in one step."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with naming_full_disk(path):
            aside.write_bytes(content)
            aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def read_recipe(model_dir: Path) -> dict[str, Any]:
    """Read the numbers of a model: `format_version`, `mel` and `encoder`.

    Raises
    ------
    FileNotFoundError
        When the folder is no model.
    RecipeMismatchError
        When its recipe is not JSON.
    """
    try:
        numbers: dict[str, Any] = json.loads(read_model_files(model_dir)[0])
    except ValueError as error:
        raise RecipeMismatchError(f"{RECIPE_FILE} in {model_dir} must be JSON: {error}") from error
    return numbers


def model_id_of(model_dir: Path) -> str:
    """Name a model by its content: 12 hexadecimal digits.

    Raises
    ------
    FileNotFoundError
        When the folder is no model.
    RecipeMismatchError
        When its recipe is not JSON.
    """
    digest = hashlib.blake2b(digest_size=ID_BYTES)
    digest.update(json.dumps(read_recipe(model_dir), sort_keys=True).encode())
    digest.update(read_model_files(model_dir)[1])
    return digest.hexdigest()


def copy_model(model_dir: Path, into: Path) -> str:
    """Copy a model to `into/MODEL_ID`, whole or not at all; its id is returned. A copy that is there is kept."""
    model_id = model_id_of(model_dir)
    target = into / model_id
    if not target.exists():
        aside = into / f".{model_id}.{os.getpid()}"
        shutil.rmtree(aside, ignore_errors=True)
        try:
            with naming_full_disk(target):
                aside.mkdir(parents=True)
                for name in (WEIGHTS_FILE, RECIPE_FILE, CARD_FILE, USER_RECIPE_FILE, USER_WEIGHTS_FILE):
                    if (model_dir / name).exists():
                        shutil.copyfile(model_dir / name, aside / name)
            aside.rename(target)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return model_id
