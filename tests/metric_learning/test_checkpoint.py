"""Checkpoints: what is saved is what is loaded, and a damaged file is refused by name."""

import json
from pathlib import Path

import pytest
import torch

from features.recipe import MelRecipe
from metric_learning.checkpoint import FORMAT_VERSION, load_checkpoint, save_checkpoint
from metric_learning.encoder import AudioEncoder
from metric_learning.encoder_config import EncoderConfig
from metric_learning.model_files import (
    RECIPE_FILE,
    USER_TOWER_FILE,
    WEIGHTS_FILE,
    RecipeMismatchError,
    copy_model,
    front_end_of,
    model_id_of,
)


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_checkpoint(tmp_path / "model", AudioEncoder(EncoderConfig()), MelRecipe())
    return tmp_path / "model"


def test_what_was_saved_is_loaded(model_dir: Path) -> None:
    torch.manual_seed(0)
    expected = AudioEncoder(EncoderConfig()).state_dict()
    encoder, recipe = load_checkpoint(model_dir)
    assert recipe == MelRecipe()
    assert encoder.config == EncoderConfig()
    assert not encoder.training
    for name, tensor in encoder.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=0)


def test_saving_again_gives_equal_bytes(model_dir: Path, tmp_path: Path) -> None:
    again = save_checkpoint(tmp_path / "again", *load_checkpoint(model_dir))
    assert again == model_id_of(model_dir)
    for name in (WEIGHTS_FILE, RECIPE_FILE):
        assert (model_dir / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_another_weight_or_another_number_is_another_model(model_dir: Path) -> None:
    before = model_id_of(model_dir)
    encoder, recipe = load_checkpoint(model_dir)
    with torch.no_grad():
        next(encoder.parameters()).view(-1)[0] += 1
    other_weights = save_checkpoint(model_dir, encoder, recipe)
    other_recipe = save_checkpoint(model_dir, encoder, MelRecipe(n_segments=5))
    assert len({before, other_weights, other_recipe}) == 3


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        (WEIGHTS_FILE, lambda content: content[: len(content) // 2]),
        (WEIGHTS_FILE, lambda content: b""),
        (RECIPE_FILE, lambda content: content[: len(content) // 2]),
        (RECIPE_FILE, lambda content: content.replace(b'"format_version": 2', b'"format_version": 99')),
        (RECIPE_FILE, lambda content: content.replace(b'"dim": 40', b'"dim": 41')),
        (RECIPE_FILE, lambda content: content.replace(b'"mel"', b'"lem"')),
        (RECIPE_FILE, lambda content: json.dumps({"format_version": FORMAT_VERSION}).encode()),
    ],
)
def test_a_damaged_model_is_refused_by_name(name: str, damage: object, model_dir: Path) -> None:
    (model_dir / name).write_bytes(damage((model_dir / name).read_bytes()))  # type: ignore[operator]
    with pytest.raises(RecipeMismatchError, match=str(model_dir)):
        load_checkpoint(model_dir)


def test_a_folder_that_is_no_model_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"recipe\.json and model\.safetensors"):
        load_checkpoint(tmp_path)


def test_a_tower_for_older_weights_goes_with_them(model_dir: Path) -> None:
    (model_dir / USER_TOWER_FILE).write_bytes(b"a tower")
    save_checkpoint(model_dir, *load_checkpoint(model_dir))
    assert not (model_dir / USER_TOWER_FILE).exists()


def test_a_copy_is_found_under_its_id(model_dir: Path, tmp_path: Path) -> None:
    model_id = copy_model(model_dir, tmp_path / "models")
    assert copy_model(model_dir, tmp_path / "models") == model_id
    assert model_id_of(tmp_path / "models" / model_id) == model_id
    assert [path.name for path in (tmp_path / "models").iterdir()] == [model_id]


def test_the_front_end_of_a_model_is_read_without_its_weights(model_dir: Path, tmp_path: Path) -> None:
    assert front_end_of(model_dir) == load_checkpoint(model_dir)[1]
    (tmp_path / WEIGHTS_FILE).write_bytes(b"")
    for damaged in ("{}", '{"mel": {"sample_rat": 1}}'):
        (tmp_path / RECIPE_FILE).write_text(damaged)
        with pytest.raises(RecipeMismatchError, match="must hold a whole recipe"):
            front_end_of(tmp_path)
