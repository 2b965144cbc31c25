"""Integrated loudness by EBU R 128, measured block by block as a file is decoded.

FFmpeg's filter ``ebur128`` does it, which PyAV carries: K-weighting, blocks of 400 ms, the absolute and the relative
gate. A file of one channel is measured as one (not as if it were played by two loudspeakers, 3 dB louder).

References
----------
EBU R 128, Loudness normalisation and permitted maximum level of audio signals, 2023. ITU-R BS.1770-5, Algorithms to
measure audio programme loudness and true-peak audio level, 2023.
"""

import math
from fractions import Fraction
from typing import Any

import av
import av.error
import av.filter
import numpy as np

from features.mixing import Samples, channel_weights, mix

LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}  # by channels
QUIETEST_LUFS = -70.0  # the absolute gate: what never gets louder has no loudness
INTEGRATED = "lavfi.r128.I"


class LoudnessMeter:
    """Measures the loudness of a track that comes in blocks.

    Parameters
    ----------
    sample_rate
        Hz.

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 997 * np.arange(10 * 48_000) / 48_000).astype(np.float32)
    >>> meter = LoudnessMeter(48_000)
    >>> meter.add(tone[:, None])
    >>> round(meter.loudness_lufs(), 1)
    -3.0
    """

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._n_channels = 0
        self._n_samples = 0
        self._lufs = -math.inf

    def add(self, block: Samples) -> None:
        """Measure on: (n_samples, n_channels); a block of other channels than the first is mixed to one of them."""
        if not len(block):
            return
        if not self._n_channels:
            self._n_channels = block.shape[1] if block.shape[1] in LAYOUTS else 1
            self._source, self._sink = self._opened()
        if block.shape[1] != self._n_channels:
            block = np.repeat(mix(block, channel_weights(block))[:, np.newaxis], self._n_channels, axis=1)
        interleaved = np.nan_to_num(np.ascontiguousarray(block, np.float32)).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(interleaved, format="flt", layout=LAYOUTS[self._n_channels])
        frame.sample_rate, frame.pts = self._sample_rate, self._n_samples
        self._n_samples += len(block)
        self._source.push(frame)
        self._pull()

    def loudness_lufs(self) -> float | None:
        """End, and tell the loudness of all that came; None where it was silence, or too short to be measured."""
        if self._n_samples:
            self._source.push(None)
            self._pull()
        return self._lufs if self._lufs > QUIETEST_LUFS else None

    def _opened(self) -> tuple[Any, Any]:
        """Make FFmpeg's filter."""
        graph = av.filter.Graph()
        layout, time_base = LAYOUTS[self._n_channels], Fraction(1, self._sample_rate)
        source: Any = graph.add_abuffer(sample_rate=self._sample_rate, format="flt", layout=layout, time_base=time_base)
        meter, sink = graph.add("ebur128", "metadata=1:framelog=quiet"), graph.add("abuffersink")
        source.link_to(meter)
        meter.link_to(sink)
        graph.configure()
        self._graph = graph  # which the two belong to
        return source, sink

    def _pull(self) -> None:
        """Take what the filter has measured so far."""
        while True:
            try:
                frame = self._sink.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            if INTEGRATED in frame.metadata:
                self._lufs = float(frame.metadata[INTEGRATED])
