"""Fixtures: a catalogue with profiles of planted users."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from audio_engine import Engine
from audio_engine.users.user_profiles import UserProfiles
from tests.audio_engine.users.planted import write_plays
from tests.conftest import BuildOnce


@pytest.fixture(scope="session")
def listened(genre_world: Path, build_once: BuildOnce) -> Path:
    """A folder with `catalogue`, whose profiles are made, `plays.parquet` and `users.parquet`; only read."""

    def write(folder: Path) -> None:
        with Engine.open(shutil.copytree(genre_world / "catalogue", folder / "catalogue")) as engine:
            write_plays(engine, folder)
            UserProfiles(engine.catalogue, engine.models).update(folder / "plays.parquet")

    return build_once("users who listened", write)


@pytest.fixture
def profiles(listened: Path) -> Iterator[UserProfiles]:
    with Engine.open(listened / "catalogue") as engine:
        yield UserProfiles(engine.catalogue, engine.models)
