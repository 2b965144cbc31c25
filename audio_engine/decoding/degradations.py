"""Audio degradations for robustness tests: MP3, level, low-pass, speed, noise and excerpts."""

from io import BytesIO

import av
import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from features.resample import resample

MP3_BIT_RATE = 64_000  # bit/s, mono
LAME_QUALITY = "7"  # of 0 (slow) to 9 (fast): half the time of LAME's default, and slightly worse sound
GAIN_DB = -6.0
CUTOFF_HZ = 4_000.0
FILTER_ORDER = 8  # 48 dB an octave
SPEED_STEP = 0.02  # 2 %, a third of a semitone
SIGNAL_TO_NOISE_DB = 20.0

Waveform = NDArray[np.float32]


def encode_mp3(waveform: Waveform, sample_rate: int, bit_rate: int = MP3_BIT_RATE) -> BytesIO:
    """Encode to MP3 with LAME.

    Parameters
    ----------
    waveform : (n_samples,)
        Values beyond [-1, 1] are clipped.
    sample_rate
        Hz, preferably 44,100: at half of it 64 kbit/s degrade little.
    bit_rate
        Bit/s.

    Returns
    -------
    mp3
        An open file for `features.decode.decode`.
    """
    mp3 = BytesIO()
    with av.open(mp3, "w", format="mp3") as container:
        stream = container.add_stream(
            "libmp3lame", rate=sample_rate, layout="mono", options={"compression_level": LAME_QUALITY}
        )
        stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(np.clip(waveform, -1, 1)[np.newaxis], format="fltp", layout="mono")
        frame.sample_rate = sample_rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return mp3


def quieter(waveform: Waveform) -> Waveform:
    """Lower the level by 6 dB."""
    return np.asarray(waveform * 10 ** (GAIN_DB / 20), dtype=np.float32)


def muffled(waveform: Waveform, sample_rate: int) -> Waveform:
    """Low-pass at 4 kHz, with a Butterworth filter of order 8.

    Parameters
    ----------
    waveform : (n_samples,)
    sample_rate
        Hz, above 8,000.
    """
    sections = butter(FILTER_ORDER, CUTOFF_HZ, fs=sample_rate, output="sos")
    return np.asarray(sosfilt(sections, waveform), dtype=np.float32)


def at_speed(waveform: Waveform, sample_rate: int, speed: float) -> Waveform:
    """Change the speed as a turntable does: pitch and tempo change together.

    Parameters
    ----------
    waveform : (n_samples,)
    sample_rate
        Hz.
    speed
        1 leaves it unchanged; 1.02 is 2 % faster.
    """
    return resample(waveform, round(sample_rate * speed), sample_rate)


def noisy(waveform: Waveform, *, seed: int, signal_to_noise_db: float = SIGNAL_TO_NOISE_DB) -> Waveform:
    """Add white noise at a given signal-to-noise ratio.

    Parameters
    ----------
    waveform : (n_samples,)
    seed
        Seed of the noise.
    signal_to_noise_db
        dB.
    """
    noise = np.random.default_rng(seed).standard_normal(waveform.size, dtype=np.float32)
    level = np.sqrt(np.mean(np.square(waveform, dtype=np.float64))) * 10 ** (-signal_to_noise_db / 20)
    return np.asarray(waveform + level * noise, dtype=np.float32)


def halves(waveform: Waveform) -> tuple[Waveform, Waveform]:
    """Split a track in the middle: two excerpts of one recording without common samples."""
    middle = waveform.size // 2
    return waveform[:middle], waveform[middle:]
