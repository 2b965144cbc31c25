"""Rows of a factorisation, against the formulas in loops."""

import numpy as np
from scipy.sparse import csr_array

from metric_learning.alternating_least_squares import ROWS_TOGETHER, solve_rows

N_ROWS = ROWS_TOGETHER + 44  # a block, and a part of one
RNG = np.random.default_rng(0)
COLUMNS = RNG.normal(size=(7, 3)).astype(np.float32)
WEIGHT = np.where(RNG.random((N_ROWS, 7)) < 0.3, RNG.random((N_ROWS, 7)), 0).astype(np.float32)


def test_without_a_gram_rows_are_those_of_weighted_ridge_regression():
    target = RNG.normal(size=WEIGHT.shape).astype(np.float32)
    found = solve_rows(COLUMNS, csr_array(WEIGHT), csr_array(WEIGHT * target), ridge=0.5)
    for row in range(0, N_ROWS, 23):
        left = sum(w * np.outer(c, c) for w, c in zip(WEIGHT[row], COLUMNS, strict=True)) + 0.5 * np.eye(3)
        right = sum(w * t * c for w, t, c in zip(WEIGHT[row], target[row], COLUMNS, strict=True))
        np.testing.assert_allclose(found[row], np.linalg.solve(left, right), atol=1e-4)


def test_with_the_gram_of_all_columns_empty_cells_are_zeros_and_the_prior_pulls():
    prior, half = RNG.normal(size=(N_ROWS, 3)).astype(np.float32), RNG.normal(size=(3, 3))
    ridge = (half @ half.T + np.eye(3)).astype(np.float32)
    extra = csr_array(4 * WEIGHT)
    ones = csr_array((1 + extra.data, extra.indices, extra.indptr), shape=extra.shape)
    found = solve_rows(COLUMNS, extra, ones, ridge=ridge, prior=prior, gram=COLUMNS.T @ COLUMNS)
    for row in range(0, N_ROWS, 23):
        left, right = ridge.astype(np.float64), ridge @ prior[row].astype(np.float64)
        for column, weight in zip(COLUMNS.astype(np.float64), WEIGHT[row], strict=True):
            sure = 1 + 4.0 * weight
            left = left + sure * np.outer(column, column)
            right = right + sure * (weight > 0) * column
        np.testing.assert_allclose(found[row], np.linalg.solve(left, right), rtol=1e-3, atol=1e-4)


def test_no_rows_have_no_vectors():
    assert solve_rows(COLUMNS, csr_array((0, 7)), csr_array((0, 7)), ridge=1.0).shape == (0, 3)
