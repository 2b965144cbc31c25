"""Implicit-feedback factors of users and items; a user's are drawn towards what another kind of content says of them.

The vector of a user is a shared part, mapped from what is known of them elsewhere, and a part of their own, which a
ridge keeps small until plays pay for it. Someone without a play has the shared part alone.

References
----------
Y. Hu, Y. Koren, C. Volinsky, Collaborative filtering for implicit feedback datasets, ICDM 2008, eq. 3 to 5: the loss
and its alternation. T. Man, H. Shen, X. Jin, X. Cheng, Cross-domain recommendation: an embedding and mapping approach
(EMCDR), IJCAI 2017, eq. 4: the linear map, fitted on users of both. D. Agarwal, B.-C. Chen, Regression-based latent
factor models, KDD 2009, section 2: the mapped vector as the prior mean of a user's; here in alternation with the
factors, not after them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from metric_learning.alternating_least_squares import solve_rows
from metric_learning.play_log import PlayLog, last_plays

Floats = NDArray[np.float32]
SILENT_PREFERENCE = 0.3  # confidence of a play without an action, relative to a like
MAP_RIDGE = 100.0  # weight on the squared size of the map
TINY = 1e-12  # variance, where so few plays leave no factors at all


@dataclass(frozen=True, kw_only=True)
class FactorSettings:
    """How factors are learned.

    Raises
    ------
    ValueError
        When a number is not positive, or popularity is negative.
    """

    dim: int = 16  # numbers in a vector
    confidence: float = 5.0  # that a like adds to the confidence 1 of a cell without a play
    ridge: float = (
        20.0  # weight on the squared distance of a vector from its prior; of users, geometric mean by direction
    )
    n_rounds: int = 8  # of alternating least squares
    popularity: float = 0.15  # what the most popular item gains for a user without a play; with n plays 1/(1+n)² of it
    seed: int = 0  # of the initial item vectors

    def __post_init__(self) -> None:
        for name in ("dim", "confidence", "ridge", "n_rounds"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if not self.popularity >= 0:
            raise ValueError(f"popularity must not be negative, got {self.popularity}")


@dataclass(frozen=True, kw_only=True, eq=False)
class TransferFactors:
    """Vectors whose inner products rank the items for a user."""

    users: Floats  # (n_users, dim + 1), the last for popularity
    items: Floats  # (n_items, dim + 1)


def preferences(plays: PlayLog, shape: tuple[int, int]) -> csr_array:
    """Tabulate how sure a play makes us that its user wants the item, by the last play of each cell.

    Parameters
    ----------
    plays
        The log; `track` is the row of the item, of whatever kind.
    shape
        Number of users and of items.

    Returns
    -------
    preferences : (n_users, n_items)
        1 liked, `SILENT_PREFERENCE` of the share heard without an action; no cell where skipped or disliked.
    """
    last = last_plays(plays, shape[1])
    heard = SILENT_PREFERENCE * np.nan_to_num(last.completion, nan=1.0)
    values = np.where(last.liked, 1.0, np.where(last.rejected, 0.0, heard)).astype(np.float32)
    wanted = values > 0
    return csr_array((values[wanted], (last.user[wanted], last.track[wanted])), shape=shape)


def learn_factors(
    wanted: csr_array, *, known: Floats | None = None, sound: Floats | None = None, settings: FactorSettings
) -> TransferFactors:
    """Factorise preferences, with vectors drawn towards a map of what is known of users, and of items, elsewhere.

    Parameters
    ----------
    wanted : (n_users, n_items)
        From `preferences`.
    known : (n_users, n_known)
        A vector of each user from another kind of content, zeros where there is none; None: this kind alone.
    sound : (n_items, n_sound)
        A vector of each item, such as of its audio, zeros where there is none; None: ids alone.
    settings
        Of the factorisation.

    Returns
    -------
    factors
        Of a user, or an item with `sound`, without a play, the mapped vector. Without `known` it is the mean of the
        users who have plays, shrunk; without `sound` zeros.

    Raises
    ------
    ValueError
        When nothing is wanted by anyone, or `known` or `sound` has not a row for each.
    """
    if not wanted.nnz:
        raise ValueError("plays must have a play that is not a skip or dislike, got none")
    active, played = np.flatnonzero(wanted.sum(axis=1)), np.flatnonzero(wanted.sum(axis=0))
    about_users = _with_ones(np.zeros((wanted.shape[0], 0), np.float32) if known is None else known, wanted.shape[0])
    no_sound = np.zeros((wanted.shape[1], 0), np.float32)
    about_items = no_sound if sound is None else _with_ones(sound, wanted.shape[1])
    cells = wanted[active][:, played]
    by_item = cells.T.tocsr()
    rng = np.random.default_rng(settings.seed)
    items = rng.normal(scale=0.1, size=(len(played), settings.dim)).astype(np.float32)
    user_map = np.zeros((about_users.shape[1], settings.dim), np.float32)
    item_map = np.zeros((about_items.shape[1], settings.dim), np.float32)
    ridge = user_ridge = settings.ridge * np.eye(settings.dim, dtype=np.float32)
    for _ in range(settings.n_rounds):
        users = _solve(items, cells, about_users[active] @ user_map, ridge=user_ridge, confidence=settings.confidence)
        user_map = _fit_map(about_users[active], users)
        user_ridge = _precision(users - about_users[active] @ user_map, settings.ridge)
        items = _solve(users, by_item, about_items[played] @ item_map, ridge=ridge, confidence=settings.confidence)
        item_map = _fit_map(about_items[played], items)
    all_users, all_items = about_users @ user_map, about_items @ item_map
    all_users[active] = _solve(items, cells, all_users[active], ridge=user_ridge, confidence=settings.confidence)
    all_items[played] = items
    return _with_popularity(TransferFactors(users=all_users, items=all_items), wanted, settings.popularity)


def _solve(columns: Floats, wanted: csr_array, prior: Floats, *, ridge: Floats, confidence: float) -> Floats:
    """Solve each row for the vector that fits its cells as ones, and the empty ones as zeros, near a prior.

    Each minimises Σ_c (1 + e_c)·([e_c > 0] - row·column_c)² + dᵀ·ridge·d for e = confidence·wanted, d = row - prior.
    """
    extra = confidence * wanted
    moment = csr_array((1 + extra.data, extra.indices, extra.indptr), shape=extra.shape)
    return solve_rows(columns, extra, moment, ridge=ridge, prior=prior, gram=columns.T @ columns)


def _with_ones(known: Floats, n: int) -> Floats:
    """Scale what is known to a mean square of 1, and add a column of ones: the map has an offset."""
    if len(known) != n:
        raise ValueError(f"known vectors must have a row for each of {n} users or items, got {len(known)}")
    square = float(np.mean(known**2)) if known.size else 0.0
    return np.hstack([known / (np.sqrt(square) or 1.0), np.ones((n, 1))]).astype(np.float32)


def _with_popularity(factors: TransferFactors, wanted: csr_array, weight: float) -> TransferFactors:
    """Add a number to each vector, so that popularity counts for users with no or few plays: (n, dim + 1)."""
    n_plays = np.diff(wanted.indptr)
    popular = np.log1p(np.asarray(wanted.sum(axis=0)))
    leaning = weight / (1 + n_plays) ** 2
    return TransferFactors(
        users=np.column_stack([factors.users, leaning]).astype(np.float32),
        items=np.column_stack([factors.items, popular / popular.max()]).astype(np.float32),
    )


def _precision(residual: Floats, ridge: float) -> Floats:
    """Invert the covariance of what the map leaves over, (dim, dim), scaled to the determinant of `ridge` times 1."""
    dim = residual.shape[1]
    covariance = residual.T.astype(np.float64) @ residual / len(residual)
    covariance += (1e-3 * np.trace(covariance) / dim + TINY) * np.eye(dim)
    size = np.exp(np.linalg.slogdet(covariance)[1] / dim)
    precision: Floats = (ridge * size * np.linalg.inv(covariance)).astype(np.float32)
    return precision


def _fit_map(about: Floats, users: Floats) -> Floats:
    """Fit the linear map from what is known to the users' vectors by ridge regression: (n_known + 1, dim)."""
    gram = about.T @ about + MAP_RIDGE * np.eye(about.shape[1], dtype=np.float32)
    mapping: Floats = np.linalg.solve(gram, about.T @ users)
    return mapping
