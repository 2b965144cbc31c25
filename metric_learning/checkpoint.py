"""Checkpoint of an audio encoder: a model folder on disk, saved and loaded.

The recipe that made the weights is saved beside them, so that the model can be used, or refused, on its own.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save

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
    read_recipe,
)

FORMAT_VERSION = 2  # raise it whenever the same files would give different vectors
HALVED = "taught.read.weight"  # two thirds of all weights; saved in half precision


def save_checkpoint(model_dir: Path, encoder: AudioEncoder, recipe: MelRecipe) -> str:
    """Write a model, each file atomically; the user tower of older weights is removed.

    Parameters
    ----------
    model_dir
        Created if missing.
    encoder, recipe
        The network, and the front end it was trained with.

    Returns
    -------
    model_id
        12 hexadecimal digits.
    """
    model_dir.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in encoder.state_dict().items()}
    weights = save({name: tensor.half() if name == HALVED else tensor for name, tensor in tensors.items()})
    (model_dir / USER_TOWER_FILE).unlink(missing_ok=True)  # its vectors may not be compared with those of new weights
    write_whole(model_dir / WEIGHTS_FILE, weights)
    write_whole(model_dir / RECIPE_FILE, _recipe_json(recipe, encoder.config))
    return model_id_of(model_dir)


def load_checkpoint(model_dir: Path) -> tuple[AudioEncoder, MelRecipe]:
    """Read a model; the network is in evaluation mode, on the CPU.

    Raises
    ------
    FileNotFoundError
        When the folder is not a model.
    RecipeMismatchError
        When a file is damaged, of a newer format, or the weights do not match the recipe.
    """
    numbers = read_recipe(model_dir)
    try:
        if numbers["format_version"] != FORMAT_VERSION:
            raise RecipeMismatchError(
                f"format_version of {model_dir} must be {FORMAT_VERSION}, got {numbers['format_version']} "
                "(was it made by another version? audio-engine use-model moves a catalogue to the model of this one)"
            )
        recipe = MelRecipe(**numbers["mel"])
        encoder = AudioEncoder(EncoderConfig(**_with_tuples(numbers["encoder"])))
        encoder.load_state_dict(load_file(model_dir / WEIGHTS_FILE))
    except RecipeMismatchError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RecipeMismatchError(f"the model in {model_dir} must be whole and from one training: {reason}") from error
    return encoder.eval(), recipe


def _recipe_json(recipe: MelRecipe, config: EncoderConfig) -> bytes:
    numbers = {"format_version": FORMAT_VERSION, "mel": asdict(recipe), "encoder": asdict(config)}
    return (json.dumps(numbers, indent=2) + "\n").encode()


def _with_tuples(numbers: dict[str, Any]) -> dict[str, Any]:
    """Turn lists back into tuples, which JSON does not have."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in numbers.items()}
