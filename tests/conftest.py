"""Fixtures shared by several rooms, each made once."""

import sys
from pathlib import Path

import pytest

from audio_engine import Engine
from audio_engine.cli.main import main
from tests.command_line import Ran, Run
from tests.genre_world import write_world


@pytest.fixture(scope="session")
def genre_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `music` (tests.genre_world) and its `catalogue`, embedded, without a classifier; tests copy it."""
    folder = tmp_path_factory.mktemp("genre world")
    write_world(folder / "music")
    with Engine.open(folder / "catalogue") as engine:
        assert [result.status for result in engine.embed(folder / "music")] == ["embedded"] * 18
    return folder


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run_main(*arguments: str | Path) -> Ran:
        monkeypatch.setattr(sys, "argv", ["audio-engine", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main()
        assert isinstance(exit_.value.code, int)
        return Ran(exit_.value.code, *capsys.readouterr())

    return run_main
