"""Alternating least squares: the vectors of one side of a sparse table, where those of the other side are given.

References
----------
Y. Hu, Y. Koren, C. Volinsky, Collaborative filtering for implicit feedback datasets, ICDM 2008, eq. 4 and 5.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Floats = NDArray[np.float32]
ROWS_TOGETHER = 256  # that are solved at a time


def solve_rows(  # noqa: PLR0913  (a least-squares problem, and what its solution is drawn towards)
    columns: Floats,
    weight: csr_array,
    moment: csr_array,
    *,
    ridge: float | Floats,
    prior: Floats | None = None,
    gram: Floats | None = None,
) -> Floats:
    """Fit each row of a sparse table by ridge regression on the vectors of its columns.

    Parameters
    ----------
    columns : (n_columns, dim)
        Vectors of the columns.
    weight, moment : (n_rows, n_columns)
        The weight of each cell, and its weight times the value to fit.
    ridge : (dim, dim) or a number
        Precision of the prior, positive definite; a number: of each direction.
    prior : (n_rows, dim)
        What each row's vector is drawn towards; None: zeros.
    gram : (dim, dim)
        ``columns.T @ columns`` where every cell counts, the empty ones as zeros of weight 1, and `weight` is what
        comes to that 1; None: empty cells do not count.

    Returns
    -------
    rows : (n_rows, dim)
        Each minimises Σ_c (weight_c·(row·column_c)² - 2·moment_c·row·column_c) + rowᵀ·gram·row + dᵀ·ridge·d for
        d = row - prior: the weighted squares of what is not fitted, less what no row changes.
    """
    dim = columns.shape[1]
    precision = np.asarray(ridge * np.eye(dim) if isinstance(ridge, int | float) else ridge, np.float32)
    fixed = precision if gram is None else gram + precision
    pull = np.zeros((weight.shape[0], dim), np.float32) if prior is None else prior @ precision
    rows = np.empty_like(pull)
    for start in range(0, len(rows), ROWS_TOGETHER):
        block = slice(start, start + ROWS_TOGETHER)
        rows[block] = _solve_block(columns, weight[block], moment[block], pull[block], fixed)
    return rows


def _solve_block(columns: Floats, weight: csr_array, moment: csr_array, pull: Floats, fixed: Floats) -> Floats:
    """Fit a few rows, on the columns that they have cells in."""
    dim, touched = columns.shape[1], np.unique(weight.indices)
    vectors = columns[touched]
    outer = (vectors[:, :, None] * vectors[:, None, :]).reshape(len(vectors), dim * dim)
    left = (weight[:, touched] @ outer).reshape(-1, dim, dim) + fixed
    right = moment[:, touched] @ vectors + pull
    rows: Floats = np.linalg.solve(left, right[..., None])[..., 0]
    return rows
