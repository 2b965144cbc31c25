"""Where the segments of a track lie, and cutting them out of a waveform.

The k-th of n segments is centred in the k-th of n equal parts of the track, so the whole track is seen whatever its
length; a track shorter than the segments together gets overlapping ones, a track shorter than one is tiled.
"""

import numpy as np
from numpy.typing import NDArray

from features.recipe import MelRecipe


def segment_starts(n_samples: int, recipe: MelRecipe) -> NDArray[np.int64]:
    """Say at which sample each segment of a track begins.

    Parameters
    ----------
    n_samples
        Length of the track at the recipe's sample rate.
    recipe
        Gives the number of segments and their length.

    Returns
    -------
    starts : (n_segments,)
        In samples, rising, each at least 0; all 0 where the track is shorter than one segment.

    Examples
    --------
    >>> segment_starts(100, MelRecipe(sample_rate=10, n_fft=8, win_length=8, hop_length=4, n_mels=2, f_min=0,
    ...                               f_max=5, segment_s=2, n_segments=4))
    array([ 2, 28, 52, 78])
    """
    length = recipe.segment_samples
    centres = (np.arange(recipe.n_segments) + 0.5) * n_samples / recipe.n_segments
    return np.clip(np.rint(centres - length / 2), 0, max(0, n_samples - length)).astype(np.int64)


def cut_segments(waveform: NDArray[np.float32], recipe: MelRecipe) -> NDArray[np.float32]:
    """Cut a whole track into its segments.

    Parameters
    ----------
    waveform : (n_samples,)
        Mono, at the recipe's sample rate; at least one sample.
    recipe
        Gives the number of segments and their length.

    Returns
    -------
    segments : (n_segments, segment_samples)

    Raises
    ------
    ValueError
        When the waveform has no sample or more than one dimension.
    """
    if waveform.ndim != 1 or waveform.size == 0:
        raise ValueError(f"waveform must have shape (n_samples,) with n_samples >= 1, got {waveform.shape}")
    starts = segment_starts(waveform.size, recipe)
    return np.stack([tile(waveform[start : start + recipe.segment_samples], recipe) for start in starts])


def tile(piece: NDArray[np.float32], recipe: MelRecipe) -> NDArray[np.float32]:
    """Repeat a piece that is too short until it fills one segment."""
    return np.resize(piece, recipe.segment_samples)
