"""Small pieces of music of known tempo and key, composed at random and rendered by FluidSynth with a General MIDI bank.

``apt-get install fluidsynth fluid-soundfont-gm`` brings both. A piece has chords, a bass, a melody and mostly drums, in
one of several styles: how fast its notes are, which beats are stressed and how much of the key's scale is heard differ.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import mido
import numpy as np

SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
TICKS = 480  # of a beat
DRUMS = 9  # the channel of General MIDI's drums
KICK, SNARE, HAT, RIDE = 36, 38, 42, 51
MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
PROGRESSIONS = {  # degrees of the scale, from 0; most begin at home, some do not
    "major": ((0, 5, 3, 4), (0, 3, 0, 4), (1, 4, 0, 0), (0, 4, 5, 3), (5, 3, 0, 4), (0, 2, 3, 4)),
    "minor": ((0, 5, 2, 6), (0, 3, 4, 0), (0, 6, 5, 4), (0, 3, 6, 2), (5, 6, 0, 0), (0, 0, 3, 4)),
}
BEATS = 4  # of a bar, but in a waltz


@dataclass(frozen=True, kw_only=True)
class Style:
    """How a piece is played."""

    name: str
    programs: tuple[int, int, int]  # of General MIDI: chords, bass, melody
    drums: str  # rock, four, half, waltz, jazz, or none
    per_beat: int  # chords struck a beat
    swing: float = 0.5  # where the second half of a beat begins


STYLES = (
    Style(name="piano ballad", programs=(0, 32, 73), drums="none", per_beat=1),
    Style(name="rock", programs=(29, 34, 30), drums="rock", per_beat=2),
    Style(name="house", programs=(90, 38, 81), drums="four", per_beat=2),
    Style(name="half-time", programs=(4, 39, 80), drums="half", per_beat=1),
    Style(name="waltz", programs=(24, 32, 40), drums="waltz", per_beat=1),
    Style(name="jazz", programs=(26, 32, 65), drums="jazz", per_beat=1, swing=0.66),
    Style(name="strings", programs=(48, 43, 71), drums="none", per_beat=1),
    Style(name="organ pop", programs=(16, 33, 11), drums="rock", per_beat=1),
)


@dataclass(frozen=True, kw_only=True)
class Piece:
    """What is known of a piece."""

    style: Style
    bpm: float
    tonic: int  # semitones above C
    mode: str  # major or minor
    seed: int
    duration_s: float = 40.0


def pieces(n_pieces: int, *, seed: int = 0) -> list[Piece]:
    """Draw pieces: all 24 keys and all styles in turn, tempos evenly between 60 and 180 in a shuffled order."""
    rng = np.random.default_rng(seed)
    bpms = rng.permutation(np.linspace(60, 180, n_pieces))
    return [
        Piece(
            style=STYLES[number % len(STYLES)],
            bpm=round(float(bpm), 1),
            tonic=number // 2 % 12,
            mode=("major", "minor")[(number + number // 24) % 2],
            seed=number,
        )
        for number, bpm in enumerate(bpms)
    ]


def render(piece: Piece, path: Path) -> Path:
    """Write a piece as a WAV file of 44.1 kHz, stereo."""
    midi = path.with_suffix(".mid")
    _midi_of(piece).save(midi)
    command = ["fluidsynth", "-ni", "-q", "-g", "0.5", "-r", "44100", "-F", str(path), str(SOUNDFONT), str(midi)]
    subprocess.run(command, check=True, capture_output=True)
    midi.unlink()
    return path


def _midi_of(piece: Piece) -> mido.MidiFile:
    """Compose a piece."""
    rng = np.random.default_rng(piece.seed)
    beats = 3 if piece.style.drums == "waltz" else BEATS
    n_bars = int(np.ceil(piece.duration_s * piece.bpm / 60 / beats))
    choices = PROGRESSIONS[piece.mode]
    progression = choices[rng.integers(len(choices))]
    notes: list[tuple[float, float, int, int, int]] = []  # beat, beats long, channel, pitch, velocity
    for bar in range(n_bars):
        degree = progression[bar % len(progression)]
        chord = _chord(piece, degree)
        notes += _chords(piece, chord, bar * beats, beats)
        notes += _bass(piece, chord, bar * beats, beats)
        notes += _melody(piece, chord, bar * beats, beats, rng)
        notes += _drums(piece.style.drums, bar * beats)
    return _written(piece, notes, rng)


def _chord(piece: Piece, degree: int) -> tuple[int, ...]:
    """Give the triad on a degree, as semitones above C; the fifth of a minor key is a major chord, as is usual."""
    scale = MAJOR if piece.mode == "major" else MINOR
    triad = [scale[(degree + step) % 7] + 12 * ((degree + step) // 7) for step in (0, 2, 4)]
    if piece.mode == "minor" and degree == 4:
        triad[1] += 1
    return tuple(piece.tonic + note for note in triad)


def _chords(piece: Piece, chord: tuple[int, ...], start: int, beats: int) -> list[tuple[float, float, int, int, int]]:
    per_beat, waltz = piece.style.per_beat, piece.style.drums == "waltz"
    times = [start + beat + part / per_beat for beat in range(beats) for part in range(per_beat)]
    if waltz:
        times = times[1:]
    if piece.style.name == "strings":
        times = [float(start)]
    long = beats if piece.style.name == "strings" else 0.9 / per_beat
    return [
        (_swung(piece, time), long, 0, 48 + note % 12 + (note % 12 < 4) * 12, 70) for time in times for note in chord
    ]


def _bass(piece: Piece, chord: tuple[int, ...], start: int, beats: int) -> list[tuple[float, float, int, int, int]]:
    pitches = {"jazz": (chord[0], chord[1], chord[2], chord[1])}.get(piece.style.drums, (chord[0],) * 4)
    step = 1 if piece.style.drums in {"jazz", "rock", "four"} else beats
    offset = 0.5 if piece.style.drums == "four" else 0.0
    return [
        (start + beat + offset, 0.9 * step if not offset else 0.45, 1, 36 + pitches[beat % 4] % 12, 90)
        for beat in range(0, beats, step)
    ]


def _melody(
    piece: Piece, chord: tuple[int, ...], start: int, beats: int, rng: np.random.Generator
) -> list[tuple[float, float, int, int, int]]:
    """Walk along the scale, with notes of the chord on the stressed beats; rests now and then."""
    scale = MAJOR if piece.mode == "major" else MINOR
    notes = []
    beat = 0.0
    while beat < beats:
        long = float(rng.choice([0.5, 1.0, 1.0, 1.5, 2.0]))
        on_chord = beat % 2 == 0 or rng.random() < 0.4
        pitch = rng.choice(chord) if on_chord else piece.tonic + rng.choice(scale)
        if rng.random() < 0.8:
            notes.append((_swung(piece, start + beat), 0.9 * long, 2, 60 + int(pitch) % 12, int(rng.integers(75, 105))))
        beat += long
    return notes


def _drums(kind: str, start: int) -> list[tuple[float, float, int, int, int]]:
    patterns: dict[str, dict[int, tuple[float, ...]]] = {
        "none": {},
        "rock": {KICK: (0, 2, 2.5), SNARE: (1, 3), HAT: tuple(np.arange(0, 4, 0.5))},
        "four": {KICK: (0, 1, 2, 3), SNARE: (1, 3), HAT: (0.5, 1.5, 2.5, 3.5)},
        "half": {KICK: (0, 0.75, 2.75), SNARE: (2,), HAT: tuple(np.arange(0, 4, 0.5))},
        "waltz": {KICK: (0,), HAT: (1, 2)},
        "jazz": {RIDE: (0, 1, 1.66, 2, 3, 3.66), HAT: (1, 3), KICK: (0,)},
    }
    return [(start + beat, 0.1, DRUMS, drum, 90) for drum, beats in patterns[kind].items() for beat in beats]


def _swung(piece: Piece, beat: float) -> float:
    """Move the second half of a beat to where the style has it."""
    return beat - 0.5 + piece.style.swing if beat % 1 == 0.5 else beat


def _written(piece: Piece, notes: list[tuple[float, float, int, int, int]], rng: np.random.Generator) -> mido.MidiFile:
    """Write notes as MIDI, each some milliseconds early or late, as people play."""
    file, track = mido.MidiFile(ticks_per_beat=TICKS), mido.MidiTrack()
    file.tracks.append(track)
    track.append(mido.MetaMessage("set_tempo", tempo=round(60e6 / piece.bpm)))
    for channel, program in enumerate(piece.style.programs):
        track.append(mido.Message("program_change", channel=channel, program=program))
    late = 0.006 * piece.bpm / 60 * rng.standard_normal(len(notes))  # beats
    events = []
    for (beat, long, channel, pitch, velocity), off in zip(notes, late, strict=True):
        begin = max(0.0, beat + off)
        events.append((begin, mido.Message("note_on", channel=channel, note=pitch, velocity=velocity)))
        events.append((begin + long, mido.Message("note_off", channel=channel, note=pitch)))
    now = 0
    for beat, message in sorted(events, key=lambda event: event[0]):
        tick = round(beat * TICKS)
        track.append(message.copy(time=tick - now))
        now = tick
    return file
