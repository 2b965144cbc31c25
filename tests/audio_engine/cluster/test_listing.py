"""Listings of URIs, and local copies of remote files."""

import os
from pathlib import Path

import fsspec
import polars as pl
import pytest

from audio_engine.catalogue.paths import catalogue_path, uri_of
from audio_engine.cluster.listing import list_uris
from audio_engine.cluster.locations import local_copy
from audio_engine.cluster.stages import read_row
from audio_engine.decoding.pool import DecoderPool
from features.recipe import MelRecipe
from tests.dying_worker import DyingPool
from tests.sounds import write_sound

RAW_NAME = os.fsdecode(b"\xff.flac")  # bytes that are not UTF-8


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    sound = write_sound(folder / "a b.flac")
    (folder / RAW_NAME).write_bytes(sound.read_bytes())
    return folder


def test_a_folder_gives_the_sounds_below_it(music: Path) -> None:
    (music / "cover.jpg").write_text("no sound")
    assert list(list_uris([str(music)])) == [f"{music}/a b.flac", f"file://{music}/%FF.flac"]


@pytest.mark.parametrize("name", ["a::b", "a%20b", "a#b?c", "[a]*"])
def test_a_folder_may_be_called_what_a_uri_would_read_otherwise(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    track = write_sound(tmp_path / name / "a.flac")
    for source in (track.parent, track):
        assert list(list_uris([str(source)])) == list(list_uris([source.as_uri()])) == [str(track)]


def test_a_text_file_gives_a_uri_a_line_whatever_its_bytes(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(music)
    Path("list.txt").write_bytes(b"a b.flac\r\n\n\xff.flac\nmemory://x.mp3\n")
    assert list(list_uris(["list.txt"])) == [f"{music}/a b.flac", f"file://{music}/%FF.flac", "memory://x.mp3"]


@pytest.mark.parametrize("column", ["uri", "path"])
def test_a_parquet_file_gives_its_column(tmp_path: Path, column: str) -> None:
    pl.DataFrame({column: ["/x.mp3", "memory://y.mp3", None]}).write_parquet(tmp_path / "list.parquet")
    assert list(list_uris([str(tmp_path / "list.parquet")])) == ["/x.mp3", "memory://y.mp3"]


def test_a_folder_elsewhere_gives_uris_and_a_listing_may_lie_there_too(tmp_path: Path) -> None:
    home = fsspec.filesystem("memory")
    home.pipe({"/shelf/a.mp3": b"a", "/shelf/deep/b.flac": b"b", "/shelf/c.txt": b"/x.mp3\n"})
    assert list(list_uris(["memory://shelf"])) == ["memory:///shelf/a.mp3", "memory:///shelf/deep/b.flac"]
    assert list(list_uris(["memory://shelf/c.txt"])) == ["/x.mp3"]


def test_a_sound_that_is_named_twice_is_listed_once(music: Path) -> None:
    assert len(list_uris([str(music), str(music / "a b.flac")])) == 2


def test_what_cannot_be_listed_is_refused_at_the_door(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="No such file"):
        list_uris([str(tmp_path / "nowhere")])
    (tmp_path / "list.txt").write_text("nonsense://a.mp3\n")
    with pytest.raises(ValueError, match=r"uri must be of a supported scheme, got 'nonsense://a\.mp3'"):
        list_uris([str(tmp_path / "list.txt")])
    pl.DataFrame({"name": ["a"]}).write_parquet(tmp_path / "list.parquet")
    with pytest.raises(ValueError, match="listing must be Parquet with a column uri or path"):
        list_uris([str(tmp_path / "list.parquet")])


def test_what_a_store_raises_of_its_own_names_what_could_not_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    class StoreError(Exception):
        pass

    def refuse(*_: object) -> bool:
        raise StoreError("Unable to locate credentials")

    monkeypatch.setattr(fsspec.filesystem("memory"), "exists", refuse)
    with pytest.raises(OSError, match="Unable to locate credentials") as caught:
        list_uris(["memory://shelf"])
    assert caught.value.filename == "memory://shelf"


def test_a_local_file_is_opened_where_it_lies(music: Path) -> None:
    for path in music.iterdir():
        with local_copy(uri_of(path)) as file:
            status = path.stat()
            assert (file.path, file.file_size, file.mtime_ns) == (path, status.st_size, status.st_mtime_ns)
        assert catalogue_path(uri_of(path)) == path


def test_a_file_elsewhere_is_copied_for_as_long_as_it_is_read() -> None:
    fsspec.filesystem("memory").pipe("/shelf/a.mp3", b"sound")
    with local_copy("memory://shelf/a.mp3") as file:
        assert file.path.read_bytes() == b"sound"
        assert (file.path.suffix, file.file_size) == (".mp3", 5)
        assert file.mtime_ns > 0
    assert not file.path.exists()


def test_a_decoder_that_dies_or_hangs_costs_one_row_and_its_reason(music: Path) -> None:
    good = music / "a b.flac"
    for word in ("segfault", "hang"):
        (music / f"{word}.flac").write_bytes(good.read_bytes())
    with DyingPool(MelRecipe(), n_workers=1) as decoders:
        assert read_row(str(music / "segfault.flac"), decoders)["error"] == "its decoder died: SIGSEGV"
        assert read_row(str(music / "hang.flac"), decoders)["error"] == "its decoder hung: no answer in 1 s"
        assert read_row(str(good), decoders)["error"] == ""


def test_what_the_home_of_a_file_raises_is_the_reason_of_its_row(tmp_path: Path) -> None:
    with DecoderPool(MelRecipe(), n_workers=1) as decoders:
        assert read_row(str(tmp_path / "gone.mp3"), decoders)["error"] == "No such file or directory"
        assert read_row("memory://gone.mp3", decoders)["error"] == "FileNotFoundError: /gone.mp3"
        assert read_row(str(tmp_path), decoders)["error"] == "it is not a regular file"
