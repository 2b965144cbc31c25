"""Instruments of the demo: functions that synthesise one note from sines and noise."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 22_050  # Hz

Waveform = NDArray[np.float64]
Instrument = Callable[[Waveform, float, np.random.Generator], Waveform]  # (time in seconds, frequency in Hz, rng)


def pluck(time: Waveform, frequency: float, _: np.random.Generator) -> Waveform:
    """Synthesise a plucked string."""
    return _harmonics(time, frequency, n=20, decay=1.5, tilt=1.0)


def pad(time: Waveform, frequency: float, _: np.random.Generator) -> Waveform:
    """Synthesise a minor chord of detuned voices that fades in and out."""
    swell = np.sqrt(np.sin(np.linspace(0, 3.14, time.size)))
    voices = [frequency * ratio * detuned for ratio in (1, 1.2, 1.5) for detuned in (0.996, 1.004)]
    return np.asarray(swell * np.sum([_harmonics(time, each, n=6, decay=0, tilt=1.5) for each in voices], axis=0) / 4)


def bell(time: Waveform, frequency: float, _: np.random.Generator) -> Waveform:
    """Synthesise a bell: inharmonic partials, including a bell's minor third."""
    partials = ((0.5, 0.6), (1, 1), (1.19, 0.7), (1.5, 0.4), (2, 0.8), (2.74, 0.5), (3.76, 0.3))
    ratios, loudness = np.array(partials).T[:, :, np.newaxis]
    return np.asarray(np.sum(loudness * np.exp(-2 * ratios * time) * _sine(ratios * frequency, time), axis=0))


def square(time: Waveform, frequency: float, _: np.random.Generator) -> Waveform:
    """Synthesise a fast arpeggio of a minor chord by a square wave, as on home computers of 1985."""
    arpeggio = frequency * np.array([1, 1.2, 1.5])[(time * 16).astype(int) % 3]
    phase = 2 * np.pi * np.cumsum(arpeggio) / SAMPLE_RATE
    return np.asarray(0.4 * np.sign(np.sin(phase)) * (time < 0.8 * time[-1]))


def bass(time: Waveform, frequency: float, _: np.random.Generator) -> Waveform:
    """Synthesise a sustained overdriven bass note."""
    return np.asarray(np.tanh(3 * _harmonics(time, frequency, n=8, decay=0.3, tilt=0.8)))


def surf(time: Waveform, _: float, rng: np.random.Generator) -> Waveform:
    """Synthesise noise that fades in and out."""
    return np.asarray(0.25 * np.sin(np.linspace(0, 3.14, time.size)) ** 2 * rng.standard_normal(time.size))


def kick(time: Waveform, _: float, __: np.random.Generator) -> Waveform:
    """Synthesise a bass drum: a tone that falls to 50 Hz."""
    return np.asarray(1.5 * np.sin(2 * np.pi * (50 * time - 8 * np.exp(-20 * time))) * np.exp(-8 * time))


def snare(time: Waveform, frequency: float, rng: np.random.Generator) -> Waveform:
    """Synthesise a snare drum: a burst of noise over a short tone."""
    noise = rng.standard_normal(time.size)
    return np.asarray((0.6 * noise + 0.5 * _sine(frequency, time)) * np.exp(-18 * time))


def hat(time: Waveform, _: float, rng: np.random.Generator) -> Waveform:
    """Synthesise a closed hi-hat: a short burst of high noise."""
    return np.asarray(0.4 * np.diff(rng.standard_normal(time.size + 1)) * np.exp(-60 * time))


def _sine(frequency: float | Waveform, time: Waveform) -> Waveform:
    return np.asarray(np.sin(2 * np.pi * frequency * time))


def _harmonics(time: Waveform, frequency: float, *, n: int, decay: float, tilt: float) -> Waveform:
    """Sum n harmonics: the higher, the quieter (tilt) and the faster decaying (decay, 1/s); none above Nyquist."""
    numbers = np.arange(min(n, int(SAMPLE_RATE / 2 / frequency)), 0, -1.0)
    turns = np.exp((2j * np.pi * frequency - decay) * time)  # its powers are the harmonics
    return np.asarray(np.polyval([*numbers**-tilt, 0], turns).imag)
