"""A catalogue of low and high tones, with plays of users who like either the low or the high ones."""

import shutil
from pathlib import Path

import pytest

from audio_engine import Engine
from tests.conftest import BuildOnce
from tests.listening_world import N_COLD, N_WARM, write_world


@pytest.fixture(scope="session")
def tones(build_once: BuildOnce) -> Path:
    """A folder with the listening world, a copy of one of its tracks, and its `catalogue`: to be copied."""

    def write(folder: Path) -> None:
        write_world(folder)
        shutil.copy(folder / "t2.wav", folder / "t2 again.wav")  # a copy of a low tone
        with Engine.open(folder / "catalogue") as engine:
            assert [result.status for result in engine.embed(folder)] == ["embedded"] * (N_WARM + N_COLD + 1)

    return build_once("tones", write)


@pytest.fixture
def world(tones: Path, tmp_path: Path) -> Path:
    """The same, copied for one test."""
    shutil.copytree(tones / "catalogue", tmp_path / "catalogue")
    for table in tones.glob("*.parquet"):
        shutil.copy(table, tmp_path)
    return tmp_path


@pytest.fixture
def directory(world: Path) -> Path:
    return world / "catalogue"
