"""One service that several modules only read from."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from audio_engine import Engine
from tests.service.serving import served


@pytest.fixture(scope="session")
def catalogue(genre_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of 18 tracks with a genre classifier: to be read."""
    return shutil.copytree(genre_world / "trained", tmp_path_factory.mktemp("served") / "catalogue")


@pytest.fixture(scope="session")
def client(catalogue: Path) -> Iterator[httpx.Client]:
    """A service over it, to be asked and not to be changed."""
    with served(Engine.open(catalogue)) as client:
        yield client
