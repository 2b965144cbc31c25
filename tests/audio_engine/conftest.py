"""What several tests of the command line share."""

import sys
from pathlib import Path

import pytest

from audio_engine.cli.main import main
from tests.audio_engine.command_line import Ran, Run


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
