"""``export-model`` refuses at the door, before a model is traced, and writes nothing then."""

import sys
from pathlib import Path

import pytest

from tests.command_line import Run


def test_another_ending_is_misuse(run: Run, tmp_path: Path) -> None:
    ran = run("export-model", tmp_path / "encoder.pt")
    assert (ran.status, ran.out) == (2, "")
    assert "out must end in .onnx, got" in ran.err


def test_a_folder_that_is_no_model_is_misuse(run: Run, tmp_path: Path) -> None:
    ran = run("export-model", tmp_path / "encoder.onnx", "--model", tmp_path)
    assert ran.status == 2
    assert "a model must be a folder with recipe.json and model.safetensors" in ran.err
    assert [*tmp_path.iterdir()] == []


def test_without_the_extra_it_says_how_to_install_it(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    ran = run("export-model", tmp_path / "encoder.onnx")
    assert ran.status == 2
    assert ran.err == "error: onnx is not installed: pip install 'audio-content-engine[onnx]'\n"
    assert [*tmp_path.iterdir()] == []
