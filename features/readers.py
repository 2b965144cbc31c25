"""One open audio file, read by libsndfile or by FFmpeg: float32 samples of all channels at the file's own sample rate.

Both readers answer the same questions, so that `features.decode` can fall back from one on the other. Whoever reads
mixes the channels (`features.mixing`): which of them is heard depends on the whole piece.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from itertools import chain
from types import SimpleNamespace
from typing import Any, BinaryIO, Protocol

import av
import av.error
import numpy as np
import soundfile

from features.decode_errors import DecodeError
from features.frames import blocks_of, until
from features.mixing import Samples, concatenated

BLOCK_SAMPLES = 65_536
NOT_SAID = (1 << 63) - 1  # libsndfile's number of samples for a file that does not say
SEEK_MARGIN_S = 0.25  # seconds decoded before what is wanted, so that codecs with memory (Opus, AAC) have settled
RAW_FORMATS = ("aac", "ac3", "eac3", "dts", "mp3", "amr", "amrnb", "amrwb")  # frames without a head over them all
GUESS_OFF = 0.02  # of the length, and a second: as far may FFmpeg's guess be off
# Demuxers of real media only: a playlist (HLS, DASH, concat) dressed as a track must not make FFmpeg open other files.
FFMPEG_FORMATS = (
    "aac,ac3,eac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,flac,flv,iff,matroska,webm,mov,mp4,m4a,mp3,mpc,mpc8,"
    "mpeg,mpegts,ogg,rm,shn,tak,tta,voc,w64,wav,wv,xwma"
)


class Reader(Protocol):
    """What `features.decode` asks of an open file."""

    sample_rate: int  # Hz
    n_samples: int | None  # as the file declares it: may be missing, and may be wrong
    is_float_pcm: bool  # its samples are stored as floats, so that some may lie beyond full scale by mistake

    def close(self) -> None:
        """Let go of the decoder; the file stays open."""
        ...

    def read(self, start: int, n_samples: int) -> Samples:
        """Seek to a sample and read from there: (n_samples, n_channels), shorter where the file ends before."""
        ...

    def blocks(self) -> Iterator[Samples]:
        """Decode everything from where the file was opened, block by block."""
        ...

    def warnings(self) -> tuple[str, ...]:
        """Say what was lost in what was read so far, a sentence each."""
        ...


class SndfileReader:
    """WAV, FLAC, Ogg Vorbis, MP3, AIFF and more through libsndfile (python-soundfile)."""

    def __init__(self, file: BinaryIO) -> None:
        with _libsndfile_errors():
            # By descriptor where there is one: faster than calls back into Python.
            self._file = soundfile.SoundFile(file.fileno() if isinstance(file, FileIO) else file, closefd=False)
        self.sample_rate: int = self._file.samplerate
        self.n_samples: int | None = self._file.frames if self._file.frames < NOT_SAID else None
        self.is_float_pcm: bool = self._file.subtype in ("FLOAT", "DOUBLE")

    def close(self) -> None:
        """Let go of the decoder; the file stays open."""
        self._file.close()

    def read(self, start: int, n_samples: int) -> Samples:
        """Seek to a sample and read from there; shorter where the file ends before."""
        with _libsndfile_errors():
            self._file.seek(start)
            return self._read_on(n_samples)

    def blocks(self) -> Iterator[Samples]:
        """Decode everything from where the file was opened, block by block."""
        with _libsndfile_errors():
            while len(block := self._read_on(BLOCK_SAMPLES)):
                yield block

    def warnings(self) -> tuple[str, ...]:
        """Say nothing: libsndfile does not tell what it loses."""
        return ()

    def _read_on(self, n_samples: int) -> Samples:
        samples: Samples = self._file.read(n_samples, dtype="float32", always_2d=True)
        return samples


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
        self.is_float_pcm: bool = self._stream.codec_context.name.startswith(("pcm_f", "wavpack"))
        self._bad_packets: set[tuple[int | None, int | None]] = set()
        self._rates: set[int] = set()
        self._tore = False  # a packet could not be decoded since the last seek
        with _ffmpeg_errors():
            self.n_samples: int | None = self._declared_samples()

    def close(self) -> None:
        """Let go of the decoder; the file stays open."""
        self._container.close()

    def read(self, start: int, n_samples: int) -> Samples:
        """Seek to a sample and read from there; shorter where the file ends before."""
        with _ffmpeg_errors():
            frames = self._frames_from(start)
            first = next(frames, None)
            if first is None:
                return np.zeros((0, 1), np.float32)
            position = self._position(first)
            if position > start > 0 and not self._tore:
                raise DecodeError("FFmpeg: seeking came out behind the wanted second")
            n_decoded = max(0, start - position) + n_samples
            frames = until(chain([first], frames), n_decoded)
            pieces = concatenated(blocks_of(frames, block_samples=n_decoded, sample_rate=self.sample_rate))
        return pieces[max(0, start - position) :][:n_samples]

    def blocks(self) -> Iterator[Samples]:
        """Decode everything from where the file was opened, block by block."""
        with _ffmpeg_errors():
            yield from blocks_of(self._frames(), block_samples=BLOCK_SAMPLES, sample_rate=self.sample_rate)

    def warnings(self) -> tuple[str, ...]:
        """Say what was lost in what was read so far, a sentence each."""
        found = []
        if self._bad_packets:
            found.append(f"damaged packets were left out: {len(self._bad_packets)}")
        if self._rates - {self.sample_rate}:
            rates = ", ".join(str(rate) for rate in sorted(self._rates | {self.sample_rate}))
            found.append(f"its sample rate changes on the way: {rates} Hz")
        return tuple(found)

    def _frames_from(self, start: int) -> Iterator[Any]:
        """Decode from a little before a sample."""
        time_base, first = self._stream.time_base, self._stream.start_time or 0
        if time_base is None:
            raise DecodeError("FFmpeg: the stream has no clock to seek by")
        wanted_s = max(0.0, start / self.sample_rate - SEEK_MARGIN_S)
        self._container.seek(int(wanted_s / time_base) + first, stream=self._stream)
        return self._frames()

    def _frames(self) -> Iterator[Any]:
        """Decode from where the file stands, without the packets that cannot be decoded."""
        has_frames, refusal = False, None
        self._tore = False
        for packet in self._container.demux(self._stream):
            try:
                frames = packet.decode()
            except av.error.FFmpegError as error:
                refusal = error
                self._tore = True
                self._bad_packets.add((packet.pos, packet.pts))
                continue
            for frame in frames:
                has_frames = True
                self._rates.add(frame.sample_rate)
                yield frame
        if refusal and not has_frames:
            raise refusal

    def _position(self, frame: Any) -> int:
        """Say at which sample a frame begins, by the clock of the stream."""
        if frame.pts is None or self._stream.time_base is None:
            raise DecodeError("FFmpeg: its frames carry no time stamps to seek by")
        return round(float((frame.pts - (self._stream.start_time or 0)) * self._stream.time_base) * self.sample_rate)

    def _declared_samples(self) -> int | None:
        """Length by the stream's clock, else by the container's; None where neither says.

        Of a raw stream, FFmpeg guesses it from the bit rate at the beginning: its packets are counted, which costs
        little, for they are walked through at the first seek anyway.
        """
        declared = self._declared_by_clock()
        if declared is None or self._container.format.name not in RAW_FORMATS:
            return declared
        n_ticks = sum(packet.duration or 0 for packet in self._container.demux(self._stream))
        self._container.seek(0)
        counted = round(float(n_ticks * (self._stream.time_base or 0)) * self.sample_rate)
        is_near = abs(counted - declared) <= GUESS_OFF * counted + self.sample_rate
        return declared if is_near or not counted else counted

    def _declared_by_clock(self) -> int | None:
        if self._stream.duration is not None and self._stream.time_base is not None:
            return round(float(self._stream.duration * self._stream.time_base) * self.sample_rate)
        if self._container.duration is not None:
            return round(float(self._container.duration) / av.time_base * self.sample_rate)
        return None


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
