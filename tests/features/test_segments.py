"""Positions of the segments of a track."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.recipe import MelRecipe
from features.segments import cut_segments, segment_starts

RECIPE = MelRecipe(
    sample_rate=1_000, n_fft=64, win_length=64, hop_length=32, n_mels=4, f_max=500, segment_s=1, n_segments=5
)


@given(st.integers(1, 100_000))
def test_segments_lie_within_the_track_and_rise(n_samples: int) -> None:
    starts = segment_starts(n_samples, RECIPE)
    assert len(starts) == RECIPE.n_segments
    assert (np.diff(starts) >= 0).all()
    assert starts[0] >= 0
    assert starts[-1] <= max(0, n_samples - RECIPE.segment_samples)


@given(st.integers(5_000, 100_000))
def test_segments_see_both_halves_of_the_track_alike(n_samples: int) -> None:
    starts = segment_starts(n_samples, RECIPE)
    mirrored = n_samples - RECIPE.segment_samples - starts[::-1]
    assert np.abs(starts - mirrored).max() <= 1


def test_a_track_as_long_as_its_segments_is_cut_without_gap_or_overlap() -> None:
    waveform = np.arange(5_000, dtype=np.float32)
    np.testing.assert_array_equal(cut_segments(waveform, RECIPE).ravel(), waveform)


def test_a_track_shorter_than_a_segment_is_tiled() -> None:
    segments = cut_segments(np.arange(300, dtype=np.float32), RECIPE)
    np.testing.assert_array_equal(segments[0, :900].reshape(3, 300), np.tile(np.arange(300), (3, 1)))
    assert (segments == segments[0]).all()


def test_an_empty_waveform_is_refused() -> None:
    with pytest.raises(ValueError, match="n_samples >= 1"):
        cut_segments(np.zeros(0, np.float32), RECIPE)
