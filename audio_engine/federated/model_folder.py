"""A trained half of the federated model on disk, ours or a partner's: weights in safetensors, all else in JSON.

Both halves carry the id of their training, and ours that of the encoder whose vectors it reads: what does not belong
together never meets in silence.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from audio_engine.atomic_files import whole_folder
from audio_engine.errors import RecipeMismatchError
from metric_learning.federated.learner import make_model
from metric_learning.federated.partner import PartnerTower, make_partner_tower
from metric_learning.federated.recipe import FederatedRecipe, FederatedTraining, PartnerRecipe
from metric_learning.federated.two_tower import TwoTower

FORMAT_VERSION = 1  # raise it whenever the same files would give different vectors
WEIGHTS, FACTS = "federated.safetensors", "federated.json"


@dataclass(frozen=True, kw_only=True)
class OurHalf:
    """Our half, with what it needs to be used."""

    model: TwoTower
    training: FederatedTraining
    training_id: str
    encoder_id: str | None  # model id of the vectors; None: the table of vectors does not tell
    track_ids: Sequence[str]  # with learned numbers, in the order of the model's tables
    values: Mapping[str, Sequence[str]]  # demographic values by column
    alignment: str


@dataclass(frozen=True, kw_only=True)
class PartnerHalf:
    """The partner's half, with what it needs to be used."""

    tower: PartnerTower
    training: FederatedTraining
    training_id: str
    columns: Sequence[str]
    mean: NDArray[np.float32]  # (n_features,) of the aligned users
    deviation: NDArray[np.float32]  # likewise


def save_ours(out: Path, half: OurHalf) -> None:
    """Write our half; a folder that is there is replaced at once and whole."""
    facts = {name: getattr(half, name) for name in ("training_id", "encoder_id", "alignment")}
    facts |= {"track_ids": list(half.track_ids), "values": {name: list(each) for name, each in half.values.items()}}
    _save(out, half.model, facts | {"recipe": asdict(half.model.recipe), "training": asdict(half.training)})


def load_ours(folder: Path) -> OurHalf:
    """Read our half.

    Raises
    ------
    FileNotFoundError
        When the folder holds none.
    RecipeMismatchError
        When it is damaged, or of another format.
    """
    facts = _facts(folder)
    try:
        recipe = facts["recipe"]
        model = make_model(FederatedRecipe(**{**recipe, "categories": tuple(recipe["categories"])}), seed=0)
        names = ("training_id", "encoder_id", "alignment", "track_ids", "values")
        half = OurHalf(
            model=model, training=FederatedTraining(**facts["training"]), **{name: facts[name] for name in names}
        )
        model.load_state_dict(load_file(folder / WEIGHTS))
    except (KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise _damaged(folder, error) from error
    model.eval()
    return half


def save_partner(out: Path, half: PartnerHalf) -> None:
    """Write the partner's half; a folder that is there is replaced at once and whole."""
    facts = {"training_id": half.training_id, "columns": list(half.columns)}
    facts |= {"mean": half.mean.tolist(), "deviation": half.deviation.tolist()}
    _save(out, half.tower, facts | {"recipe": asdict(half.tower.recipe), "training": asdict(half.training)})


def load_partner(folder: Path) -> PartnerHalf:
    """Read the partner's half; raises as `load_ours`."""
    facts = _facts(folder)
    try:
        tower = make_partner_tower(PartnerRecipe(**facts["recipe"]), seed=0)
        half = PartnerHalf(
            tower=tower,
            training=FederatedTraining(**facts["training"]),
            training_id=facts["training_id"],
            columns=facts["columns"],
            mean=np.array(facts["mean"], np.float32),
            deviation=np.array(facts["deviation"], np.float32),
        )
        tower.load_state_dict(load_file(folder / WEIGHTS))
    except (KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise _damaged(folder, error) from error
    tower.eval()
    return half


def _save(out: Path, network: TwoTower | PartnerTower, facts: Mapping[str, Any]) -> None:
    """Write weights and facts."""
    with whole_folder(out) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, temporary / WEIGHTS)
        text = json.dumps({"format_version": FORMAT_VERSION, **facts}, indent=1)
        (temporary / FACTS).write_text(text + "\n", encoding="utf-8")


def _facts(folder: Path) -> dict[str, Any]:
    """Read the facts of a half."""
    try:
        facts: dict[str, Any] = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(
            f"a federated model must be a folder with {FACTS}, got {str(folder)!r} "
            "(audio-engine federated train, or join, makes one)"
        ) from error
    except ValueError as error:
        raise _damaged(folder, error) from error
    if facts.get("format_version") != FORMAT_VERSION:
        raise RecipeMismatchError(
            f"format_version of {folder / FACTS} must be {FORMAT_VERSION}, got {facts.get('format_version')}"
        )
    return facts


def _damaged(folder: Path, error: Exception) -> RecipeMismatchError:
    """Make the error of a folder that is not whole."""
    return RecipeMismatchError(f"the federated model in {folder} must be whole: {str(error).splitlines()[0]}")
