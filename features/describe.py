"""Tempo, key and loudness of a sound file, in one pass over it.

The loudness is that of the whole file. Tempo and key are those of its first minutes, which bounds time and memory: a
mix of hours has many of both.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from features.decode_errors import DecodeError
from features.description import Description
from features.key import estimate_key
from features.loudness import LoudnessMeter
from features.mixing import Samples, channel_weights, mix
from features.opening import readers_of
from features.readers import Reader
from features.resample import resample
from features.seeking import falls_short
from features.streaming import OpenReader, readable_blocks, summary
from features.tempo import estimate_tempo

SAMPLE_RATE = 22_050  # Hz, of what tempo and key are estimated from
HEARD_S = 240.0  # seconds of it, from the beginning


def describe_file(path: Path) -> Description:
    """Measure tempo, key and loudness of a file; of a damaged one, of what could be read.

    Raises
    ------
    DecodeError
        When no decoder can read a sample.
    OSError
        When the file cannot be opened.
    """
    refusals: list[str] = []
    with path.open("rb", buffering=0) as raw:
        file = cast(BinaryIO, raw)
        readers, is_trusted = readers_of(file)
        heard = [found for found in _tried(file, readers, is_trusted=is_trusted, refusals=refusals) if found.n_samples]
    if not heard:
        raise DecodeError(summary(refusals))
    return max(heard, key=lambda each: each.duration_s).describe()  # of equals, the first


class _Heard:
    """What one reader gives of a file."""

    def __init__(self, reader: Reader, refusals: list[str]) -> None:
        self.sample_rate, self.n_samples = reader.sample_rate, 0
        self._meter = LoudnessMeter(reader.sample_rate)
        self._mono: list[NDArray[np.float32]] = []
        for block in readable_blocks(reader, refusals):
            self._meter.add(block)
            if self.duration_s < HEARD_S:
                self._mono.append(_mono(block))
            self.n_samples += len(block)
        self.is_whole = not falls_short(self.n_samples, reader)

    @property
    def duration_s(self) -> float:
        return self.n_samples / self.sample_rate

    def describe(self) -> Description:
        waveform = resample(np.concatenate(self._mono), self.sample_rate, SAMPLE_RATE)
        bpm = estimate_tempo(waveform, SAMPLE_RATE)
        return Description(
            bpm=bpm and round(bpm, 1),
            key=estimate_key(waveform, SAMPLE_RATE),
            loudness_lufs=self._meter.loudness_lufs(),
        )


def _tried(file: BinaryIO, readers: list[OpenReader], *, is_trusted: bool, refusals: list[str]) -> Iterator[_Heard]:
    """Read a file by each of its readers, until one has all that it declares."""
    for open_reader in readers:
        file.seek(0)
        try:
            with closing(open_reader(file)) as reader:
                heard = _Heard(reader, refusals)
        except DecodeError as error:
            refusals.append(str(error))
            continue
        yield heard
        if is_trusted and heard.is_whole:
            return


def _mono(block: Samples) -> NDArray[np.float32]:
    """Mix a block to one channel; what is no number is silence."""
    return np.nan_to_num(mix(block, channel_weights(block)))
