"""Implicit-feedback factorisation of a sparse log in closed form: plays are fitted, the rest is a weak negative.

A user tower starts from its vectors (`UserTower.start_from`); the tower's pooling is one half-step of the same
alternation. If likes and rejections are plentiful, `audio_engine.evaluation.cold_start.factors` fits those alone; here
most cells are empty, and that most users leave most tracks alone is informative too.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from metric_learning.play_log import PlayLog

Floats = NDArray[np.float64]
BLOCK_ROWS = 1024  # rows solved at a time: 13 MB of matrices at 40 numbers a vector
FIRST_LENGTH = 0.1  # of a random vector to start from


@dataclass(frozen=True, kw_only=True)
class ImplicitSettings:
    """The numbers of a factorisation.

    Raises
    ------
    ValueError
        When one is below 0, naming it.
    """

    unobserved_weight: float = 0.03  # weight of a cell without a play, beside 1 with
    user_ridge: float = 5.0  # on the squared length of a user's vector
    track_ridge: float = 0.01  # on that of a track's, for each play and each `unobserved_weight` cell of it
    n_rounds: int = 12  # of alternating
    seed: int = 0  # of the first track vectors

    def __post_init__(self) -> None:
        for name in ("unobserved_weight", "user_ridge", "track_ridge", "n_rounds"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")


def implicit_track_vectors(
    plays: PlayLog, shape: tuple[int, int], *, dim: int = 40, settings: ImplicitSettings | None = None
) -> Floats:
    """Factorise the signals of a log, with unplayed cells as a weak 0.

    Parameters
    ----------
    plays
        Each gives its signal; of several by one user of one track the sum counts.
    shape
        Number of users and of tracks.
    dim
        Numbers in a vector.
    settings
        How.

    Returns
    -------
    tracks : (n_tracks, dim)

    References
    ----------
    Y. Hu, Y. Koren, C. Volinsky, Collaborative filtering for implicit feedback datasets, ICDM 2008, eq. 4 and 5; with
    the ridge of a track growing with its number of plays, as in S. Rendle, W. Krichene, L. Zhang, Y. Koren, Revisiting
    the performance of iALS on item recommendation benchmarks, RecSys 2022, eq. 8, and the signal fitted rather than 1.
    """
    settings = settings or ImplicitSettings()
    of_users = csr_matrix((plays.signal().astype(np.float64), (plays.user, plays.track)), shape=shape)
    of_tracks = of_users.T.tocsr()
    rng = np.random.default_rng(settings.seed)
    tracks = rng.normal(scale=FIRST_LENGTH / np.sqrt(dim), size=(shape[1], dim))
    user_ridge = np.full(shape[0], settings.user_ridge)
    n_told = np.diff(of_tracks.indptr) + settings.unobserved_weight * np.count_nonzero(np.diff(of_users.indptr))
    for _ in range(settings.n_rounds):
        users = solve_sparse_rows(tracks, of_users, unobserved_weight=settings.unobserved_weight, ridge=user_ridge)
        tracks = solve_sparse_rows(
            users, of_tracks, unobserved_weight=settings.unobserved_weight, ridge=settings.track_ridge * n_told
        )
    return tracks


def solve_sparse_rows(columns: Floats, target: csr_matrix, *, unobserved_weight: float, ridge: Floats) -> Floats:
    """Fit each row of a sparse table by ridge regression on the vectors of its columns.

    Parameters
    ----------
    columns : (n_columns, dim)
        Vectors of the columns.
    target : (n_rows, n_columns)
        What to fit, weight 1, where a cell is filled; elsewhere 0, weight ``unobserved_weight``.
    unobserved_weight
        Weight of an empty cell.
    ridge : (n_rows,)
        Weight on the squared length of each row's vector.

    Returns
    -------
    rows : (n_rows, dim)
        ``(sum over filled c c' + unobserved_weight sum over all c c' + ridge I)^-1 sum over filled target c``.
    """
    dim = columns.shape[1]
    shared = unobserved_weight * columns.T @ columns
    told = target @ columns
    rows = np.empty((target.shape[0], dim))
    for start in range(0, len(rows), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        gram = _grams(columns, target[block]) + shared + ridge[block, None, None] * np.eye(dim)
        rows[block] = np.linalg.solve(gram, told[block, :, None])[..., 0]
    return rows


def _grams(columns: Floats, cells: csr_matrix) -> Floats:
    """Sum the outer products of the columns that are filled in each row: (n_rows, dim, dim)."""
    used, place = np.unique(cells.indices, return_inverse=True)
    outer = (columns[used, :, None] * columns[used, None, :]).reshape(len(used), columns.shape[1] ** 2)
    filled = csr_matrix((np.ones(len(place)), place, cells.indptr), shape=(cells.shape[0], len(used)))
    return np.asarray(filled @ outer).reshape(-1, columns.shape[1], columns.shape[1])
