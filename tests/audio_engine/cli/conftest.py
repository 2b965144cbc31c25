"""A catalogue of five sounds, one of them twice under a strange name, and of a file that is none."""

import shutil
from pathlib import Path

import pytest

from audio_engine.engine import Engine
from tests.audio_engine.cli.music import STRANGE_NAME, sounds, write_sound
from tests.conftest import BuildOnce


@pytest.fixture(scope="session")
def music(build_once: BuildOnce) -> Path:
    def write(folder: Path) -> None:
        for name, sound in sounds().items():
            artist = "Noise Makers" if name in {"noise", "clicks"} else "Tuners"
            write_sound(folder / f"{name}.flac", sound, artist=artist)
        (folder / STRANGE_NAME).write_bytes((folder / "sweep.flac").read_bytes() + b"junk")
        (folder / "broken.mp3").write_text("this is a letter")

    return build_once("music", write)


@pytest.fixture(scope="session")
def embedded(build_once: BuildOnce, music: Path) -> Path:
    def write(folder: Path) -> None:
        with Engine.open(folder) as engine:
            assert sum(result.status == "embedded" for result in engine.embed(music)) == len(sounds()) + 1

    return build_once("catalogue of the music", write)


@pytest.fixture
def catalogue(embedded: Path, tmp_path: Path) -> Path:
    return shutil.copytree(embedded, tmp_path / "catalogue")
