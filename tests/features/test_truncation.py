"""Files that were cut short are told, and how much of them is there; whole ones are not."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from features.truncation import truncation_of
from metric_learning.embedder import Embedder
from tests.features.odd_sounds import RATE, SONG_S, heard, write

HALF_S = SONG_S / 2


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    """As many bytes in each second, so that half of the bytes are half of the sound."""
    return np.random.default_rng(0).uniform(-0.5, 0.5, (SONG_S * RATE, 1)).astype(np.float32)


@pytest.mark.parametrize("ending", ["wav", "flac", "mp3", "ogg", "opus"])
def test_half_a_file_is_embedded_and_its_warning_says_how_much_is_there(
    ending: str, embedder: Embedder, noise: np.ndarray, tmp_path: Path
) -> None:
    whole = write(tmp_path / f"whole.{ending}", noise)
    content = whole.read_bytes()
    half = tmp_path / f"half.{ending}"
    half.write_bytes(content[: len(content) // 2])
    track, vector = heard(half, embedder)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    [line] = [line for line in track.warnings if f"{SONG_S:.1f} s that it declares" in line or "last page" in line]
    told_s = next(float(word) for word in line.split() if word.replace(".", "").isdigit())
    assert told_s == pytest.approx(HALF_S, abs=1.5)
    with whole.open("rb") as file:
        assert truncation_of(file, SONG_S) == ""


@pytest.mark.parametrize("kind", ["WAV", "RF64", "WAVEX"])
def test_a_wav_of_any_kind_is_told(kind: str) -> None:
    sound = io.BytesIO()
    soundfile.write(sound, np.zeros((4 * RATE, 2)), RATE, format=kind, subtype="PCM_24")
    content = sound.getvalue()
    assert truncation_of(io.BytesIO(content), 4.0) == ""
    half = truncation_of(io.BytesIO(content[: len(content) // 2]), 2.0)
    assert half == "it was cut short: it holds 2.0 s, not the 4.0 s that it declares"


@pytest.mark.parametrize("size", [0, 0x7FFFF000, 0xFFFFFFFF])
def test_a_wav_whose_writer_knew_no_size_is_not_called_short(size: int) -> None:
    sound = io.BytesIO()
    soundfile.write(sound, np.zeros(4 * RATE), RATE, format="WAV")
    content = bytearray(sound.getvalue())
    at = content.index(b"data") + 4
    content[at : at + 4] = size.to_bytes(4, "little")
    assert truncation_of(io.BytesIO(content), 4.0) == ""


@pytest.mark.parametrize(
    "head", [b"", b"RIFF", b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0WAVEdata\xff", b"OggS\0", b"ID3", b"\xff\xfb"]
)
def test_a_few_bytes_are_no_trouble(head: bytes) -> None:
    assert "declares" not in truncation_of(io.BytesIO(head), 0.0)
