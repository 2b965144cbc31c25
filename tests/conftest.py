"""What several rooms' tests share: it is made once."""

from pathlib import Path

import pytest

from audio_engine import Engine
from tests.genre_world import write_world


@pytest.fixture(scope="session")
def genre_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `music` (tests.genre_world) and its `catalogue`, embedded, without a classifier: to be copied."""
    folder = tmp_path_factory.mktemp("genre world")
    write_world(folder / "music")
    with Engine.open(folder / "catalogue") as engine:
        assert [result.status for result in engine.embed(folder / "music")] == ["embedded"] * 18
    return folder
