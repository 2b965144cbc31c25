"""Tags of every common format read the same, and damaged ones do no harm."""

import os
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import av
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


def write_with_metadata(path: Path, codec: str) -> Path:
    """Encode a second, with the tags that FFmpeg writes in this format."""
    with av.open(str(path), "w") as container:
        container.metadata.update(title="Title", artist="One; Two", album="Album", genre="Rock", date="1987")
        stream = container.add_stream(codec, rate=8_000, layout="mono")
        resampler = av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=8_000)
        frame = av.AudioFrame.from_ndarray(SECOND[np.newaxis], format="fltp", layout="mono")
        frame.sample_rate = 8_000
        for piece in resampler.resample(frame):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(("ending", "codec"), [("wav", "pcm_s16le"), ("wv", "wavpack")])
def test_riff_info_and_ape_tags_of_others_are_read(tmp_path: Path, ending: str, codec: str) -> None:
    assert read_tags(write_with_metadata(tmp_path / f"a.{ending}", codec)) == EXPECTED


def write_ape_tags(path: Path) -> Path:
    tags = APEv2()
    tags.update({"Title": "Title", "Artist": ["One", "Two"], "Album": "Album", "Genre": "Rock", "Year": "1987"})
    tags.save(path)
    return path


@pytest.mark.parametrize("head", [None, b"MP+\x07", b"MPCK", b"MAC ", b"wvpk", b"\xff\xf1\x50\x80", b"OFR "])
def test_ape_tags_are_read_at_the_end_of_any_file(tmp_path: Path, head: bytes | None) -> None:
    if head is None:
        path = write_sound(tmp_path / "a.mp3", subtype="MPEG_LAYER_III")
    else:  # as far as a kind is told by its head: of most kinds nobody has an encoder
        path = tmp_path / "a.bin"
        path.write_bytes(head + bytes(3_000))
    assert replace(read_tags(write_ape_tags(path)), duration_s=1.0) == EXPECTED


def test_id3_goes_before_ape_tags_and_they_before_riff_info_field_by_field(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.mp3", subtype="MPEG_LAYER_III")
    file = mutagen.File(path)
    file.add_tags()
    file.tags.add(TIT2(text="By ID3"))
    file.save()
    write_ape_tags(path)
    assert replace(read_tags(path), duration_s=1.0) == replace(EXPECTED, title="By ID3")
    path = write_with_metadata(tmp_path / "a.wav", "pcm_s16le")
    file = mutagen.File(path)
    file.add_tags()
    file.tags.add(TIT2(text="By ID3"))
    file.tags.add(TPE2(text="Band"))
    file.save()
    assert read_tags(path) == replace(EXPECTED, title="By ID3")


def riff(*chunks: tuple[bytes, bytes], head: bytes = b"RIFF") -> bytes:
    body = b"".join(name + struct.pack("<I", len(text)) + text + bytes(len(text) % 2) for name, text in chunks)
    return head + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


def info(*chunks: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    return b"LIST", b"INFO" + riff(*chunks)[12:]


@pytest.mark.parametrize(
    ("text", "title"),
    [
        (b"Odd\0", "Odd"),
        (b"no end", "no end"),
        ("Títle\0".encode(), "Títle"),
        ("Títle – x\0".encode("cp1252"), "Títle – x"),
        (b"\0", ""),
        (b"a\0rubbish", "a"),
    ],
)
@pytest.mark.parametrize("head", [b"RIFF", b"RF64"])
def test_riff_info_of_any_encoding_and_place_is_read(tmp_path: Path, text: bytes, title: str, head: bytes) -> None:
    for chunks in (
        [(b"data", b"odd"), info((b"INAM", text))],
        [info((b"ISFT", b"x"), (b"INAM", text)), (b"data", b"")],
    ):
        (tmp_path / "a.wav").write_bytes(riff(*chunks, head=head))
        assert read_tags(tmp_path / "a.wav").title == title


def test_riff_info_behind_sound_of_more_than_4_gib_is_read(tmp_path: Path) -> None:
    n_bytes = 5 << 30
    with (tmp_path / "a.wav").open("wb") as file:
        file.write(riff((b"ds64", struct.pack("<QQQI", n_bytes + 100, n_bytes, 0, 0)), head=b"RF64"))
        file.write(b"data\xff\xff\xff\xff")
        file.seek(n_bytes, os.SEEK_CUR)
        file.write(riff(info((b"IART", b"One\0"), (b"IART", b"Two\0")))[12:])
    assert read_tags(tmp_path / "a.wav").artist == "One; Two"


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_no_damaged_riff_makes_reading_raise(list_: bytes, rest: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.wav"
        path.write_bytes(riff((b"LIST", b"INFO" + list_)) + rest)
        assert isinstance(read_tags(path), Tags)


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
