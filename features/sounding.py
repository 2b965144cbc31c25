"""Activity detection: which parts of a track sound, and segments placed over those alone.

The k-th of n segments is centred in the k-th of n equal parts of the time that sounds, as `features.segments` does it
for the whole. A track that sounds throughout gets the very same segments.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from features.mixing import Samples
from features.recipe import MelRecipe

Span = tuple[int, int]  # first sample, and how many
Levels = NDArray[np.float64]  # variances, a part of a track each: mean squares without the offset

CELL_S = 0.01  # seconds: a part of a track that sounds or does not; a shift of 0.02 s changes some vectors
SILENT_BELOW = 1e-6  # of the level of the loudest part: -60 dB
SILENCE = 1e-5  # peak amplitude, -100 dB: under a third of the smallest step of 16-bit sound
OFFSET = 1e-3  # part of the mean square that may be an offset unnoticed
QUIET = 1e-8  # level, -80 dB: so quiet is dither, as a rule; there may be sound elsewhere


def level_of(waveform: NDArray[np.float32]) -> float:
    """Variance of (n_samples,): an offset is no sound; NaN where a sample is none."""
    with np.errstate(all="ignore"):
        mean, power = float(waveform.mean()), float(waveform @ waveform) / waveform.size
        return power if mean**2 < OFFSET * power else float(waveform.var(dtype=np.float64))


def cell_samples(sample_rate: int) -> int:
    """Count the samples of one cell."""
    return max(1, round(CELL_S * sample_rate))


def cell_levels(samples: Samples, sample_rate: int) -> Levels:
    """Level of each whole cell of (n_samples, n_channels); what is left over is heard only where it is all there is.

    Clipped to full scale: a spike is not loud for long.
    """
    if len(samples) == 0:
        return np.zeros(0)
    cell = min(cell_samples(sample_rate), len(samples))
    n_cells = len(samples) // cell
    cells = np.clip(samples[: n_cells * cell], -1.0, 1.0).reshape(n_cells, cell, -1)
    levels: Levels = cells.var(axis=1, dtype=np.float64).mean(axis=1)
    return levels


def is_sounding(levels: Levels, loudest: float) -> NDArray[np.bool_]:
    """Say which parts sound: not much quieter than the loudest of the track."""
    return levels > max(SILENCE**2, SILENT_BELOW * loudest)


def has_silence(levels: Levels) -> bool:
    """Say whether some of the segments are silent beside the others, or all so quiet that sound may lie elsewhere."""
    return bool(levels.max() < QUIET or not is_sounding(levels, float(levels.max())).all())


def runs_of(sounding: NDArray[np.bool_]) -> list[Span]:
    """List the runs of parts that sound: first part, and how many.

    Examples
    --------
    >>> runs_of(np.array([True, True, False, True]))
    [(0, 2), (3, 1)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], sounding, [False]]).astype(np.int8)))
    return [(int(first), int(last - first)) for first, last in edges.reshape(-1, 2)]


def sounding_spans(levels: Levels, n_samples: int, sample_rate: int) -> list[Span]:
    """List where a track sounds, given the level of each of its cells, in samples at `sample_rate`."""
    cell = cell_samples(sample_rate)
    runs = runs_of(is_sounding(levels, float(levels.max(initial=0.0))))
    spans = [(first * cell, n_cells * cell) for first, n_cells in runs]
    if spans and sum(runs[-1]) >= n_samples // cell:  # what follows the last whole cell goes with it
        spans[-1] = (spans[-1][0], n_samples - spans[-1][0])
    return spans


def rescaled(spans: list[Span], from_rate: int, to_rate: int) -> list[Span]:
    """Bring spans to another sample rate.

    Examples
    --------
    >>> rescaled([(100, 50)], 44_100, 22_050)
    [(50, 25)]
    """
    ratio = to_rate / from_rate
    return [(int(start * ratio), max(1, int(n_samples * ratio))) for start, n_samples in spans]


def without_rests(spans: Iterable[Span], longest_rest: int) -> list[Span]:
    """Join spans with less than so many samples between them: a rest belongs to the music.

    Examples
    --------
    >>> without_rests([(0, 10), (12, 10), (90, 10)], 5)
    [(0, 22), (90, 10)]
    """
    joined: list[Span] = []
    for first, n_samples in spans:
        if joined and first - sum(joined[-1]) < longest_rest:
            joined[-1] = (joined[-1][0], first + n_samples - joined[-1][0])
        else:
            joined.append((first, n_samples))
    return joined


def segments_over(sounding: list[Span], recipe: MelRecipe) -> list[Span]:
    """Place segments over what sounds.

    Parameters
    ----------
    sounding
        Where the track sounds, in samples at the recipe's rate, rising; at least one.
    recipe
        Gives the number of segments and their length.

    Returns
    -------
    spans
        One a segment; shorter than a segment where so little sounds in one place.

    Examples
    --------
    >>> recipe = MelRecipe(sample_rate=10, n_fft=8, win_length=8, hop_length=4, n_mels=2, f_min=0, f_max=5, segment_s=2,
    ...                    n_segments=2)
    >>> segments_over([(0, 100), (500, 100)], recipe)
    [(40, 20), (540, 20)]
    """
    length = recipe.segment_samples
    firsts = np.array([first for first, _ in sounding])
    ends = np.cumsum([n_samples for _, n_samples in sounding])
    centres = (np.arange(recipe.n_segments) + 0.5) * ends[-1] / recipe.n_segments
    spans = []
    for centre, place in zip(centres, np.searchsorted(ends, centres, side="right"), strict=True):
        first, n_samples = int(firsts[place]), sounding[place][1]
        wanted = first + centre - (ends[place] - n_samples) - length / 2
        spans.append((int(np.clip(np.rint(wanted), first, first + max(0, n_samples - length))), min(length, n_samples)))
    return spans
