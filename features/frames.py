"""FFmpeg's packets and frames as blocks of float32 samples; packets that cannot be decoded are left out."""

from collections.abc import Iterable, Iterator
from typing import Any

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from features.mixing import Samples
from features.resample import resample


def until(frames: Iterable[Any], n_samples: int) -> Iterator[Any]:
    """Take frames until they hold so many samples."""
    for frame in frames:
        yield frame
        n_samples -= frame.samples
        if n_samples <= 0:
            return


def blocks_of(frames: Iterator[Any], *, block_samples: int, sample_rate: int) -> Iterator[Samples]:
    """Gather frames to blocks before Python touches a sample: a frame is short, its decoding cheaper than a call.

    Where the format of the samples, the number of channels or the sample rate changes, a block ends; blocks of another
    rate are brought to `sample_rate`, Hz.
    """
    waiting, kind = av.AudioFifo(), None
    try:
        for frame in frames:
            kind_here = (frame.format.name, frame.layout.name, frame.sample_rate)
            if waiting.samples and kind_here != kind:  # the queue does not check: it would read beyond the channels
                yield _block(waiting.read(), sample_rate)
            if kind_here != kind:
                waiting, kind = av.AudioFifo(), kind_here
            frame.pts = None  # after a seek, FFmpeg's clock is not that of the queue
            waiting.write(frame)
            if waiting.samples >= block_samples:
                yield _block(waiting.read(), sample_rate)
    except (av.error.FFmpegError, ValueError):
        if waiting.samples:
            yield _block(waiting.read(), sample_rate)
        raise
    if waiting.samples:
        yield _block(waiting.read(), sample_rate)


def _block(frame: Any, sample_rate: int) -> Samples:
    """One FFmpeg frame as (n_samples, n_channels) at a sample rate."""
    samples = _samples(frame)
    return resample(samples, frame.sample_rate, sample_rate) if frame.sample_rate else samples


def _samples(frame: Any) -> NDArray[np.float32]:
    """One FFmpeg frame, whatever its sample format, as float32 (n_samples, n_channels)."""
    samples = frame.to_ndarray()
    samples = samples.T if frame.format.is_planar else samples.reshape(-1, frame.layout.nb_channels)
    if samples.dtype == np.uint8:
        samples = samples.astype(np.float32) / 128.0 - 1.0
    elif np.issubdtype(samples.dtype, np.integer):
        samples = samples.astype(np.float32) / -float(np.iinfo(samples.dtype).min)
    floats: NDArray[np.float32] = samples.astype(np.float32, copy=False)
    return floats
