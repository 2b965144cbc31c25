"""A catalogue that can only be read answers; what would write says in one line that it cannot."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from audio_engine import Catalogue, CatalogueError
from audio_engine.catalogue import schema
from tests.command_line import Ran, Run
from tests.disks import as_nobody_special, fill, read_only_disk, small_disk, without_permissions


@pytest.fixture(params=["no permission", "read-only disk", "full disk"])
def locked(request: pytest.FixtureRequest, catalogue: Path, tmp_path: Path) -> Iterator[Path]:
    """A catalogue that cannot be written."""
    if request.param == "no permission":
        with without_permissions(catalogue):
            yield catalogue
    elif request.param == "read-only disk":
        with read_only_disk(catalogue, tmp_path / "disk") as disk:
            yield disk
    else:
        with small_disk(tmp_path / "disk", n_kib=9_000) as disk:
            shutil.copytree(catalogue, disk / "catalogue")
            fill(disk)
            yield disk / "catalogue"


@pytest.fixture
def ask(run: Run, locked: Path) -> Run:
    def ask_locked(*words: str | Path) -> Ran:
        return run(*words, "-c", locked)

    return ask_locked


def test_what_only_reads_works(run: Run, ask: Run, embedded: Path, music: Path, tmp_path: Path) -> None:
    for words in (
        ["similar", music / "tone.flac", "--json"],
        ["similar", music / "tone.flac", "--not-artist", "tuners", "--json"],
        ["path", music / "tone.flac", music / "noise.flac", "--json"],
        ["tracks", "--json"],
        ["errors", "--json"],
        ["recall", "--liked", music / "tone.flac", "--json"],
        ["embed", music, "--dry-run"],
    ):
        assert ask(*words) == run(*words, "-c", embedded)
    assert ask("info").status == 0


def test_what_writes_says_so_in_one_line(request: pytest.FixtureRequest, ask: Run, locked: Path, music: Path) -> None:
    is_full = "full disk" in request.node.name
    why = "No space left on device" if is_full else "can only be read: no permission, or a read-only disk"
    for words in (
        ["embed", music],
        ["embed", music, "--force"],
        ["remove", music / "tone.flac"],
        ["errors", "--retry"],
    ):
        ran = ask(*words)
        assert (ran.status, ran.out, len(ran.err.splitlines())) == (1, "", 1), words
        assert why in ran.err, words
        assert str(locked / "catalogue.sqlite") in ran.err


def test_an_export_goes_elsewhere(run: Run, catalogue: Path, tmp_path: Path) -> None:
    with without_permissions(catalogue):
        assert run("export", tmp_path / "x.parquet", "-c", catalogue).status == 0
    assert len(pl.read_parquet(tmp_path / "x.parquet")) == 6


def test_a_file_on_a_disk_that_can_only_be_read_is_refused_in_these_words(
    run: Run, catalogue: Path, tmp_path: Path
) -> None:
    with read_only_disk(catalogue, tmp_path / "disk") as disk:
        ran = run("export", disk / "x.parquet", "-c", disk)
        assert ran == (1, "", f"error: {disk / 'x.parquet'}: Read-only file system\n")


def test_changes_that_wait_in_a_log_are_never_passed_over(catalogue: Path, tmp_path: Path) -> None:
    with Catalogue(catalogue) as opened:
        opened.remove([opened.tracks("embedded")[0].track_id])
        with without_permissions(catalogue), Catalogue(catalogue) as reading:  # its owner is still at it
            assert reading.n_tracks("embedded") == opened.n_tracks("embedded") == 5
        left_over = shutil.copytree(catalogue, tmp_path / "left over")
    (left_over / "catalogue.sqlite-shm").unlink()
    with (
        without_permissions(left_over),
        pytest.raises(CatalogueError, match=r"last changes are in catalogue\.sqlite-wal"),
    ):
        Catalogue(left_over)


def test_an_old_catalogue_that_can_only_be_read_says_what_it_needs(
    catalogue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "SCHEMA_VERSION", schema.SCHEMA_VERSION + 1)
    monkeypatch.setitem(schema.MIGRATIONS, schema.SCHEMA_VERSION - 1, ())
    with (
        without_permissions(catalogue),
        pytest.raises(CatalogueError, match=f"must have schema {schema.SCHEMA_VERSION} to be read without"),
    ):
        Catalogue(catalogue)


def test_a_catalogue_that_may_not_even_be_read_is_one_line(run: Run, catalogue: Path) -> None:
    (catalogue / "catalogue.sqlite").chmod(0)
    with as_nobody_special():
        ran = run("tracks", "-c", catalogue)
    assert (ran.status, ran.out, len(ran.err.splitlines())) == (1, "", 1)
    assert "unable to open database file" in ran.err
