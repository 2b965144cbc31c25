"""Identity of the space that a model's vectors live in: two vectors may be compared where these are equal.

Read without torch, so that a service can answer before the model is loaded.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metric_learning.model_files import DEFAULT_MODEL_DIR, model_id_of, read_model_files, read_recipe

FAMILY = "audio-content-engine"  # networks of this kind, whatever their weights
CHANNELS = "mono: the mean of the channels"
LEVEL = "the loudest sample of all segments of a track is scaled to 1"
PLACEMENT = "segment k of n is centred in the k-th of n equal parts of the track; a short track is repeated"


@dataclass(frozen=True, kw_only=True)
class Space:
    """What has to be known of vectors before they are compared with others."""

    family: str  # kind of network
    model_id: str  # hash of recipe and weights, 12 hexadecimal digits
    weights_sha256: str  # of `model.safetensors`, hexadecimal
    dim: int  # numbers in a vector
    metric: str  # by which vectors are compared
    normalised: bool  # whether vectors have unit length
    preprocessing: dict[str, Any]  # from a sound file to what the network sees: the mel recipe, channels, level
    revision: str  # version of the model files; another one gives other vectors


def space_of(model_dir: Path = DEFAULT_MODEL_DIR) -> Space:
    """Describe the space of a model.

    Raises
    ------
    FileNotFoundError, RecipeMismatchError
        As `metric_learning.model_files.read_recipe`.
    """
    recipe = read_recipe(model_dir)
    return Space(
        family=FAMILY,
        model_id=model_id_of(model_dir),
        weights_sha256=hashlib.sha256(read_model_files(model_dir)[1]).hexdigest(),
        dim=recipe["encoder"]["dim"],
        metric="cosine",
        normalised=True,
        preprocessing={**recipe["mel"], "channels": CHANNELS, "level": LEVEL, "placement": PLACEMENT},
        revision=str(recipe["format_version"]),
    )
