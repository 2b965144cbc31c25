"""Model files, without torch: `model.safetensors` (weights) beside `recipe.json` (numbers), and the model id.

The id is a hash of both files' content, so vectors of different models cannot be confused.
"""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

WEIGHTS_FILE = "model.safetensors"
RECIPE_FILE = "recipe.json"
CARD_FILE = "MODEL_CARD.md"
USER_WEIGHTS_FILE = "user.safetensors"  # of a model that was trained on listening: its user tower
USER_RECIPE_FILE = "user.json"
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


def write_model_file(path: Path, content: bytes) -> None:
    """Write a file atomically: to a temporary file first, then renamed."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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
    """Copy a model to `into/MODEL_ID`, atomically, and return its id; an existing copy is kept."""
    model_id = model_id_of(model_dir)
    target = into / model_id
    if not target.exists():
        temporary = into / f".{model_id}.{os.getpid()}"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        for name in (WEIGHTS_FILE, RECIPE_FILE, CARD_FILE, USER_RECIPE_FILE, USER_WEIGHTS_FILE):
            if (model_dir / name).exists():
                shutil.copyfile(model_dir / name, temporary / name)
        temporary.rename(target)
    return model_id
