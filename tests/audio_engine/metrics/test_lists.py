import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from audio_engine.metrics.lists import coverage, diversity, gini, novelty, times_shown

RNG = np.random.default_rng(0)
LISTS = np.stack([RNG.permutation(50)[:6] for _ in range(30)])
VECTORS = RNG.normal(size=(50, 5))
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)


def test_diversity_agrees_with_its_slow_twin_over_pairs() -> None:
    for found, row in zip(diversity(LISTS, VECTORS), LISTS, strict=True):
        pairs = [1 - VECTORS[a] @ VECTORS[b] for i, a in enumerate(row) for b in row[i + 1 :]]
        assert found == pytest.approx(np.mean(pairs))


def test_a_list_of_opposites_is_twice_as_diverse_as_one_of_strangers() -> None:
    vectors = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    assert diversity(np.array([[0, 1], [0, 2]]), vectors) == pytest.approx([2.0, 1.0])


def test_a_list_of_one_track_has_no_diversity() -> None:
    with pytest.raises(ValueError, match="at least 2 tracks, got 1"):
        diversity(np.array([[0]]), VECTORS)


def test_novelty_counts_halvings() -> None:
    assert novelty(np.array([[0, 1], [2, 2]]), np.array([1.0, 0.25, 2.0**-10])) == pytest.approx([1.0, 10.0])


def test_the_novelty_of_a_track_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match=r"popularity must be above 0 and at most 1, got 0\.0"):
        novelty(np.array([[0, 1]]), np.array([0.0, 1.0]))


@given(hnp.arrays(np.int64, st.integers(2, 12), elements=st.integers(0, 50)).filter(lambda counts: counts.sum() > 0))
def test_gini_is_half_the_mean_difference_over_the_mean(counts: np.ndarray) -> None:
    twin = np.abs(counts[:, None] - counts).mean() / (2 * counts.mean())
    assert float(gini(counts)) == pytest.approx(twin)


def test_tracks_that_are_never_shown_make_gini_larger_and_coverage_smaller() -> None:
    shown, with_unshown = np.array([3, 3]), np.array([3, 3, 0, 0])
    assert (float(gini(shown)), float(gini(with_unshown))) == (0.0, 0.5)
    assert (float(coverage(shown)), float(coverage(with_unshown))) == (1.0, 0.5)


def test_times_shown_counts_all_tracks_and_refuses_others() -> None:
    assert times_shown(np.array([[0, 1], [0, 3]]), 5).tolist() == [2, 1, 0, 1, 0]
    with pytest.raises(ValueError, match="tracks from 0 to 2, got 0 to 3"):
        times_shown(np.array([[0, 3]]), 3)
