"""Decoding: bytes to mono float32 sound, the segments of a track or the whole of it.

libsndfile and FFmpeg stand in for each other: which goes first is told by the file's content, and what one refuses or
cuts short is given to the other. Long files are seeked, not decoded whole; a file whose declared length is wrong
(truncated, damaged, joined) is decoded from its beginning in blocks, and what is really there is used. Whatever was
lost or mended on the way is told in `Segments.warnings`.
"""

import math
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from features.decode_errors import DecodeError, TooLongError
from features.mixing import FULL_SCALE, channel_weights, clip_spikes, concatenated, mix, peak_of
from features.opening import readers_of
from features.recipe import MelRecipe
from features.resample import resample
from features.seeking import WHOLE_IF_UNDER, by_declared_length, falls_short
from features.streaming import by_true_length, readable_blocks, require_at_most, summary
from features.track_segments import Segments, UnfitError, ceiling_of, checked
from features.truncation import truncation_of

__all__ = ["WHOLE_IF_UNDER", "DecodeError", "Segments", "TooLongError", "decode", "decode_segments"]

MISDECLARED = "its beginning declares another length or rate than it holds: it was decoded to its end"


def decode_segments(source: str | Path | BinaryIO, recipe: MelRecipe, *, max_duration_s: float = math.inf) -> Segments:
    """Decode only what the recipe looks at.

    Parameters
    ----------
    source
        A path, or an open binary file that can seek.
    recipe
        Sample rate, length and number of the segments.
    max_duration_s
        Seconds that a file may declare, and that are decoded of one that does not say how long it is, or lies.

    Raises
    ------
    TooLongError
        When it is longer: by what it declares, before anything is decoded.
    DecodeError
        When no decoder can read it, or when what it holds is too short, silent or not finite.
    OSError
        When the file cannot be opened.
    """
    refusals: list[str] = []
    with _opened(source) as file:
        readers, is_trusted = readers_of(file)
        for open_reader in readers if is_trusted else []:
            try:
                with closing(open_reader(_rewound(file))) as reader:
                    require_at_most(max_duration_s, reader.n_samples or 0, reader)
                    track = checked(by_declared_length(reader, recipe))
                cut_short = truncation_of(file, track.duration_s)
                return replace(track, warnings=(cut_short, *track.warnings)) if cut_short else track
            except (UnfitError, TooLongError):
                raise
            except DecodeError as error:
                refusals.append(str(error))
        track = by_true_length(file, readers, recipe, refusals=refusals, max_duration_s=max_duration_s)
        return checked(track if is_trusted else replace(track, warnings=(MISDECLARED, *track.warnings)))


def decode(source: str | Path | BinaryIO, sample_rate: int) -> NDArray[np.float32]:
    """Decode a whole track.

    Parameters
    ----------
    source
        A path, or an open binary file that can seek.
    sample_rate
        The rate wanted, Hz.

    Returns
    -------
    waveform : (n_samples,)
        Mono float32; of a damaged file, as much as the better decoder could read.

    Raises
    ------
    DecodeError
        When no decoder can read a sample.
    OSError
        When the file cannot be opened.
    """
    best, rate, ceiling = np.zeros((0, 1), np.float32), sample_rate, FULL_SCALE
    refusals: list[str] = []
    with _opened(source) as file:
        readers, is_trusted = readers_of(file)
        for open_reader in readers:
            try:
                with closing(open_reader(_rewound(file))) as reader:
                    samples = concatenated(readable_blocks(reader, refusals))
                    if len(samples) / reader.sample_rate > len(best) / rate:
                        best, rate, ceiling = samples, reader.sample_rate, ceiling_of(reader)
                    if is_trusted and not falls_short(len(samples), reader):
                        break
            except DecodeError as error:
                refusals.append(str(error))
    if len(best) == 0:
        raise DecodeError(summary(refusals))
    if peak_of(best) > ceiling:
        (best,), _ = clip_spikes([best])
    return resample(mix(best, channel_weights(best)), rate, sample_rate)


@contextmanager
def _opened(source: str | Path | BinaryIO) -> Iterator[BinaryIO]:
    """Open a path, unbuffered so that both decoders may read the descriptor; an open file stays the caller's."""
    if isinstance(source, str | Path):
        with Path(source).open("rb", buffering=0) as file:
            yield cast(BinaryIO, file)
    else:
        yield source


def _rewound(file: BinaryIO) -> BinaryIO:
    file.seek(0)
    return file
