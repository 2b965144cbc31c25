"""The waveform outline: a click appears at its position, in a track and in an hour."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from features import peaks as peaks_module
from features.decode import decode
from features.decode_errors import DecodeError
from features.peaks import read_peaks
from tests.sounds import melody, write_with_ffmpeg

SAMPLE_RATE = 8_000


def clicking(path: Path, *, at_s: float, duration_s: float, width: int = 1) -> Path:
    sound = np.zeros(round(duration_s * SAMPLE_RATE), np.float32)
    sound[round(at_s * SAMPLE_RATE) :][:width] = 0.75
    soundfile.write(path, sound, SAMPLE_RATE)
    return path


@pytest.mark.parametrize("at_s", [0.0, 4.95, 9.99])
def test_a_click_has_its_peak_where_it_is(tmp_path: Path, at_s: float) -> None:
    outline = read_peaks(clicking(tmp_path / "click.flac", at_s=at_s, duration_s=10.0), n_peaks=100)
    assert outline.duration_s == 10.0
    assert outline.peaks[int(at_s * 10)] == pytest.approx(0.75, abs=1e-4)
    assert np.count_nonzero(outline.peaks) <= 2  # one step of 5 ms may reach into two parts


def test_the_outline_is_that_of_the_plain_loop(tmp_path: Path) -> None:
    path = tmp_path / "song.flac"
    soundfile.write(path, melody(3.0, SAMPLE_RATE), SAMPLE_RATE)
    outline = read_peaks(path, n_peaks=60)  # each part is ten steps of 5 ms
    waveform = decode(path, SAMPLE_RATE)
    parts = [float(np.abs(waveform[n * 400 : (n + 1) * 400]).max()) for n in range(60)]
    np.testing.assert_allclose(outline.peaks, parts, atol=1e-6)


def test_a_long_file_is_looked_into_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = clicking(tmp_path / "long.flac", at_s=30.0, duration_s=60.0, width=SAMPLE_RATE)  # one second of sound
    whole = read_peaks(path, n_peaks=60)
    monkeypatch.setattr(peaks_module, "WHOLE_S", 10.0)
    monkeypatch.setattr(peaks_module, "_of_blocks", None)
    outline = read_peaks(path, n_peaks=60)
    assert outline.duration_s == 60.0
    np.testing.assert_allclose(outline.peaks, whole.peaks, atol=1e-4)


def test_what_only_ffmpeg_reads_has_an_outline(tmp_path: Path) -> None:
    path = write_with_ffmpeg(tmp_path / "song.m4a", melody(2.0), 44_100, "aac")
    assert read_peaks(path, n_peaks=7).peaks.shape == (7,)


def test_a_sound_shorter_than_its_parts_and_a_letter(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "short.wav", np.full(3, 0.5, np.float32), SAMPLE_RATE)
    np.testing.assert_allclose(read_peaks(tmp_path / "short.wav", n_peaks=10).peaks, 0.5, atol=1e-4)
    (tmp_path / "letter.mp3").write_bytes(b"dear sir" * 100)
    with pytest.raises(DecodeError):
        read_peaks(tmp_path / "letter.mp3")
