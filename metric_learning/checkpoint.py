"""A trained network in, a model on disk out; and back.

The numbers that made the weights lie beside them, so that a model can be used, or refused, without asking anybody.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save

from features.recipe import MelRecipe
from metric_learning.atomic_files import write_whole
from metric_learning.encoder import AudioEncoder
from metric_learning.encoder_config import EncoderConfig
from metric_learning.model_files import (
    RECIPE_FILE,
    USER_TOWER_FILE,
    WEIGHTS_FILE,
    RecipeMismatchError,
    model_id_of,
    read_model_files,
    read_recipe,
)

FORMAT_VERSION = 1  # to be raised whenever the same files would give other vectors


def save_checkpoint(model_dir: Path, encoder: AudioEncoder, recipe: MelRecipe) -> str:
    """Write a model, each file aside first and then in one step; a user tower of older weights goes.

    Parameters
    ----------
    model_dir
        Made where it is missing.
    encoder, recipe
        The network, and the front end that it was trained behind.

    Returns
    -------
    model_id
        12 hexadecimal digits.
    """
    model_dir.mkdir(parents=True, exist_ok=True)
    weights = save({name: tensor.detach().cpu().contiguous() for name, tensor in encoder.state_dict().items()})
    (model_dir / USER_TOWER_FILE).unlink(missing_ok=True)  # its vectors may not be compared with those of new weights
    write_whole(model_dir / WEIGHTS_FILE, weights)
    write_whole(model_dir / RECIPE_FILE, _recipe_json(recipe, encoder.config))
    return model_id_of(model_dir)


def load_checkpoint(model_dir: Path) -> tuple[AudioEncoder, MelRecipe]:
    """Read a model; the network is in evaluation mode, on the CPU.

    Raises
    ------
    FileNotFoundError
        When the folder is no model.
    RecipeMismatchError
        When a file is damaged, of a newer format, or the weights do not fit the recipe.
    """
    numbers = read_recipe(model_dir)
    try:
        if numbers["format_version"] != FORMAT_VERSION:
            raise RecipeMismatchError(
                f"format_version of {model_dir} must be {FORMAT_VERSION}, got {numbers['format_version']} "
                "(was it made by another version of audio-content-engine?)"
            )
        recipe = MelRecipe(**numbers["mel"])
        encoder = AudioEncoder(EncoderConfig(**_with_tuples(numbers["encoder"])))
        encoder.load_state_dict(load(read_model_files(model_dir)[1]))
    except RecipeMismatchError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RecipeMismatchError(f"the model in {model_dir} must be whole and of one making: {reason}") from error
    return encoder.eval(), recipe


def _recipe_json(recipe: MelRecipe, config: EncoderConfig) -> bytes:
    numbers = {"format_version": FORMAT_VERSION, "mel": asdict(recipe), "encoder": asdict(config)}
    return (json.dumps(numbers, indent=2) + "\n").encode()


def _with_tuples(numbers: dict[str, Any]) -> dict[str, Any]:
    """JSON knows no tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in numbers.items()}
