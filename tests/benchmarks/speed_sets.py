"""The files of the speed benchmark, made with PyAV from real tracks: one piece in many formats, and many copies."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

LENGTH_S, SHORT_S = 180, 10  # seconds
CODECS = {  # by ending: codec, bit rate in bit/s, sample rate in Hz
    "mp3": ("libmp3lame", 192_000, 44_100),
    "m4a": ("aac", 192_000, 44_100),
    "opus": ("libopus", 128_000, 48_000),
    "flac": ("flac", None, 44_100),
}
ID3V1_BYTES = 128


def full_length(tracks: Path, *packages: str) -> list[Path]:
    """Find the full-length Ogg tracks of packages: 30 s and longer."""
    files = [path for package in packages for path in sorted((tracks / package).rglob("*.ogg"))]
    return [path for path in files if soundfile.info(path).duration >= 30]


def make_set(sources: list[Path], folder: Path, ending: str, n_files: int) -> list[Path]:
    """Encode the first 180 s of stereo tracks that are long enough; what is there already is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number, (sound, sample_rate) in zip(range(n_files), _long_stereo(sources), strict=False):
        path = folder / f"{number:02d}.{ending}"
        if not path.exists():
            _encode(path, sound, sample_rate, ending)
        made.append(path)
    if len(made) < n_files:
        raise ValueError(f"tracks must hold {n_files} stereo tracks of {LENGTH_S} s, got {len(made)}")
    return made


def make_short(source: Path, folder: Path) -> Path:
    """Encode the first seconds of a track as MP3."""
    folder.mkdir(parents=True, exist_ok=True)
    sound, sample_rate = soundfile.read(source, frames=SHORT_S * 44_100, dtype="float32", always_2d=True)
    _encode(folder / "short.mp3", sound, sample_rate, "mp3")
    return folder / "short.mp3"


def make_copies(sources: list[Path], folder: Path, n_files: int) -> list[Path]:
    """Write MP3s again and again, each with another tag behind it: no two have the same bytes, none is a known copy."""
    folder.mkdir(parents=True, exist_ok=True)
    copies = []
    for number in range(n_files):
        tag = b"TAG" + f"copy {number}".encode().ljust(ID3V1_BYTES - 3, b"\0")
        copies.append(folder / f"{number:04d}.mp3")
        copies[-1].write_bytes(sources[number % len(sources)].read_bytes() + tag)
    return copies


def _long_stereo(sources: list[Path]) -> Iterator[tuple[NDArray[np.float32], int]]:
    for path in sources:
        about = soundfile.info(path)
        if about.duration >= LENGTH_S and about.channels == 2 and about.samplerate == 44_100:
            yield soundfile.read(path, frames=LENGTH_S * about.samplerate, dtype="float32")


def _encode(path: Path, sound: NDArray[np.float32], sample_rate: int, ending: str) -> None:
    """Encode (n_samples, 2); Ogg Vorbis with libsndfile, for FFmpeg's own encoder is an experiment."""
    if ending == "ogg":
        with soundfile.SoundFile(path, "w", sample_rate, 2, format="OGG", subtype="VORBIS") as file:
            for first in range(0, len(sound), sample_rate):  # in one piece, libsndfile overflows its stack
                file.write(sound[first : first + sample_rate])
        return
    codec, bit_rate, rate = CODECS[ending]
    temporary = path.with_name(f"part.{path.name}")
    with av.open(str(temporary), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.layout = "stereo"
        if bit_rate:
            stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound.T), format="fltp", layout="stereo")
        frame.sample_rate = sample_rate
        resampler = av.AudioResampler(
            format=stream.codec_context.format, layout="stereo", rate=rate, frame_size=stream.frame_size or 4_096
        )
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    temporary.rename(path)
