"""Fixtures of the service's tests: one shared service for reading, and a browser."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from audio_engine import Engine
from tests.service.browser import chromium
from tests.service.serving import served


@pytest.fixture(scope="session")
def catalogue(genre_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of 18 tracks with a genre classifier, read-only."""
    return shutil.copytree(genre_world / "trained", tmp_path_factory.mktemp("served") / "catalogue")


@pytest.fixture(scope="session")
def client(catalogue: Path) -> Iterator[httpx.Client]:
    """A service over the catalogue, read-only."""
    with served(Engine.open(catalogue)) as client:
        yield client


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium, for the tests of one module."""
    with chromium() as browser:
        yield browser
