"""A small synthesised world of three genres for the tests: each has three artists, each artist two tracks."""

from pathlib import Path

import numpy as np
import soundfile
from mutagen.flac import FLAC
from numpy.typing import NDArray

from audio_engine.demo.sounds import SAMPLE_RATE, Instrument, hat, kick, pluck, snare, square

DURATION_S = 3.0
N_ARTISTS, N_TRACKS = 3, 2
GENRES: dict[str, tuple[tuple[Instrument, float], ...]] = {  # instruments, and beats between notes
    "Plucked": ((pluck, 1.0), (pluck, 0.5)),
    "Chiptune": ((square, 1.0), (square, 0.5)),
    "Drums": ((kick, 1.0), (snare, 2.0), (hat, 0.5)),
}
SCALE = (0, 3, 5, 7, 10, 12)  # semitones

Sound = NDArray[np.float64]


def write_world(folder: Path) -> Path:
    """Write the tracks as FLAC with tags: `GENRE ARTIST TRACK.flac`, 18 in all."""
    folder.mkdir(parents=True, exist_ok=True)
    for genre in GENRES:
        for artist in range(N_ARTISTS):
            for track in range(N_TRACKS):
                path = folder / f"{genre} {artist} {track}.flac"
                soundfile.write(path, play(genre, artist, track), SAMPLE_RATE)
                tags = FLAC(path)
                tags.update({"title": path.stem, "artist": f"{genre} artist {artist}", "genre": genre})
                tags.save()
    return folder


def play(genre: str, artist: int, track: int) -> Sound:
    """Play a melody: the artist decides key and tempo, the track the notes."""
    manner, rng = np.random.default_rng([artist, 1]), np.random.default_rng([artist, track, 2])
    root_hz, beat_s = 110 * 2 ** (manner.integers(0, 7) / 12), manner.uniform(0.35, 0.5)
    sound = np.zeros(round(DURATION_S * SAMPLE_RATE))
    for octave, (instrument, beats) in enumerate(GENRES[genre]):
        step = round(beats * beat_s * SAMPLE_RATE)
        for start in range(0, len(sound), step):
            time_s = np.arange(min(step, len(sound) - start)) / SAMPLE_RATE
            frequency = root_hz * 2 ** (octave + rng.choice(SCALE) / 12)
            sound[start : start + step] += instrument(time_s, frequency, rng)
    return levelled(sound + 0.003 * rng.standard_normal(len(sound)))


def noise() -> Sound:
    """White noise."""
    return levelled(np.random.default_rng(0).standard_normal(round(DURATION_S * SAMPLE_RATE)))


def speech() -> Sound:
    """Synthesise something like a voice: a gliding buzz through gliding formants, in syllables, sibilants between."""
    rng = np.random.default_rng(1)
    time_s = np.arange(round(DURATION_S * SAMPLE_RATE)) / SAMPLE_RATE
    phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * time_s)) / SAMPLE_RATE
    formants = [500 + 200 * np.sin(2 * np.pi * 3 * time_s), 1_500 + 500 * np.sin(2 * np.pi * 2.3 * time_s), 2_600]
    voice = np.zeros_like(time_s)
    for number in range(1, 30):
        strength = sum(1 / (1 + ((120 * number - formant) / 120) ** 2) for formant in formants)
        voice += strength * np.sin(number * phase)
    syllable = 0.5 + 0.5 * np.sin(2 * np.pi * 4 * time_s)
    return levelled(voice * syllable**2 + 0.3 * (1 - syllable) ** 4 * np.diff(rng.standard_normal(len(time_s) + 1)))


def levelled(sound: Sound) -> Sound:
    """Scale a sound to a peak of -6 dB."""
    return 0.5 * sound / np.abs(sound).max()
