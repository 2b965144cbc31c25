"""The segments of one track, out of what a decoder gave: placed over what sounds, clipped, mixed, resampled.

Whether a file is seeked, decoded whole or read as a stream is told by two functions: one cuts given spans out of it,
one says where it sounds. The second is called only where some of the segments are silent.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.decode_errors import DecodeError
from features.mixing import FULL_SCALE, OVERSHOOT, Samples, channel_weights, clip_spikes, is_mean, mix, peak_of
from features.readers import Reader
from features.recipe import MelRecipe
from features.segments import segment_starts
from features.sounding import SILENCE, Span, has_silence, level_of, segments_over, without_rests

MIN_DURATION_S = 0.1  # seconds; shorter is no sound to compare


class UnfitError(DecodeError):
    """The sound was read well and is not fit to embed: another decoder would not help."""


@dataclass(frozen=True, kw_only=True)
class Segments:
    """The segments of one track."""

    segments: NDArray[np.float32]  # (n_segments, segment_samples), mono, at the recipe's sample rate
    duration_s: float  # of the whole track, seconds
    starts_s: tuple[float, ...]  # where each segment begins, seconds
    source_rate: int  # sample rate of the file, Hz
    warnings: tuple[str, ...] = ()  # what was lost or mended on the way, a sentence each; none for a sound file


@dataclass(frozen=True, kw_only=True, eq=False)
class Cut:
    """Segments cut out of a track, and what had to be done to them."""

    segments: NDArray[np.float32]  # (n_segments, segment_samples)
    spans: tuple[Span, ...]  # where, in samples at the recipe's rate
    n_turned: int  # segments whose channels cancel each other
    n_clipped: int  # samples beyond full scale

    def warnings(self) -> tuple[str, ...]:
        """Say what was done, a sentence each."""
        found = []
        if self.n_turned:
            found.append(
                f"its channels cancel each other in {self.n_turned} of {len(self.segments)} segments: "
                "those that oppose the loudest were left out there"
            )
        if self.n_clipped:
            found.append(f"samples beyond full scale were clipped: {self.n_clipped}")
        return tuple(found)


def placed(
    cut: Callable[[list[Span]], Cut], sounding: Callable[[], list[Span]], *, n_samples: int, recipe: MelRecipe
) -> Cut:
    """Cut the segments of a track; where some are silent, find out where it sounds and cut them there.

    Parameters
    ----------
    cut
        Cuts spans out of the track, in samples at the recipe's rate.
    sounding
        Says where it sounds, in the same samples.
    n_samples
        Length of the track.
    recipe
        Gives the number of segments and their length.

    Returns
    -------
    cut
        What was cut at last.
    """
    length = min(recipe.segment_samples, n_samples)
    spans = [(int(start), length) for start in segment_starts(n_samples, recipe)]
    found = cut(spans)
    levels = np.array([level_of(segment) for segment in found.segments])
    if np.isfinite(levels).all() and has_silence(levels):
        sounds = without_rests(sounding(), recipe.segment_samples)
        better = segments_over(sounds, recipe) if sounds else spans
        if better != spans:
            return cut(better)
    return found


def cut_pieces(
    read: Callable[[int], Samples],
    spans: list[Span],
    to_segment: Callable[[int, NDArray[np.float32]], NDArray[np.float32]],
    *,
    ceiling: Callable[[], float],
) -> Cut:
    """Mix each piece of a track by itself as it comes, and make a segment of it.

    Parameters
    ----------
    read
        Gives the piece with that number, (n_samples, n_channels); asked again where spikes have to be clipped.
    spans
        Where the pieces lie, in samples at the recipe's rate, one a segment.
    to_segment
        Resamples the mono sound of the piece with that number, and trims it to the length of a segment.
    ceiling
        Tells, once all are read, above which peak a few samples beyond full scale are a fault, and clipped.
    """
    turned: set[int] = set()
    peaks: list[float] = []

    def made(number: int, piece: Samples) -> NDArray[np.float32]:
        weights = channel_weights(piece)
        waveform = mix(piece, weights)
        peaks.append(peak_of(waveform))
        if not is_mean(weights):
            turned.add(number)
        return to_segment(number, waveform)

    segments, n_clipped = np.stack([made(number, read(number)) for number in range(len(spans))]), 0
    if max(peaks) > ceiling():
        pieces, n_clipped = clip_spikes([read(number) for number in range(len(spans))])
        segments = np.stack([made(number, piece) for number, piece in enumerate(pieces)])
    return Cut(segments=segments, spans=tuple(spans), n_turned=len(turned), n_clipped=n_clipped)


def ceiling_of(reader: Reader) -> float:
    """Say above which peak samples are taken for a fault: of numbers stored as such, and where packets were torn."""
    return FULL_SCALE if reader.is_float_pcm or reader.warnings() else OVERSHOOT


def require_length(n_samples: int, recipe: MelRecipe) -> None:
    """Refuse what is too short, in samples at the recipe's rate."""
    if n_samples < MIN_DURATION_S * recipe.sample_rate:
        raise UnfitError(f"it is too short to embed: {n_samples / recipe.sample_rate:.3f} s")


def as_track(cut: Cut, n_samples: int, recipe: MelRecipe, *, source_rate: int, losses: tuple[str, ...]) -> Segments:
    """Put together what is known of a track of `n_samples` at the recipe's rate."""
    return Segments(
        segments=cut.segments,
        duration_s=n_samples / recipe.sample_rate,
        starts_s=tuple(start / recipe.sample_rate for start, _ in cut.spans),
        source_rate=source_rate,
        warnings=(*losses, *cut.warnings()),
    )


def checked(track: Segments) -> Segments:
    """Refuse what no vector can stand for."""
    lowest, highest = float(track.segments.min()), float(track.segments.max())
    if not np.isfinite([lowest, highest]).all():
        raise UnfitError("it holds samples that are not finite numbers (NaN or infinity)")
    if highest - lowest < 2 * SILENCE:
        raise UnfitError("it is silent: there is nothing to compare")
    return track
