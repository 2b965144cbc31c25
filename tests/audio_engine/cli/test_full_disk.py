"""A full disk is one line that names the place that is full, and leaves nothing half written."""

from pathlib import Path

import pytest

from audio_engine.embedding.models import shipped_model_id
from tests.command_line import Ran, Run
from tests.disks import fill, small_disk
from tests.paths import ROOT


def check_full(ran: Ran, place: Path) -> None:
    assert ran.status == 1
    assert ran.out == ""
    assert f"error: {place}: No space left on device\n" in ran.err
    assert "Traceback" not in ran.err
    assert str(ROOT) not in ran.err


def test_embedding_names_the_models_of_the_catalogue(run: Run, music: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", n_kib=1_000) as disk:
        check_full(run("embed", music, "-c", disk / "c"), disk / "c" / "models" / shipped_model_id())
        assert list((disk / "c" / "models").iterdir()) == []


@pytest.mark.parametrize("spare_kib", [0, 36, 48])
def test_embedding_names_the_catalogue(run: Run, music: Path, tmp_path: Path, spare_kib: int) -> None:
    with small_disk(tmp_path / "disk", n_kib=9_000) as disk:
        run("use-model", "-c", disk / "c")
        fill(disk)
        with (disk / "fill").open("ab") as filling:
            filling.truncate(filling.tell() - spare_kib * 1_024)
        check_full(run("embed", music, "-c", disk / "c"), disk / "c" / "catalogue.sqlite")
        (disk / "fill").unlink()
        assert run("embed", music, "-c", disk / "c").out == "6 embedded, 1 failed\n"


def test_what_is_written_for_others_is_named_and_what_was_there_stays(
    run: Run, music: Path, embedded: Path, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", n_kib=64) as disk:
        for name in ("x.parquet", "x.m3u"):
            (disk / name).write_text("older")
        fill(disk)
        check_full(run("export", disk / "x.parquet", "-c", embedded), disk / "x.parquet")
        ran = run("path", music / "tone.flac", music / "noise.flac", "-c", embedded, "--m3u", disk / "x.m3u")
        check_full(ran._replace(out=""), disk / "x.m3u")
        assert {path.name for path in disk.iterdir()} == {"x.parquet", "x.m3u", "fill"}
        assert (disk / "x.parquet").read_text() == (disk / "x.m3u").read_text() == "older"


def test_a_token_that_finds_no_space_leaves_the_others(run: Run, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", n_kib=64) as disk:
        run("token", "add", "a", "-c", disk)
        fill(disk)
        check_full(run("token", "add", "b", "-c", disk), disk / "tokens.json")
        assert run("token", "list", "-c", disk).out.count("read") == 1
