"""Waveform outline for drawing: the peak level in each of many equal parts of a file.

A track is decoded whole, block by block; of a long file only a window in each part is read, so that an hour costs no
more than a track.
"""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from features.decode_errors import DecodeError
from features.mixing import Samples, channel_weights, mix

if TYPE_CHECKING:
    from features.readers import Reader

N_PEAKS = 600  # parts: about one for every two pixels of a wide screen
WHOLE_S = 300.0  # seconds up to which a file is decoded whole: a second of work, on a slow machine
WINDOW_S = 0.05  # seconds read in each part of a longer file


@dataclass(frozen=True, kw_only=True, eq=False)
class Peaks:
    """The waveform outline of a file."""

    peaks: NDArray[np.float32]  # (n_peaks,), the largest absolute sample of each part
    duration_s: float  # seconds


def read_peaks(path: Path, n_peaks: int = N_PEAKS) -> Peaks:
    """Read the waveform outline of a file.

    Parameters
    ----------
    path
        Any file that can be decoded.
    n_peaks
        Equal parts that the file is cut into.

    Raises
    ------
    DecodeError
        When no decoder can read it.
    OSError
        When the file cannot be opened.
    """
    from features.opening import readers_of  # noqa: PLC0415  (loads the decoders)

    refusals: list[str] = []
    with path.open("rb", buffering=0) as raw:
        file = cast(BinaryIO, raw)
        for open_reader in readers_of(file)[0]:
            file.seek(0)
            try:
                with closing(open_reader(file)) as reader:
                    return _peaks_of(reader, n_peaks)
            except DecodeError as error:
                refusals.append(str(error))
    raise DecodeError("; ".join(refusals))


def _peaks_of(reader: "Reader", n_peaks: int) -> Peaks:
    """Read all of a track, or windows of a long file."""
    if (reader.n_samples or 0) > WHOLE_S * reader.sample_rate:
        return _of_windows(reader, reader.n_samples or 0, n_peaks)
    return _of_blocks(reader, n_peaks)


def _of_windows(reader: "Reader", n_samples: int, n_peaks: int) -> Peaks:
    """Read a window in the middle of each part."""
    window = round(WINDOW_S * reader.sample_rate)
    middles = (np.arange(n_peaks) + 0.5) * n_samples / n_peaks
    peaks = [np.abs(_mono(reader.read(int(middle), window))).max(initial=0.0) for middle in middles]
    return Peaks(peaks=np.array(peaks, np.float32), duration_s=n_samples / reader.sample_rate)


def _of_blocks(reader: "Reader", n_peaks: int) -> Peaks:
    """Take the peak of every 5 ms block while decoding, then of each part: a declared length may be wrong."""
    step = max(1, reader.sample_rate // 200)  # 5 ms
    fine: list[NDArray[np.float32]] = []
    rest, n_samples = np.zeros(0, np.float32), 0
    for block in reader.blocks():
        n_samples += len(block)
        waiting = np.concatenate([rest, np.abs(_mono(block))])
        n_whole = waiting.size // step * step
        fine.append(waiting[:n_whole].reshape(-1, step).max(1))
        rest = waiting[n_whole:]
    if n_samples == 0:
        raise DecodeError("it holds no sound")
    steps = np.concatenate([*fine, [rest.max(initial=0.0)]])
    edges = np.linspace(0, n_samples / step, n_peaks + 1)
    first = np.floor(edges[:-1]).astype(np.int64)
    last = np.maximum(first + 1, np.ceil(edges[1:]).astype(np.int64))
    peaks = [steps[a:b].max() for a, b in zip(first, last, strict=True)]
    return Peaks(peaks=np.array(peaks, np.float32), duration_s=n_samples / reader.sample_rate)


def _mono(samples: Samples) -> NDArray[np.float32]:
    """Mix a piece as it is heard when it is embedded."""
    return mix(samples, channel_weights(samples))
