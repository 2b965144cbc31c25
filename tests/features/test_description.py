"""Tempo, key and loudness of sounds of which all three are known."""

from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import soundfile
from numpy.typing import NDArray

from features.decode_errors import DecodeError
from features.describe import describe_file
from features.description import MAJOR_KEYS, MINOR_KEYS, camelot, key_of
from features.key import estimate_key
from features.loudness import LoudnessMeter
from features.tempo import estimate_tempo
from tests.sounds import melody, write_with_ffmpeg

SAMPLE_RATE = 22_050
BLOCK = 65_536


def drums(bpm: float, duration_s: float = 20.0) -> NDArray[np.float32]:
    """A bass drum on each beat, and a click between them."""
    rng, sound = np.random.default_rng(0), np.zeros(round(duration_s * SAMPLE_RATE), np.float32)
    time_s = np.arange(SAMPLE_RATE // 8) / SAMPLE_RATE
    kick = 0.8 * np.exp(-25 * time_s) * np.sin(2 * np.pi * 60 * time_s)
    click = 0.2 * np.exp(-90 * time_s) * rng.standard_normal(len(time_s))
    for number, start in enumerate(np.arange(0, duration_s - 0.2, 30 / bpm)):
        first = round(start * SAMPLE_RATE)
        sound[first : first + len(time_s)] += click if number % 2 else kick + click
    return sound


def cadence(tonic: int, *, is_minor: bool) -> NDArray[np.float32]:
    """I IV V I in a key, a second a chord, in tones with three partials."""
    third = 3 if is_minor else 4
    chords = [(0, third, 7), (5, 5 + third, 12), (7, 11, 14), (0, third, 7)] * 3
    time_s = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    fade = np.minimum(1.0, 20 * (1 - time_s)) * np.exp(-2 * time_s)

    def tone(note: int) -> NDArray[np.float64]:
        frequency = 261.63 * 2 ** ((tonic + note) / 12)
        return sum(np.sin(2 * np.pi * n * frequency * time_s) / n**2 for n in (1, 2, 3))

    return np.concatenate([0.1 * fade * sum(map(tone, chord)) for chord in chords]).astype(np.float32)


def measure(sound: NDArray[np.float32], sample_rate: int) -> float | None:
    meter = LoudnessMeter(sample_rate)
    for start in range(0, len(sound), BLOCK):
        meter.add(sound[start : start + BLOCK])
    return meter.loudness_lufs()


def sine(*parts: tuple[float, float], n_channels: int = 2) -> NDArray[np.float32]:
    """A tone of 1 kHz whose peaks lie so many decibels below full scale, for so many seconds each."""
    levels = np.concatenate([np.full(round(48_000 * seconds), 10 ** (level / 20)) for level, seconds in parts])
    wave = levels * np.sin(2 * np.pi * 1_000 * np.arange(len(levels)) / 48_000)
    return np.repeat(wave[:, None], n_channels, axis=1).astype(np.float32)


@pytest.mark.parametrize("bpm", [70.0, 93.5, 120.0, 141.0, 174.0])
def test_a_drum_on_each_beat_tells_the_tempo_or_an_octave_of_it(bpm: float) -> None:
    found = estimate_tempo(drums(bpm), SAMPLE_RATE)
    assert found is not None
    assert min(abs(found / bpm / factor - 1) for factor in (0.5, 1, 2)) < 0.04


def test_what_has_no_beat_has_no_tempo() -> None:
    time_s = np.arange(20 * SAMPLE_RATE) / SAMPLE_RATE
    hum = (0.3 * np.sin(2 * np.pi * 110 * time_s) * np.minimum(1, time_s)).astype(np.float32)
    for sound in (np.zeros(20 * SAMPLE_RATE, np.float32), hum, drums(120.0, 3.0)):
        assert estimate_tempo(sound, SAMPLE_RATE) is None


@pytest.mark.parametrize("tonic", range(12))
def test_a_cadence_tells_its_key(tonic: int) -> None:
    assert estimate_key(cadence(tonic, is_minor=False), SAMPLE_RATE) == MAJOR_KEYS[tonic]
    assert estimate_key(cadence(tonic, is_minor=True), SAMPLE_RATE) == MINOR_KEYS[tonic]


def test_what_has_no_notes_has_no_key() -> None:
    noise = (0.1 * np.random.default_rng(0).standard_normal(10 * SAMPLE_RATE)).astype(np.float32)
    for sound in (noise, np.zeros(10 * SAMPLE_RATE, np.float32), cadence(0, is_minor=False)[:SAMPLE_RATE]):
        assert estimate_key(sound, SAMPLE_RATE) == ""


@pytest.mark.parametrize(
    ("parts", "lufs"),
    [
        ([(-23.0, 20.0)], -23.0),
        ([(-33.0, 20.0)], -33.0),
        ([(-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0)], -23.0),
        ([(-72.0, 10.0), (-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0), (-72.0, 10.0)], -23.0),
        ([(-26.0, 20.0), (-20.0, 20.1), (-26.0, 20.0)], -23.0),
    ],
)
def test_the_signals_of_ebu_tech_3341_have_their_loudness(parts: list[tuple[float, float]], lufs: float) -> None:
    """Cases 1 to 5 of its table 1, within its 0.1 LU."""
    assert measure(sine(*parts), 48_000) == pytest.approx(lufs, abs=0.1)


def test_loudness_is_pyloudnorms_at_any_rate_and_number_of_channels() -> None:
    for sample_rate in (22_050, 44_100, 48_000, 96_000):
        for n_channels in (1, 2, 5):
            sound = melody(8.0, sample_rate, n_channels=n_channels)
            expected = pyloudnorm.Meter(sample_rate).integrated_loudness(sound.astype(np.float64))
            assert measure(sound, sample_rate) == pytest.approx(expected, abs=0.1)


def test_silence_and_a_moment_have_no_loudness() -> None:
    assert measure(np.zeros((48_000, 2), np.float32), 48_000) is None
    assert LoudnessMeter(48_000).loudness_lufs() is None


def test_channels_that_change_on_the_way_and_what_is_no_number_are_survived() -> None:
    meter = LoudnessMeter(48_000)
    for n_channels in (2, 1, 9):
        meter.add(sine((-20.0, 5.0), n_channels=n_channels))
    meter.add(np.full((4_800, 2), np.nan, np.float32))
    assert meter.loudness_lufs() == pytest.approx(-20.0, abs=0.5)


def test_a_file_is_described_in_every_format(tmp_path: Path) -> None:
    music = 0.4 * drums(128.0, 24.0)[: 12 * SAMPLE_RATE] + cadence(9, is_minor=True)[: 12 * SAMPLE_RATE]
    sound = np.repeat(np.tile(music, 2)[:, None], 2, axis=1)
    for ending in ("wav", "flac", "mp3", "ogg"):
        soundfile.write(tmp_path / f"track.{ending}", sound, SAMPLE_RATE)
    write_with_ffmpeg(tmp_path / "track.m4a", sound, SAMPLE_RATE, "aac")
    expected = pyloudnorm.Meter(SAMPLE_RATE).integrated_loudness(sound.astype(np.float64))
    for path in sorted(tmp_path.iterdir()):
        described = describe_file(path)
        assert (described.key, described.camelot) == ("Am", "8A"), path.name
        assert described.bpm == pytest.approx(128, rel=0.04), path.name
        assert described.loudness_lufs == pytest.approx(expected, abs=0.3), path.name


def test_a_file_that_breaks_off_is_described_as_far_as_it_goes_and_one_that_is_no_sound_is_refused(
    tmp_path: Path,
) -> None:
    soundfile.write(tmp_path / "track.flac", melody(20.0), 44_100)
    content = (tmp_path / "track.flac").read_bytes()
    (tmp_path / "torn.flac").write_bytes(content[: len(content) // 2])
    assert describe_file(tmp_path / "torn.flac").loudness_lufs is not None
    (tmp_path / "noise.mp3").write_bytes(np.random.default_rng(0).bytes(5_000))
    with pytest.raises(DecodeError):
        describe_file(tmp_path / "noise.mp3")


def test_the_camelot_wheel_has_each_key_once_and_relatives_side_by_side() -> None:
    assert len({camelot(key) for key in (*MAJOR_KEYS, *MINOR_KEYS)}) == 24
    for tonic in range(12):
        assert camelot(MAJOR_KEYS[tonic])[:-1] == camelot(MINOR_KEYS[(tonic + 9) % 12])[:-1]
        assert key_of(camelot(MAJOR_KEYS[tonic])) == MAJOR_KEYS[tonic]
        assert key_of(MINOR_KEYS[tonic]) == MINOR_KEYS[tonic]


@pytest.mark.parametrize("text", ["", "H", "Am#", "13A", "0B", "minor", "A majestic"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="key must be a key such as Am"):
        key_of(text)
