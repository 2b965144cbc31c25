"""Sounds for the tests: computed, and written by soundfile or PyAV in any format."""

from pathlib import Path

import av
import numpy as np
import soundfile
from numpy.typing import NDArray


def melody(duration_s: float, sample_rate: int = 44_100, *, seed: int = 0, n_channels: int = 1) -> NDArray[np.float32]:
    """Plucked notes over a little noise: (n_samples, n_channels), peak about 0.6, different for each seed."""
    rng, noise_rng = np.random.default_rng(seed), np.random.default_rng([seed, 1])
    n_samples = round(duration_s * sample_rate)
    sound = 0.003 * noise_rng.standard_normal(n_samples)
    step = round(sample_rate * rng.uniform(0.2, 0.4))
    for start in range(0, n_samples, step):
        time_s = np.arange(min(step, n_samples - start)) / sample_rate
        frequency = 110 * 2 ** (rng.integers(0, 36) / 12)
        sound[start : start + step] += 0.4 * np.exp(-6 * time_s) * np.sin(2 * np.pi * frequency * time_s)
    return np.repeat(sound.astype(np.float32)[:, None], n_channels, axis=1)


def write_with_ffmpeg(path: Path, sound: NDArray[np.float32], sample_rate: int, codec: str, **options: str) -> Path:
    """Encode (n_samples, n_channels) with a codec of PyAV's; the container follows from the name."""
    layout = {1: "mono", 2: "stereo"}[sound.shape[1]]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=sample_rate, options=options)
        stream.layout = layout
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound.T), format="fltp", layout=layout)
        frame.sample_rate = sample_rate
        resampler = av.AudioResampler(
            format=stream.codec_context.format, layout=layout, rate=sample_rate, frame_size=stream.frame_size or 1_024
        )
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


def write_sound(path: Path, duration_s: float = 3.0, sample_rate: int = 22_050, *, seed: int = 0) -> Path:
    """Write a short melody in the format that the name says."""
    kind = {"format": "OGG", "subtype": "OPUS"} if path.suffix == ".opus" else {}
    soundfile.write(path, melody(duration_s, sample_rate, seed=seed), sample_rate, **kind)
    return path
