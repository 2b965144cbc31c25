"""Bytes in, mono float32 sound out: the segments of a track, or the whole of it.

libsndfile and FFmpeg stand in for each other: which goes first is told by the file's content, and what one refuses or
cuts short is given to the other. Long files are seeked, not decoded whole; a file whose declared length is wrong
(truncated, damaged) is decoded from its beginning in blocks, and what is really there is used.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from features.readers import DecodeError, FfmpegReader, Reader, SndfileReader, TooLongError
from features.recipe import MelRecipe
from features.resample import resample
from features.segments import cut_segments, segment_starts, tile
from features.sniff import SNIFF_BYTES, libsndfile_first

__all__ = ["DecodeError", "Segments", "TooLongError", "decode", "decode_segments"]

MIN_DURATION_S = 0.1  # seconds; shorter is no sound to compare
SILENCE = 1e-5  # peak amplitude, -100 dB: under a third of the smallest step of 16-bit sound
SHORTFALL_S = 0.1  # seconds by which a file may end before its declared end
WHOLE_IF_UNDER = 2.0  # a track up to this many times its segments together is decoded whole: cheaper than seeking
EDGE_S = 0.05  # seconds decoded on each side of a segment, so that the resampler has settled


@dataclass(frozen=True, kw_only=True)
class Segments:
    """The segments of one track."""

    segments: NDArray[np.float32]  # (n_segments, segment_samples), mono, at the recipe's sample rate
    duration_s: float  # of the whole track, seconds
    starts_s: tuple[float, ...]  # where each segment begins, seconds
    source_rate: int  # sample rate of the file, Hz


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
        for open_reader in _readers(file):
            try:
                with closing(open_reader(_rewound(file))) as reader:
                    _require_at_most(max_duration_s, reader.n_samples or 0, reader)
                    return _checked(_by_declared_length(reader, recipe))
            except (_UnfitError, TooLongError):
                raise
            except DecodeError as error:
                refusals.append(str(error))
        return _checked(_by_true_length(file, recipe, refusals, max_duration_s))


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
    best, rate = np.zeros(0, np.float32), sample_rate
    refusals: list[str] = []
    with _opened(source) as file:
        for open_reader in _readers(file):
            try:
                with closing(open_reader(_rewound(file))) as reader:
                    waveform = _concatenated(_readable_blocks(reader, refusals))
                    if waveform.size / reader.sample_rate > best.size / rate:
                        best, rate = waveform, reader.sample_rate
                    if not _falls_short(waveform.size, reader):
                        break
            except DecodeError as error:
                refusals.append(str(error))
    if best.size == 0:
        raise DecodeError(_summary(refusals))
    return resample(best, rate, sample_rate)


class _UnfitError(DecodeError):
    """The sound was read well and is not fit to embed: another decoder would not help."""


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


def _readers(file: BinaryIO) -> list[Callable[[BinaryIO], Reader]]:
    """Both readers, the better one for this content first."""
    head = _rewound(file).read(SNIFF_BYTES)
    if not head:
        raise DecodeError("the file is empty")
    return [SndfileReader, FfmpegReader] if libsndfile_first(head) else [FfmpegReader, SndfileReader]


def _by_declared_length(reader: Reader, recipe: MelRecipe) -> Segments:
    """Trust the length that the file declares, and seek; a DecodeError where it proves wrong."""
    if not reader.n_samples:
        raise DecodeError("it does not say how long it is")
    n_samples = round(reader.n_samples / reader.sample_rate * recipe.sample_rate)
    if n_samples <= WHOLE_IF_UNDER * recipe.n_segments * recipe.segment_samples:
        waveform = _concatenated(reader.blocks())
        if _falls_short(waveform.size, reader):
            raise DecodeError(_short(waveform.size, reader))
        waveform = resample(waveform, reader.sample_rate, recipe.sample_rate)
        _require_length(waveform.size, recipe)
        return _segments(cut_segments(waveform, recipe), waveform.size, recipe, reader)
    pieces = [_seek_segment(reader, int(start), recipe) for start in segment_starts(n_samples, recipe)]
    return _segments(np.stack(pieces), n_samples, recipe, reader)


def _seek_segment(reader: Reader, start: int, recipe: MelRecipe) -> NDArray[np.float32]:
    """One segment, read with a margin on both sides and resampled."""
    first, offset = _on_common_grid(start, reader.sample_rate, recipe.sample_rate)
    n_wanted = round(((offset + recipe.segment_samples) / recipe.sample_rate + EDGE_S) * reader.sample_rate)
    piece = reader.read(first, n_wanted)
    n_expected = min(n_wanted, (reader.n_samples or 0) - first)
    if piece.size < n_expected - SHORTFALL_S * reader.sample_rate:
        raise DecodeError(_short(first + piece.size, reader))
    piece = resample(piece, reader.sample_rate, recipe.sample_rate)
    return tile(piece[offset : offset + recipe.segment_samples], recipe)


def _on_common_grid(start: int, from_rate: int, to_rate: int) -> tuple[int, int]:
    """Where to begin reading so that a piece resampled falls on the samples of the whole track resampled.

    Returns the first sample to read (at `from_rate`, EDGE_S or more before the start), and how many samples (at
    `to_rate`) lie between it and the start.
    """
    common = math.gcd(from_rate, to_rate)
    period = to_rate // common  # samples at to_rate after which the two clocks meet again
    meeting = max(0, start - round(EDGE_S * to_rate)) // period * period
    return meeting // period * (from_rate // common), start - meeting


def _by_true_length(file: BinaryIO, recipe: MelRecipe, refusals: list[str], max_duration_s: float) -> Segments:
    """Decode from the beginning, twice: once to learn how much is there, once to keep the segments."""
    n_samples, chosen = 0, None
    for open_reader in _readers(file):
        try:
            with closing(open_reader(_rewound(file))) as reader:
                n_read = 0
                for block in _readable_blocks(reader, refusals):
                    n_read += block.size
                    _require_at_most(max_duration_s, n_read, reader)
                n_read = round(n_read / reader.sample_rate * recipe.sample_rate)
        except TooLongError:
            raise
        except DecodeError:
            continue  # already among the refusals
        if n_read > n_samples:
            n_samples, chosen = n_read, open_reader
    if chosen is None:
        raise DecodeError(_summary(refusals))
    _require_length(n_samples, recipe)
    with closing(chosen(_rewound(file))) as reader:
        pieces = _cut_from_blocks(_readable_blocks(reader, refusals), reader.sample_rate, n_samples, recipe)
        return _segments(pieces, n_samples, recipe, reader)


def _cut_from_blocks(
    blocks: Iterator[NDArray[np.float32]], sample_rate: int, n_samples: int, recipe: MelRecipe
) -> NDArray[np.float32]:
    """Keep the segments while the blocks go by; memory holds the segments and one block."""
    ratio = sample_rate / recipe.sample_rate
    starts = [int(start * ratio) for start in segment_starts(n_samples, recipe)]
    length = int(recipe.segment_s * sample_rate)
    kept: list[list[NDArray[np.float32]]] = [[] for _ in starts]
    position = 0
    for block in blocks:
        for pieces, start in zip(kept, starts, strict=True):
            part = block[max(0, start - position) : max(0, start + length - position)]
            if part.size:
                pieces.append(part)
        position += block.size
    joined = [np.concatenate(pieces) for pieces in kept]
    return np.stack([tile(resample(piece, sample_rate, recipe.sample_rate), recipe) for piece in joined])


def _readable_blocks(reader: Reader, refusals: list[str]) -> Iterator[NDArray[np.float32]]:
    """Blocks up to the first that cannot be read; why it ended goes to the refusals."""
    try:
        yield from reader.blocks()
    except DecodeError as error:
        refusals.append(str(error))


def _concatenated(blocks: Iterator[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.concatenate([np.zeros(0, np.float32), *blocks])


def _falls_short(n_samples: int, reader: Reader) -> bool:
    return reader.n_samples is not None and n_samples < reader.n_samples - SHORTFALL_S * reader.sample_rate


def _short(n_samples: int, reader: Reader) -> str:
    declared_s = (reader.n_samples or 0) / reader.sample_rate
    return f"it ends after {n_samples / reader.sample_rate:.1f} s of the {declared_s:.1f} s that it declares"


def _segments(segments: NDArray[np.float32], n_samples: int, recipe: MelRecipe, reader: Reader) -> Segments:
    return Segments(
        segments=segments,
        duration_s=n_samples / recipe.sample_rate,
        starts_s=tuple((segment_starts(n_samples, recipe) / recipe.sample_rate).tolist()),
        source_rate=reader.sample_rate,
    )


def _require_at_most(max_duration_s: float, n_samples: int, reader: Reader) -> None:
    if n_samples > max_duration_s * reader.sample_rate:
        raise TooLongError(
            f"it must last at most {max_duration_s:g} s, got {n_samples / reader.sample_rate:.0f} s or more"
        )


def _require_length(n_samples: int, recipe: MelRecipe) -> None:
    if n_samples < MIN_DURATION_S * recipe.sample_rate:
        raise _UnfitError(f"it is too short to embed: {n_samples / recipe.sample_rate:.3f} s")


def _checked(track: Segments) -> Segments:
    """Refuse what no vector can stand for."""
    if not np.isfinite(track.segments).all():
        raise _UnfitError("it holds samples that are not finite numbers (NaN or infinity)")
    if np.abs(track.segments).max() < SILENCE:
        raise _UnfitError("it is silent: there is nothing to compare")
    return track


def _summary(refusals: list[str]) -> str:
    """Say what both decoders said, each once."""
    return "; ".join(dict.fromkeys(refusals)) or "it holds no sound"
