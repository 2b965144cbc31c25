"""Hubness corrections: each against a slow twin, and on a world that has a hub."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from audio_engine.metrics.retrieval import Floats, cosine, k_occurrence, rank_others, skewness
from tests.benchmarks.experiments.hubness_reduction import (
    REDUCTIONS,
    csls,
    gaussian_mutual_proximity,
    local_scaling,
    mutual_proximity,
    rank_by,
)

N, K = 30, 4


@pytest.fixture
def vectors() -> Floats:
    return np.random.default_rng(0).normal(size=(N, 6)) + 0.4


def off_diagonal(matrix: Floats) -> Floats:
    return matrix[~np.eye(len(matrix), dtype=bool)]


def nearest(row: Floats, of: int) -> list[float]:
    return sorted((row[j] for j in range(N) if j != of), reverse=True)[:K]


def slow_csls(s: Floats, i: int, j: int) -> float:
    return float(2 * s[i, j] - np.mean(nearest(s[i], i)) - np.mean(nearest(s[j], j)))


def slow_local_scaling(s: Floats, i: int, j: int) -> float:
    def width(of: int) -> float:
        return float(np.mean([math.sqrt(2 - 2 * each) for each in nearest(s[of], of)]))

    return -math.sqrt(2 - 2 * s[i, j]) / math.sqrt(width(i) * width(j))


def slow_mutual_proximity(s: Floats, i: int, j: int) -> float:
    thirds = [other for other in range(N) if other not in {i, j}]
    return sum(s[i, other] < s[i, j] and s[j, other] < s[i, j] for other in thirds) / N


def slow_gaussian(s: Floats, i: int, j: int) -> float:
    def beyond(of: int) -> float:
        distances = [math.sqrt(2 - 2 * s[of, other]) for other in range(N) if other != of]
        z = (math.sqrt(2 - 2 * s[i, j]) - np.mean(distances)) / np.std(distances)
        return 0.5 * math.erfc(z / math.sqrt(2))

    return beyond(i) * beyond(j)


@pytest.mark.parametrize(
    ("fast", "slow"),
    [
        (lambda s: csls(s, K), slow_csls),
        (lambda s: local_scaling(s, K), slow_local_scaling),
        (mutual_proximity, slow_mutual_proximity),
        (gaussian_mutual_proximity, slow_gaussian),
    ],
)
def test_each_correction_is_its_formula(
    vectors: Floats, fast: Callable[[Floats], Floats], slow: Callable[[Floats, int, int], float]
) -> None:
    similarities = cosine(vectors, vectors)
    expected = np.array([[slow(similarities, i, j) if i != j else 0.0 for j in range(N)] for i in range(N)])
    np.testing.assert_allclose(off_diagonal(fast(similarities)), off_diagonal(expected), atol=1e-9)


@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_track_that_is_near_to_all_is_in_fewer_answers_after_it(name: str) -> None:
    vectors = np.random.default_rng(1).normal(size=(300, 40)) + 0.5  # a common direction makes hubs
    similarities = cosine(vectors, vectors)
    before, after = (k_occurrence(rank_by(each), 10) for each in (similarities, REDUCTIONS[name](similarities)))
    assert skewness(after) < 0.5 * skewness(before)
    assert after.max() < before.max()


def test_uncorrected_the_ranking_is_that_by_cosine(vectors: Floats) -> None:
    np.testing.assert_array_equal(rank_by(cosine(vectors, vectors)), rank_others(vectors))
