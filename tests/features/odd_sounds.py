"""Files that are odd in one way each, and what is heard in them."""

from pathlib import Path

import av
import numpy as np
import soundfile

from features.decode import Segments, decode_segments
from features.resample import resample
from metric_learning.embedder import Embedder
from tests.sounds import write_with_ffmpeg

RATE = 44_100
SONG_S = 75  # seconds: longer than twice the segments together, so that it is seeked
CONTAINERS = {  # by ending: FFmpeg's codec, sample rate in Hz
    "wav": ("pcm_s16le", RATE),
    "flac": ("flac", RATE),
    "ogg": (None, RATE),  # by libsndfile: FFmpeg's encoder is an experiment
    "mp3": ("libmp3lame", RATE),
    "m4a": ("aac", RATE),
    "alac.m4a": ("alac", RATE),
    "opus": ("libopus", 48_000),
}


def write(path: Path, sound: np.ndarray, bit_rate: str = "192k") -> Path:
    """Write (n_samples, n_channels) of 44.1 kHz in the container that the name says."""
    codec, rate = CONTAINERS[path.name.split(".", 1)[1]]
    if codec is None:
        with soundfile.SoundFile(path, "w", RATE, sound.shape[1], format="OGG", subtype="VORBIS") as file:
            for first in range(0, len(sound), RATE):  # in one piece, libsndfile overflows its stack
                file.write(sound[first : first + RATE])
        return path
    at_rate = np.stack([resample(np.ascontiguousarray(channel), RATE, rate) for channel in sound.T], axis=1)
    return write_with_ffmpeg(path, at_rate, rate, codec, b=bit_rate)


def heard(path: Path, embedder: Embedder) -> tuple[Segments, np.ndarray]:
    track = decode_segments(path, embedder.recipe)
    return track, embedder.embed(track.segments[np.newaxis])[0]


def silence(duration_s: float, n_channels: int = 1) -> np.ndarray:
    return np.zeros((round(duration_s * RATE), n_channels), np.float32)


def damaged(path: Path, *, at: list[float], n_bytes: int, seed: int = 0) -> Path:
    content, rng = bytearray(path.read_bytes()), np.random.default_rng(seed)
    for part in at:
        place = int(len(content) * part)
        content[place : place + n_bytes] = rng.bytes(n_bytes)
    path.write_bytes(content)
    return path


def joined(path: Path, *parts: Path) -> Path:
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def read_on(path: Path) -> np.ndarray:
    """What a decoder finds that reads to the end, packet by packet, mono at 44.1 kHz: the slow twin."""
    pieces: list[tuple[int, np.ndarray]] = []
    with av.open(str(path)) as container:
        for packet in container.demux(audio=0):
            try:
                pieces += [(frame.sample_rate, frame.to_ndarray().mean(axis=0)) for frame in packet.decode()]
            except av.error.FFmpegError:
                continue
    rates = list(dict.fromkeys(rate for rate, _ in pieces))
    runs = [np.concatenate([samples for rate, samples in pieces if rate == wanted]) for wanted in rates]
    return np.concatenate([resample(run, rate, RATE) for run, rate in zip(runs, rates, strict=True)])
