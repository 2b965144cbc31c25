"""Fixtures of the service's tests: one shared service for reading, and catalogues of their own for tests that write."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from audio_engine import Engine
from tests.service.serving import served


@pytest.fixture(scope="session")
def catalogue(genre_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of 18 tracks with a genre classifier, read-only."""
    directory = shutil.copytree(genre_world / "catalogue", tmp_path_factory.mktemp("served") / "catalogue")
    with Engine.open(directory) as engine:
        engine.genres.train()
    return directory


@pytest.fixture(scope="session")
def client(catalogue: Path) -> Iterator[httpx.Client]:
    """A service over the catalogue, read-only."""
    with served(Engine.open(catalogue)) as client:
        yield client


@pytest.fixture
def own(genre_world: Path, tmp_path: Path) -> Path:
    """A catalogue that a test may change."""
    return shutil.copytree(genre_world / "catalogue", tmp_path / "catalogue")
