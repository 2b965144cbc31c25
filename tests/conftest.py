"""Fixtures shared by several rooms: sounds, catalogues and models, each made once a session and copied."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from audio_engine import Engine
from audio_engine.cli.main import main
from metric_learning.embedder import Embedder
from tests import genre_world as genres
from tests import listening_world as listening
from tests.command_line import Ran, Run

BuildOnce = Callable[[str, Callable[[Path], None]], Path]


def pytest_configure(config: pytest.Config) -> None:
    """Before workers of pytest-xdist start, bound each of them to one thread: they share the cores already."""
    if config.getoption("numprocesses", None):
        os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def build_once(tmp_path_factory: pytest.TempPathFactory) -> BuildOnce:
    """Fill a folder once for all workers of pytest-xdist: who comes second waits, and all only read from it."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def build(name: str, write: Callable[[Path], None]) -> Path:
        folder, done = base / name, base / f"{name} is done"
        with FileLock(base / f"{name}.lock"):
            if not done.exists():
                folder.mkdir()
                write(folder)
                done.touch()
        return folder

    return build


@pytest.fixture(scope="session")
def embedder() -> Embedder:
    """The shipped model."""
    return Embedder.load(device="cpu")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The catalogue of `engine`: empty, unless a module's tests override it."""
    return tmp_path / "catalogue"


@pytest.fixture
def engine(directory: Path) -> Iterator[Engine]:
    with Engine.open(directory) as engine:
        yield engine


@pytest.fixture(scope="session")
def genre_world(build_once: BuildOnce) -> Path:
    """A folder with `music` (tests.genre_world), its `catalogue`, embedded, and the same `trained` on its genres."""

    def write(folder: Path) -> None:
        genres.write_world(folder / "music")
        with Engine.open(folder / "catalogue") as engine:
            assert [result.status for result in engine.embed(folder / "music")] == ["embedded"] * 18
        with Engine.open(shutil.copytree(folder / "catalogue", folder / "trained")) as engine:
            engine.genres.train()

    return build_once("genre world", write)


@pytest.fixture
def own(genre_world: Path, tmp_path: Path) -> Path:
    """The catalogue of `genre_world`, without a classifier, for tests that change it."""
    return shutil.copytree(genre_world / "catalogue", tmp_path / "catalogue")


@pytest.fixture(scope="session")
def world(build_once: BuildOnce) -> Path:
    """A folder with the tables and sounds of tests.listening_world, and a model of their size to `start` from."""

    def write(folder: Path) -> None:
        listening.write_world(folder)
        listening.write_model(folder / "start")

    return build_once("listening world", write)


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
