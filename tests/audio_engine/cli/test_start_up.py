"""Commands load what they use: a look-up starts without torch, help without NumPy."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer

from audio_engine import Catalogue
from audio_engine.cli.commands import app
from tests.made_catalogue import write_catalogue
from tests.paths import ROOT

LINE = 72  # letters of a command's name and description, on a terminal of 80
LOADED = """
import sys
from audio_engine.cli.main import main
try:
    main()
finally:
    sys.stderr.write(" ".join(name for name in sys.modules if "." not in name))
"""


def loaded_by(*words: object) -> tuple[str, set[str]]:
    """Run a command; what it put on stdout, and the packages that it has loaded."""
    command = [sys.executable, "-c", LOADED, *map(str, words)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return ran.stdout, set(ran.stderr.splitlines()[-1].split())


def test_help_loads_neither_numpy_nor_rich() -> None:
    out, loaded = loaded_by("--help")
    assert "similar" in out
    assert not loaded & {"numpy", "rich", "torch", "faiss", "polars"}


@pytest.mark.parametrize("command", ["similar", "path", "info", "tracks"])
def test_a_look_up_loads_no_torch_no_decoder_and_no_tables(command: str, tmp_path: Path) -> None:
    with Catalogue(write_catalogue(tmp_path, Path("/music"))) as catalogue:
        ids = [track.track_id for track in catalogue.tracks()]
    words = {"similar": ids[:1], "path": [ids[0], ids[-1]]}.get(command, [])
    out, loaded = loaded_by(command, *words, "-c", tmp_path)
    assert out
    assert "numpy" in loaded
    assert not loaded & {"torch", "torchaudio", "scipy", "sklearn", "polars", "av", "soundfile", "mutagen"}


def test_help_cuts_no_description_short() -> None:
    def cut(group: click.Group, names: str) -> Iterator[str]:
        widest = max(map(len, group.commands))
        for name, command in group.commands.items():
            if command.get_short_help_str(LINE - widest).endswith("..."):
                yield f"{names} {name}"
            if isinstance(command, click.Group):
                yield from cut(command, f"{names} {name}")

    assert list(cut(typer.main.get_command(app), "audio-engine")) == []  # type: ignore[arg-type]
