"""One open audio file, read by libsndfile or by FFmpeg: mono float32 blocks at the file's own sample rate.

Both readers answer the same four questions (`sample_rate`, `n_samples`, `read`, `blocks`), so that `features.decode`
can fall back from one on the other. Channels are averaged as they come: memory holds one channel, whatever the file.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import FileIO
from itertools import chain
from types import SimpleNamespace
from typing import Any, BinaryIO, Protocol

import av
import av.error
import numpy as np
import soundfile
from numpy.typing import NDArray

BLOCK_SAMPLES = 65_536
NOT_SAID = (1 << 63) - 1  # libsndfile's number of samples for a file that does not say
SEEK_MARGIN_S = 0.25  # seconds decoded before what is wanted, so that codecs with memory (Opus, AAC) have settled
# Demuxers of real media only: a playlist (HLS, DASH, concat) dressed as a track must not make FFmpeg open other files.
FFMPEG_FORMATS = (
    "aac,ac3,eac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,flac,flv,iff,matroska,webm,mov,mp4,m4a,mp3,mpc,mpc8,"
    "mpeg,mpegts,ogg,rm,shn,tak,tta,voc,w64,wav,wv,xwma"
)


class DecodeError(ValueError):
    """A file that no decoder could turn into sound; the message says why, in one line."""


class TooLongError(DecodeError):
    """A file that declares, or turns out to hold, more seconds than are allowed."""


class Reader(Protocol):
    """What `features.decode` asks of an open file."""

    sample_rate: int  # Hz
    n_samples: int | None  # as the file declares it: may be missing, and may be wrong

    def close(self) -> None:
        """Let go of the decoder; the file stays open."""
        ...

    def read(self, start: int, n_samples: int) -> NDArray[np.float32]:
        """Seek to a sample and read from there; shorter where the file ends before."""
        ...

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Decode everything from where the file was opened, block by block."""
        ...


class SndfileReader:
    """WAV, FLAC, Ogg Vorbis, MP3, AIFF and more through libsndfile (python-soundfile)."""

    def __init__(self, file: BinaryIO) -> None:
        with _libsndfile_errors():
            # By descriptor where there is one: faster than calls back into Python.
            self._file = soundfile.SoundFile(file.fileno() if isinstance(file, FileIO) else file, closefd=False)
        self.sample_rate: int = self._file.samplerate
        self.n_samples: int | None = self._file.frames if self._file.frames < NOT_SAID else None

    def close(self) -> None:
        """Let go of the decoder; the file stays open."""
        self._file.close()

    def read(self, start: int, n_samples: int) -> NDArray[np.float32]:
        """Seek to a sample and read from there; shorter where the file ends before."""
        with _libsndfile_errors():
            self._file.seek(start)
            return self._read_on(n_samples)

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Decode everything from where the file was opened, block by block."""
        with _libsndfile_errors():
            while (block := self._read_on(BLOCK_SAMPLES)).size:
                yield block

    def _read_on(self, n_samples: int) -> NDArray[np.float32]:
        return mean_of_channels(self._file.read(n_samples, dtype="float32", always_2d=True))


class FfmpegReader:
    """Opus, M4A (AAC, ALAC), WMA, WebM and whatever else FFmpeg knows (PyAV carries its own)."""

    def __init__(self, file: BinaryIO) -> None:
        with _ffmpeg_errors():
            # By content: FFmpeg sees no name, which may hold bytes that it cannot take or an ending that lies.
            nameless: Any = SimpleNamespace(read=file.read, seek=file.seek, tell=file.tell)
            self._container = av.open(nameless, mode="r", options={"format_whitelist": FFMPEG_FORMATS})
        if not self._container.streams.audio:
            self._container.close()
            raise DecodeError("FFmpeg: it holds no audio stream")
        self._stream = self._container.streams.audio[0]
        self.sample_rate: int = self._stream.rate
        self.n_samples: int | None = self._declared_samples()

    def close(self) -> None:
        """Let go of the decoder; the file stays open."""
        self._container.close()

    def read(self, start: int, n_samples: int) -> NDArray[np.float32]:
        """Seek to a sample and read from there; shorter where the file ends before."""
        with _ffmpeg_errors():
            frames = self._frames_from(start)
            first = next(frames, None)
            if first is None:
                return np.zeros(0, np.float32)
            position = self._position(first)
            if position > start > 0:
                raise DecodeError("FFmpeg: seeking came out behind the wanted second")
            n_decoded = start - position + n_samples
            pieces = list(_joined(_until(chain([first], frames), n_decoded), block_samples=n_decoded))
        return np.concatenate([np.zeros(0, np.float32), *pieces])[max(0, start - position) :][:n_samples]

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Decode everything from where the file was opened, block by block."""
        with _ffmpeg_errors():
            yield from _joined(self._frames(), block_samples=BLOCK_SAMPLES)

    def _frames_from(self, start: int) -> Iterator[Any]:
        """Decode from a little before a sample."""
        time_base, first = self._stream.time_base, self._stream.start_time or 0
        if time_base is None:
            raise DecodeError("FFmpeg: the stream has no clock to seek by")
        wanted_s = max(0.0, start / self.sample_rate - SEEK_MARGIN_S)
        self._container.seek(int(wanted_s / time_base) + first, stream=self._stream)
        return self._frames()

    def _frames(self) -> Iterator[Any]:
        """Decode from where the file stands, as long as the sample rate is what it said."""
        for frame in self._container.decode(self._stream):
            if frame.sample_rate != self.sample_rate:
                raise DecodeError(f"FFmpeg: the sample rate changes to {frame.sample_rate} Hz on the way")
            yield frame

    def _position(self, frame: Any) -> int:
        """Say at which sample a frame begins, by the clock of the stream."""
        if frame.pts is None or self._stream.time_base is None:
            raise DecodeError("FFmpeg: its frames carry no time stamps to seek by")
        return round(float((frame.pts - (self._stream.start_time or 0)) * self._stream.time_base) * self.sample_rate)

    def _declared_samples(self) -> int | None:
        """Length by the stream's clock, else by the container's; None where neither says."""
        if self._stream.duration is not None and self._stream.time_base is not None:
            return round(float(self._stream.duration * self._stream.time_base) * self.sample_rate)
        if self._container.duration is not None:
            return round(float(self._container.duration) / av.time_base * self.sample_rate)
        return None


def mean_of_channels(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average (n_samples, n_channels) to (n_samples,).

    As a product with a vector: the mean of interleaved samples along their short axis takes NumPy sixty times as long.
    """
    n_channels = samples.shape[1]
    if n_channels == 1:
        return samples[:, 0]
    return samples @ np.full(n_channels, 1.0 / n_channels, np.float32)


@contextmanager
def _libsndfile_errors() -> Iterator[None]:
    """Turn libsndfile's errors into ours."""
    try:
        yield
    except soundfile.LibsndfileError as error:
        raise DecodeError(f"libsndfile: {error.error_string}") from error


@contextmanager
def _ffmpeg_errors() -> Iterator[None]:
    """Turn FFmpeg's errors into ours: its own words, without the errno and the file name around them."""
    try:
        yield
    except (av.error.FFmpegError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DecodeError(f"FFmpeg: {reason.splitlines()[0]}") from error


def _until(frames: Iterable[Any], n_samples: int) -> Iterator[Any]:
    """Take frames until they hold so many samples."""
    for frame in frames:
        yield frame
        n_samples -= frame.samples
        if n_samples <= 0:
            return


def _joined(frames: Iterator[Any], *, block_samples: int) -> Iterator[NDArray[np.float32]]:
    """Gather frames to blocks before Python touches a sample: a frame is short, its decoding cheaper than a call."""
    waiting, kind = av.AudioFifo(), None
    try:
        for frame in frames:
            kind_here = (frame.format.name, frame.layout.name)
            if waiting.samples and kind_here != kind:  # the queue does not check: it would read beyond the channels
                yield _mono(waiting.read())
            if kind_here != kind:
                waiting, kind = av.AudioFifo(), kind_here
            frame.pts = None  # after a seek, FFmpeg's clock is not that of the queue
            waiting.write(frame)
            if waiting.samples >= block_samples:
                yield _mono(waiting.read())
    except (av.error.FFmpegError, DecodeError):
        if waiting.samples:
            yield _mono(waiting.read())
        raise
    if waiting.samples:
        yield _mono(waiting.read())


def _mono(frame: Any) -> NDArray[np.float32]:
    """One FFmpeg frame, whatever its sample format, as mono float32."""
    samples = frame.to_ndarray()
    samples = samples.T if frame.format.is_planar else samples.reshape(-1, frame.layout.nb_channels)
    if samples.dtype == np.uint8:
        samples = samples.astype(np.float32) / 128.0 - 1.0
    elif np.issubdtype(samples.dtype, np.integer):
        samples = samples.astype(np.float32) / -float(np.iinfo(samples.dtype).min)
    return mean_of_channels(samples.astype(np.float32, copy=False))
