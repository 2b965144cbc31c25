"""Catalogues of every older schema open with all they had, and one that is killed meanwhile opens the next time."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from audio_engine import Catalogue
from audio_engine.catalogue.schema import MIGRATIONS, SCHEMA_VERSION
from audio_engine.search.text_search import TextSearch
from tests.made_catalogue import write_catalogue
from tests.old_catalogues import take_back
from tests.paths import ROOT

KILLED = """
import os, sys
from pathlib import Path
from audio_engine import Catalogue
from audio_engine.catalogue import schema
def until_killed(statements, n):
    yield from statements[:n]
    os.kill(os.getpid(), 9)
version, n = int(sys.argv[2]), int(sys.argv[3])
schema.MIGRATIONS[version] = until_killed(schema.MIGRATIONS[version], n)
Catalogue(Path(sys.argv[1]))
"""


def schema_of(catalogue: Catalogue) -> list[tuple[str, str]]:
    """List what the file holds, without the text of tables to which columns were added."""
    query = "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' AND name NOT LIKE 'name_letters%'"
    return sorted(catalogue._connections.main.execute(query))


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return write_catalogue(tmp_path, Path("/music"))


@pytest.mark.parametrize("version", sorted(MIGRATIONS))
def test_a_catalogue_of_every_older_schema_opens_with_all_it_had(old: Path, version: int) -> None:
    with Catalogue(old) as catalogue:
        before, tracks, model_id = schema_of(catalogue), catalogue.tracks(), catalogue.model_id
        vectors = catalogue.vectors(model_id)[1].tobytes()
        take_back(catalogue._connections.main, version)
    with Catalogue(old) as catalogue:
        assert schema_of(catalogue) == before
        assert (catalogue.tracks(), catalogue.vectors(model_id)[1].tobytes()) == (tracks, vectors)
        assert (catalogue.n_pending(model_id), catalogue.n_pending("other")) == (0, len(tracks))
        found = catalogue.vector_changes(catalogue.vectors_stamp, model_id)
        assert found is not None
        assert (found.gone, found.track_ids) == ((), ())
        assert len(TextSearch(catalogue).ranked(["drums"], 10)) == 6


@pytest.mark.parametrize("n_done", [0, 4, len(MIGRATIONS[SCHEMA_VERSION - 1])])
def test_a_migration_that_is_killed_leaves_the_catalogue_as_it_was(old: Path, n_done: int) -> None:
    with Catalogue(old) as catalogue:
        before, tracks = schema_of(catalogue), catalogue.tracks()
        take_back(catalogue._connections.main, SCHEMA_VERSION - 1)
        taken_back = schema_of(catalogue)
    command = [sys.executable, "-c", KILLED, str(old), str(SCHEMA_VERSION - 1), str(n_done)]
    ran = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False)
    assert ran.returncode == -signal.SIGKILL
    assert taken_back != before
    with Catalogue(old) as catalogue:
        assert (schema_of(catalogue), catalogue.tracks()) == (before, tracks)
