"""Uploaded files: stored by content, searchable at once, deleted only if the engine owns them."""

import os
import shutil
import threading
from pathlib import Path

import pytest

from audio_engine import DecodeError, DuplicateTrackError, Engine, TooLongError, UnknownTrackError
from audio_engine.catalogue.api_tokens import TokenFile


@pytest.fixture
def directory(own: Path) -> Path:
    return own


@pytest.fixture
def song(genre_world: Path, tmp_path: Path) -> Path:
    """A file with content that the catalogue lacks: one of its tracks with bytes appended."""
    path = tmp_path / "brought.flac"
    path.write_bytes(next((genre_world / "music").glob("Drums*")).read_bytes() + b"\0")
    return path


def test_a_file_moves_in_and_is_found_by_the_index_that_is_held(engine: Engine, song: Path) -> None:
    index = engine.search.index.current()
    content = song.read_bytes()
    track = engine.uploads.add(song, name="Some Name.FLAC")
    assert not song.exists()
    assert track.path.read_bytes() == content
    assert track.path.is_relative_to(engine.directory / "uploads")
    assert track.path.suffix == ".flac"
    assert track.tags.genre == "Drums"
    assert engine.search.index.current() is index
    assert track.track_id in index
    assert engine.plan(engine.directory / "uploads").to_embed == ()  # it is a track like any other
    engine.uploads.remove(track.track_id)
    assert not track.path.exists()
    assert track.track_id not in index
    with pytest.raises(UnknownTrackError):
        engine.uploads.remove(track.track_id)


def test_bytes_that_are_there_are_refused_and_stay_where_they_were(
    engine: Engine, genre_world: Path, song: Path
) -> None:
    known = next((genre_world / "music").iterdir())
    twin = Path(shutil.copy(known, song.with_name("twin.flac")))
    with pytest.raises(DuplicateTrackError, match="must be new to the catalogue"):
        engine.uploads.add(twin)
    assert twin.exists()
    track = engine.uploads.add(song)
    again = Path(shutil.copy(track.path, song))
    with pytest.raises(DuplicateTrackError, match=track.track_id):
        engine.uploads.add(again)


def test_the_same_bytes_from_many_at_once_come_in_once(engine: Engine, song: Path) -> None:
    copies = [Path(shutil.copy(song, song.with_name(f"{number}.flac"))) for number in range(4)]
    outcomes: list[str] = []

    def add(copy: Path) -> None:
        try:
            outcomes.append(engine.uploads.add(copy).track_id)
        except DuplicateTrackError:
            outcomes.append("duplicate")

    threads = [threading.Thread(target=add, args=(copy,)) for copy in copies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes).count("duplicate") == 3
    assert engine.catalogue.n_tracks("embedded") == 19


def test_what_was_left_by_a_killed_process_is_replaced(engine: Engine, song: Path) -> None:
    track = engine.uploads.add(song)
    kept = Path(shutil.copy(track.path, song))
    engine.catalogue.remove([track.track_id])  # as if it had been killed before the catalogue knew the file
    again = engine.uploads.add(kept)
    assert again.path == track.path
    assert engine.search.neighbours([*engine.search.track_vectors([again.track_id]).values()], 3)


def test_what_a_killed_process_left_on_its_way_is_deleted_once_it_is_old(engine: Engine) -> None:
    engine.uploads.incoming.mkdir(parents=True)
    old, new = engine.uploads.incoming / "old", engine.uploads.incoming / "new"
    for file in (old, new):
        file.touch()
    os.utime(old, (0, 0))
    engine.uploads.clear_abandoned()
    assert [*engine.uploads.incoming.iterdir()] == [new]


def test_a_track_that_lasts_too_long_is_refused_by_decoders_that_are_kept(engine: Engine, song: Path) -> None:
    engine.decoders.keep(engine.embedder.recipe, n_workers=1, max_duration_s=1.0)
    with pytest.raises(TooLongError, match=r"at most 1 s, got 3 s or more"):
        engine.uploads.add(song)
    engine.decoders.keep(engine.embedder.recipe, n_workers=1)
    assert engine.uploads.add(song).tags.duration_s == pytest.approx(3.0)


def test_decoding_that_nobody_waits_for_can_be_given_up(engine: Engine, song: Path) -> None:
    engine.decoders.keep(engine.embedder.recipe, n_workers=1)
    engine.decoders.give_up(song)  # not at it: nothing happens
    assert engine.decoders.read(song, engine.embedder.recipe).tags.genre == "Drums"


def test_a_damaged_file_of_tokens_lets_nobody_in(tmp_path: Path) -> None:
    (tmp_path / "tokens.json").write_text('[{"name": "a"}]')
    with pytest.raises(ValueError, match="tokens must be a list"):
        TokenFile(tmp_path).find("a")


def test_no_sound_is_no_track(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "letter.mp3").write_text("a letter")
    with pytest.raises(DecodeError):
        engine.uploads.add(tmp_path / "letter.mp3")
    assert engine.catalogue.n_tracks("embedded") == 18
