"""File type detection from the first bytes: what is audio, and which decoder is tried first."""

from pathlib import Path

import pytest

from features.sniff import SNIFF_BYTES, is_audio, libsndfile_first
from tests.sounds import write_sound


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "opus", "mp3", "aiff"])
def test_every_kind_of_sound_file_is_known_without_its_name(ending: str, tmp_path: Path) -> None:
    kinds = {"opus": 48_000}
    head = write_sound(tmp_path / f"a.{ending}", sample_rate=kinds.get(ending, 22_050)).read_bytes()[:SNIFF_BYTES]
    assert is_audio(head)
    assert libsndfile_first(head) is (ending != "opus")


@pytest.mark.parametrize(
    "head", [b"", b"%PDF-1.7", b"\xff\xd8\xff\xe0 JPEG", b"\xff\xfet\0e\0x\0t\0", b"\x89PNG\r\n", b"RIFF1234WEBPVP8 "]
)
def test_what_is_no_sound_is_not_taken_for_it(head: bytes) -> None:
    assert not is_audio(head.ljust(SNIFF_BYTES, b"\0"))
