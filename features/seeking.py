"""The segments of a track whose declared length is trusted: seeked, or cut out of the whole where that is cheaper."""

import math

import numpy as np
from numpy.typing import NDArray

from features.decode_errors import DecodeError
from features.mixing import Samples, channel_weights, clip_spikes, concatenated, is_mean, mix, peak_of
from features.readers import Reader
from features.recipe import MelRecipe
from features.resample import resample
from features.segments import tile
from features.sounding import (
    QUIET,
    Levels,
    Span,
    cell_levels,
    cell_samples,
    is_sounding,
    rescaled,
    runs_of,
    sounding_spans,
)
from features.track_segments import Cut, Segments, as_track, ceiling_of, cut_pieces, placed, require_length

SHORTFALL_S = 0.1  # seconds by which a file may end before its declared end
WHOLE_IF_UNDER = 2.0  # a track up to this many times its segments together is decoded whole: cheaper than seeking
EDGE_S = 0.05  # seconds decoded on each side of a segment, so that the resampler has settled
N_LOOKS = 600  # places of a long track that are looked at where some of its segments are silent
LOOK_S, LOOK_STEP_S = 0.1, 2.0  # seconds of a look, and from place to place, at least
MAX_SCAN_S = 7_200.0  # seconds up to which a track is decoded whole, in search of any sound in it
SCAN_S = 30.0  # seconds decoded at a time then


def by_declared_length(reader: Reader, recipe: MelRecipe) -> Segments:
    """Cut the segments of an open file, trusting the length that it declares.

    Raises
    ------
    DecodeError
        Where that proves wrong.
    """
    if not reader.n_samples:
        raise DecodeError("it does not say how long it is" if reader.n_samples is None else "it holds no sound")
    n_samples = round(reader.n_samples / reader.sample_rate * recipe.sample_rate)
    if n_samples <= WHOLE_IF_UNDER * recipe.n_segments * recipe.segment_samples:
        return _of_whole(reader, recipe)
    cut = placed(
        lambda spans: _seek(reader, spans, recipe),
        lambda: rescaled(_sounding(reader), reader.sample_rate, recipe.sample_rate),
        n_samples=n_samples,
        recipe=recipe,
    )
    return as_track(cut, n_samples, recipe, source_rate=reader.sample_rate, losses=reader.warnings())


def falls_short(n_samples: int, reader: Reader) -> bool:
    """Say whether so many samples are fewer than a file declares."""
    return reader.n_samples is not None and n_samples < reader.n_samples - SHORTFALL_S * reader.sample_rate


def _of_whole(reader: Reader, recipe: MelRecipe) -> Segments:
    """Decode everything, and cut the segments out of it."""
    samples, n_clipped = concatenated(reader.blocks()), 0
    if falls_short(len(samples), reader):
        raise DecodeError(_short(len(samples), reader))
    if peak_of(samples) > ceiling_of(reader):
        (samples,), n_clipped = clip_spikes([samples])
    mixed: dict[bytes, NDArray[np.float32]] = {}  # the whole track, by the weights of its channels

    def wave(weights: NDArray[np.float32]) -> NDArray[np.float32]:
        if weights.tobytes() not in mixed:
            mixed[weights.tobytes()] = resample(mix(samples, weights), reader.sample_rate, recipe.sample_rate)
        return mixed[weights.tobytes()]

    def cut(spans: list[Span]) -> Cut:
        sources = rescaled(spans, recipe.sample_rate, reader.sample_rate)
        weights = [channel_weights(samples[start : start + n]) for start, n in sources]
        pieces = [tile(wave(w)[start : start + n], recipe) for w, (start, n) in zip(weights, spans, strict=True)]
        n_turned = sum(not is_mean(w) for w in weights)
        return Cut(segments=np.stack(pieces), spans=tuple(spans), n_turned=n_turned, n_clipped=n_clipped)

    def sounding() -> list[Span]:
        found = sounding_spans(cell_levels(samples, reader.sample_rate), len(samples), reader.sample_rate)
        return rescaled(found, reader.sample_rate, recipe.sample_rate)

    n_samples = wave(channel_weights(samples)).size if len(samples) else 0
    require_length(n_samples, recipe)
    found = placed(cut, sounding, n_samples=n_samples, recipe=recipe)
    return as_track(found, n_samples, recipe, source_rate=reader.sample_rate, losses=reader.warnings())


def _seek(reader: Reader, spans: list[Span], recipe: MelRecipe) -> Cut:
    """Read spans with a margin on both sides, and resample them."""
    places = [_on_common_grid(start, reader.sample_rate, recipe.sample_rate) for start, _ in spans]

    def read(number: int) -> Samples:
        (first, offset), (_, n_samples) = places[number], spans[number]
        n_wanted = round(((offset + n_samples) / recipe.sample_rate + EDGE_S) * reader.sample_rate)
        piece = reader.read(first, n_wanted)
        if len(piece) < min(n_wanted, (reader.n_samples or 0) - first) - SHORTFALL_S * reader.sample_rate:
            raise DecodeError(_short(first + len(piece), reader))
        return piece

    def to_segment(number: int, piece: NDArray[np.float32]) -> NDArray[np.float32]:
        offset, n_samples = places[number][1], spans[number][1]
        return tile(resample(piece, reader.sample_rate, recipe.sample_rate)[offset : offset + n_samples], recipe)

    return cut_pieces(read, spans, to_segment, ceiling=lambda: ceiling_of(reader))


def _on_common_grid(start: int, from_rate: int, to_rate: int) -> tuple[int, int]:
    """Where to begin reading so that a piece resampled falls on the samples of the whole track resampled.

    Returns the first sample to read (at `from_rate`, EDGE_S or more before the start), and how many samples (at
    `to_rate`) lie between it and the start.
    """
    common = math.gcd(from_rate, to_rate)
    period = to_rate // common  # samples at to_rate after which the two clocks meet again
    meeting = max(0, start - round(EDGE_S * to_rate)) // period * period
    return meeting // period * (from_rate // common), start - meeting


def _sounding(reader: Reader) -> list[Span]:
    """Find where a long track sounds: by looks into it, then more closely before and behind what they found.

    Where no look finds sound, everything is decoded, unless that takes too long.
    """
    rate, n_samples = reader.sample_rate, reader.n_samples or 0
    step = max(round(LOOK_STEP_S * rate), n_samples // N_LOOKS)
    looks = range(0, n_samples, step)
    levels: Levels = np.array([_look(reader, start) for start in looks])
    loudest = float(levels.max())
    if loudest < QUIET and n_samples <= MAX_SCAN_S * rate:
        return sounding_spans(_scanned(reader, 0, n_samples), n_samples, rate)
    runs = runs_of(is_sounding(levels, loudest))
    return [_refined(reader, (first * step, (n - 1) * step), step=step, loudest=loudest) for first, n in runs]


def _look(reader: Reader, start: int) -> float:
    """Level of the loudest cell of a look that begins at a sample; 0 where there is none."""
    samples = reader.read(start, round(LOOK_S * reader.sample_rate))
    return float(cell_levels(samples, reader.sample_rate).max(initial=0.0))


def _scanned(reader: Reader, start: int, end: int) -> Levels:
    """Level of each cell from one sample to another."""
    at_once = round(SCAN_S * reader.sample_rate)
    pieces = (reader.read(first, min(at_once, end - first)) for first in range(start, end, at_once))
    return np.concatenate([cell_levels(piece, reader.sample_rate) for piece in pieces])


def _refined(reader: Reader, span: Span, *, step: int, loudest: float) -> Span:
    """Move the ends of a span, known to a step, to where the sound begins and ends, to a cell."""
    start, last = span[0], span[0] + span[1]
    end = min(last + step, reader.n_samples or 0)
    cell = cell_samples(reader.sample_rate)
    before = is_sounding(_scanned(reader, max(0, start - step), start), loudest) if start else np.zeros(0, np.bool_)
    after = is_sounding(_scanned(reader, last, end), loudest)
    first = start - (before.size - int(np.argmax(before))) * cell if before.any() else start
    n_after = after.size - int(np.argmax(after[::-1])) if after.any() else 1
    whole = end if n_after == after.size else last + n_after * cell
    return max(0, first), min(whole, end) - max(0, first)


def _short(n_samples: int, reader: Reader) -> str:
    declared_s = (reader.n_samples or 0) / reader.sample_rate
    return f"it ends after {n_samples / reader.sample_rate:.1f} s of the {declared_s:.1f} s that it declares"
