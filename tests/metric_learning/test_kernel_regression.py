import tracemalloc

import numpy as np
import pytest
import torch

from metric_learning.kernel_head import Listening, fit_kernel_head
from metric_learning.kernel_regression import (
    exact_weights,
    landmark_rows,
    landmark_weights,
    squared_distances,
)

RNG = np.random.default_rng(0)
N_ROWS, N_INPUTS = 300, 12
ARTISTS = [f"artist {i // 4}" for i in range(2 * N_ROWS)]


def made(n_rows: int) -> tuple[np.ndarray, Listening]:
    """Draw points and a target that is a smooth function of them, with noise."""
    points = RNG.normal(size=(n_rows, N_INPUTS)).astype(np.float32)
    target = np.sin(points[:, :2]) + 0.5 * points[:, 2:4] + 0.1 * RNG.normal(size=(n_rows, 2))
    target = (target - target.mean(0)).astype(np.float32)
    return points, Listening(target=target, basis=np.eye(2, 5, dtype=np.float32))


def test_landmarks_everywhere_are_the_exact_solution() -> None:
    points, listening = made(N_ROWS)
    points = 0.2 * points
    found = landmark_weights(points, points, listening.target, ARTISTS[:N_ROWS])
    expected = exact_weights(squared_distances(points), listening.target, ARTISTS[:N_ROWS])
    kernel = np.exp(-squared_distances(points))
    np.testing.assert_allclose(kernel @ found, kernel @ expected, atol=2e-3)


def test_distances_in_blocks_are_those_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    points = RNG.normal(size=(50, 128)).astype(np.float32)
    monkeypatch.setattr("metric_learning.kernel_regression.BLOCK_BYTES", 3 * points.nbytes)
    np.testing.assert_array_equal(squared_distances(points), ((points[:, None] - points[None]) ** 2).sum(-1))


@pytest.mark.parametrize(("n_landmarks", "loss"), [(N_ROWS - 20, 0.01), (N_ROWS // 3, 0.15)])
def test_a_head_with_landmarks_predicts_new_tracks_nearly_as_one_with_a_gaussian_at_each(
    n_landmarks: int, loss: float
) -> None:
    points, listening = made(2 * N_ROWS)
    known, rest = slice(0, N_ROWS), slice(N_ROWS, None)
    shown = Listening(target=listening.target[known], basis=listening.basis)
    predicted = []
    for n_centres in (N_ROWS, n_landmarks):
        head = fit_kernel_head(
            points[known], shown, group_sizes=[5, 7], artists=ARTISTS[:N_ROWS], n_reduced=9, n_centres=n_centres
        )
        assert len(head.centres) == n_centres
        with torch.no_grad():
            predicted.append(head(torch.from_numpy(points[rest])).numpy()[:, :2])
    exact, landmarks = (((found - listening.target[rest]) ** 2).mean() for found in predicted)
    spread = (listening.target[rest] ** 2).mean()
    assert exact < 0.4 * spread
    assert landmarks < exact + loss * spread


def test_memory_does_not_grow_with_the_square_of_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metric_learning.kernel_regression.BLOCK_ROWS", 256)
    peaks = []
    for n_rows in (2_000, 8_000):
        points, listening = made(n_rows)
        artists = [f"artist {i // 4}" for i in range(n_rows)]
        tracemalloc.start()
        fit_kernel_head(points, listening, group_sizes=[5, 7], artists=artists, n_reduced=9, n_centres=64)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 0.02 * 4 * 8_000**2  # bytes: far less than one table of float32
    assert peaks[1] < 5 * peaks[0]


def test_every_artist_gets_a_landmark_before_any_gets_two() -> None:
    artists = ["many"] * 50 + [f"one {i}" for i in range(10)]
    rows = landmark_rows(artists, 15)
    assert sorted(artists[row] for row in rows) == ["many"] * 5 + [f"one {i}" for i in range(10)]
    np.testing.assert_array_equal(rows, landmark_rows(artists, 15))
    np.testing.assert_array_equal(landmark_rows(artists, 60), np.arange(60))


def test_two_landmarks_at_one_place_can_be_solved() -> None:
    points, listening = made(40)
    centres = np.concatenate([points[:5], points[:5]])
    assert np.isfinite(landmark_weights(points, centres, listening.target, ARTISTS[:40])).all()
