"""Tags of every common format read the same, and damaged ones do no harm."""

import os
import struct
from collections.abc import Callable
from pathlib import Path

import mutagen
import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutagen.apev2 import APEv2
from mutagen.id3 import ID3, TALB, TCON, TDRC, TIT2, TPE1, TPE2
from mutagen.mp4 import MP4Tags

from audio_engine.catalogue.tags import MAX_CHARACTERS, Tags, _texts_by_name, one_line, read_tags

SECOND = np.zeros(8_000, np.float32)
EXPECTED = Tags(
    title="Title", artist="One; Two", album="Album", genre="Rock", year=1987, duration_s=pytest.approx(1, abs=0.1)
)


def write_sound(path: Path, **how: str) -> Path:
    soundfile.write(path, SECOND, 8_000, **how)
    return path


def add_id3(path: Path) -> None:
    file = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    frames = (
        TIT2(text="Title"),
        TPE1(text=["One", "Two"]),
        TALB(text="Album"),
        TCON(text="(17)"),
        TDRC(text="1987-05-01"),
    )
    for frame in frames:
        file.tags.add(frame)
    file.save()


def add_vorbis_comments(path: Path) -> None:
    file = mutagen.File(path)
    file.update({"TITLE": "Title", "artist": ["One", "Two"], "Album": "Album", "genre": "Rock", "date": "19870501"})
    file.save()


@pytest.mark.parametrize(
    ("ending", "subtype", "add"),
    [
        ("mp3", "MPEG_LAYER_III", add_id3),
        ("wav", "PCM_16", add_id3),
        ("aiff", "PCM_16", add_id3),
        ("flac", "PCM_16", add_vorbis_comments),
        ("ogg", "VORBIS", add_vorbis_comments),
        ("opus", "OPUS", add_vorbis_comments),
    ],
)
def test_every_format_says_the_same(tmp_path: Path, ending: str, subtype: str, add: Callable[[Path], None]) -> None:
    container = "OGG" if ending == "opus" else None
    path = write_sound(tmp_path / f"sound.{ending}", subtype=subtype, format=container)
    add(path)
    assert read_tags(path) == EXPECTED


def test_mp4_and_ape_names_are_known() -> None:
    mp4 = MP4Tags()
    mp4.update({"\xa9nam": ["Title"], "\xa9ART": ["One", "Two"], "\xa9day": ["1987"], "trkn": [(1, 2)]})
    assert _texts_by_name(mp4) == {"©nam": "Title", "©art": "One; Two", "©day": "1987"}
    ape = APEv2()
    ape["Title"] = "Title"
    ape["Artist"] = ["One", "Two"]
    assert _texts_by_name(ape) == {"title": "Title", "artist": "One; Two"}


def test_the_artist_of_the_album_stands_in_for_that_of_the_track(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.mp3")
    file = mutagen.File(path)
    file.add_tags()
    file.tags.add(TPE2(text="Various"))
    file.save()
    assert read_tags(path).artist == "Various"


@pytest.mark.parametrize(
    ("date", "year"),
    [("1997", 1997), ("1997-05-01", 1997), ("May 1997", 1997), ("0000", None), ("12345", None), ("soon", None)],
)
def test_a_year_is_found_in_a_date(tmp_path: Path, date: str, year: int | None) -> None:
    path = write_sound(tmp_path / "a.flac")
    file = mutagen.File(path)
    file["date"] = date
    file.save()
    assert read_tags(path).year == year


def test_a_file_without_tags_says_only_its_length(tmp_path: Path) -> None:
    assert read_tags(write_sound(tmp_path / "a.wav")) == Tags(duration_s=1.0)


def test_a_file_under_a_wrong_name_is_known_by_its_content(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.flac")
    add_vorbis_comments(path)
    assert read_tags(path.rename(tmp_path / "a.mp3")) == EXPECTED


def test_tags_before_damaged_sound_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    tags = ID3()
    tags.add(TIT2(text="Title"))
    tags.save(path)
    with path.open("ab") as file:
        file.write(b"no frame of MPEG here " * 100)
    assert read_tags(path) == Tags(title="Title")


def test_text_is_one_clean_line(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.flac")
    file = mutagen.File(path)
    file["title"] = "Dies\r\nirae \x00\x1b[31m é 🎵 "
    file["artist"] = "x" * 5_000
    file.save()
    assert read_tags(path).title == "Dies irae [31m é 🎵"
    assert len(read_tags(path).artist) == MAX_CHARACTERS


@settings(deadline=None)
@given(st.text())
def test_one_line_is_one_line_of_utf8(text: str) -> None:
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert line == line.strip() == line.encode().decode()


@pytest.mark.parametrize("name", ["folder", "fifo", "nowhere"])
def test_what_is_no_file_has_no_tags(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    assert read_tags(tmp_path / name) == Tags()


@pytest.mark.parametrize("ending", ["mp3", "flac", "ogg", "m4a", "wav", "wma", "ape", "txt", ""])
@pytest.mark.parametrize(
    "content", [b"", b"hello", b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f", b"OggS", b"fLaC\x00\xff\xff\xff"]
)
def test_rubbish_has_no_tags(tmp_path: Path, ending: str, content: bytes) -> None:
    path = tmp_path / f"rubbish.{ending}"
    path.write_bytes(content)
    assert read_tags(path) == Tags()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(data=st.data())
def test_no_damage_makes_reading_raise(tmp_path: Path, data: st.DataObject) -> None:
    whole = tmp_path / "whole.flac"
    if not whole.exists():
        write_sound(whole)
        add_vorbis_comments(whole)
        add_id3(write_sound(tmp_path / "whole.mp3", subtype="MPEG_LAYER_III"))
    ending = data.draw(st.sampled_from(["flac", "mp3"]))
    content = bytearray((tmp_path / f"whole.{ending}").read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, min(len(content), 400) - 4))
        content[at : at + 4] = struct.pack(">I", data.draw(st.integers(0, 2**32 - 1)))
    damaged = tmp_path / f"damaged.{ending}"
    damaged.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    assert isinstance(read_tags(damaged), Tags)
