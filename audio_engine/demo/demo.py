"""Demo: synthesises a small catalogue of music, embeds it and runs a few queries, without data or network.

Six invented artists play four short tracks each; an artist keeps to an instrument and a style, a track has its own key,
tempo and melody. Everything is made from sines and noise, so there are no third-party rights.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import platformdirs
import soundfile
from mutagen.flac import FLAC

from audio_engine.atomic_files import whole_file
from audio_engine.catalogue.track import Track
from audio_engine.demo.sounds import (
    SAMPLE_RATE,
    Instrument,
    Waveform,
    bass,
    bell,
    hat,
    kick,
    pad,
    pluck,
    snare,
    square,
    surf,
)
from audio_engine.engine import Engine
from audio_engine.search.neighbours import Neighbour

DURATION_S = 7.0  # of each track
N_TRACKS = 4  # of each artist
PEAK = 0.5  # -6 dB
LOWEST_HZ = 110.0  # A2; the keys go up from here by semitones
KEYS = ("A", "B flat", "B", "C", "C sharp", "D", "E flat", "E", "F", "F sharp", "G", "A flat")
MINOR, PENTATONIC, ROOT = (0, 2, 3, 5, 7, 8, 10), (0, 3, 5, 7, 10), (0,)  # semitones over the key
RELEASE_S = 0.02  # release time of a note


class Part(NamedTuple):
    """The part of one instrument."""

    instrument: Instrument
    scale: tuple[int, ...]  # semitones
    octave: int  # over the lowest
    beats: float  # between notes


class Artist(NamedTuple):
    """An invented artist."""

    name: str
    genre: str
    tempos: tuple[int, int]  # beats a minute, from and to
    parts: tuple[Part, ...]


ARTISTS = (
    Artist("The Gut Strings", "Prelude", (80, 120), (Part(pluck, PENTATONIC, 1, 0.5), Part(pluck, MINOR, 0, 2))),
    Artist("Slow Weather", "Ambient", (50, 70), (Part(pad, MINOR, 0, 4), Part(pad, PENTATONIC, 1, 4))),
    Artist(
        "Four Limbs", "Groove", (95, 135), (Part(kick, ROOT, 0, 1), Part(snare, ROOT, 1, 2), Part(hat, ROOT, 0, 0.5))
    ),
    Artist("Bronze and Glass", "Carillon", (60, 90), (Part(bell, PENTATONIC, 2, 1), Part(bell, MINOR, 1, 4))),
    Artist("Low Country", "Drone", (60, 85), (Part(bass, MINOR, -1, 2), Part(surf, ROOT, 0, 4))),
    Artist("Eight Bits High", "Chiptune", (130, 170), (Part(square, MINOR, 1, 1), Part(bass, PENTATONIC, 0, 0.5))),
)


QUERIES = (0, 2, 5)  # artists of unlike styles, whose first tracks are asked about


class Answer(NamedTuple):
    """What sounds like one of the tracks."""

    track: Track
    neighbours: list[Neighbour]


@dataclass(frozen=True, kw_only=True)
class Demo:
    """The result of the demo."""

    music: Path  # the folder of the synthesised tracks
    n_tracks: int  # embedded
    answers: tuple[Answer, ...]


def run_demo(directory: Path | None = None, k: int = 4) -> Demo:
    """Synthesise the music, embed it, and find what is similar to three tracks; what is there already is used again.

    Parameters
    ----------
    directory
        Folder for the music and its catalogue; by default in the user's cache.
    k
        Number of neighbours.
    """
    directory = directory or platformdirs.user_cache_path("audio-engine") / "demo"
    paths = make_demo_tracks(directory / "music")
    with Engine.open(directory / "catalogue") as engine:
        engine.use_model()  # the one in the package, also where an earlier version ran the demo
        for _ in engine.embed(directory / "music", prune=True):
            pass
        asked = [engine.find(paths[artist * N_TRACKS]) for artist in QUERIES]
        answers = tuple(Answer(track, engine.similar(track.track_id, k)) for track in asked)
        return Demo(music=directory / "music", n_tracks=len(engine.tracks()), answers=answers)


def make_demo_tracks(directory: Path, seed: int = 0) -> list[Path]:
    """Synthesise the tracks of the demo.

    Parameters
    ----------
    directory
        Destination, created if missing. Files of the same names are kept as they are.
    seed
        Seed of keys, tempos and melodies.

    Returns
    -------
    paths
        FLAC files with tags, artist by artist.
    """
    directory.mkdir(parents=True, exist_ok=True)
    return [
        _write_track(directory, artist, number, np.random.default_rng([seed, place, number]))
        for place, artist in enumerate(ARTISTS)
        for number in range(1, N_TRACKS + 1)
    ]


def _write_track(directory: Path, artist: Artist, number: int, rng: np.random.Generator) -> Path:
    """Synthesise one track, unless it is there, and save it with its tags."""
    key, tempo = int(rng.integers(len(KEYS))), int(rng.integers(*artist.tempos, endpoint=True))
    title = f"{artist.genre} no. {number} in {KEYS[key]}, {tempo} bpm"
    path = directory / f"{artist.name} - {title}.flac"
    if path.exists():
        return path
    mix = np.sum([_play(part, LOWEST_HZ * 2 ** (key / 12), 60 / tempo, rng) for part in artist.parts], axis=0)
    with whole_file(path) as temporary:
        soundfile.write(temporary, PEAK * mix / np.abs(mix).max(), SAMPLE_RATE, format="FLAC")
        file = FLAC(temporary)  # type: ignore[no-untyped-call]
        tags = {"title": title, "artist": artist.name, "album": "audio-engine demo", "genre": artist.genre}
        file.update(tags)  # type: ignore[no-untyped-call]
        file.save()
    return path


def _play(part: Part, key_hz: float, beat_s: float, rng: np.random.Generator) -> Waveform:
    """Synthesise a random walk of one instrument over two octaves of its scale."""
    waveform = np.zeros(round(DURATION_S * SAMPLE_RATE))
    degree, n_degrees = int(rng.integers(len(part.scale))), len(part.scale)
    time = np.arange(round(2 * part.beats * beat_s * SAMPLE_RATE)) / SAMPLE_RATE  # rings on into the next note
    release = np.minimum(1, (time[-1] - time) / RELEASE_S)
    for start in range(0, waveform.size, round(part.beats * beat_s * SAMPLE_RATE)):
        degree = int(np.clip(degree + rng.integers(-2, 3), 0, 2 * n_degrees - 1)) if n_degrees > 1 else 0
        octave, step = divmod(degree, n_degrees)
        frequency = key_hz * 2 ** (part.octave + octave + part.scale[step] / 12)
        note = release * part.instrument(time, frequency, rng)
        waveform[start : start + note.size] += note[: waveform.size - start]
    return waveform
