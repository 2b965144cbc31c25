"""Retrieval metrics per query, and measures of hubness.

``hits`` is a boolean table (n_queries, n_candidates): each row has the candidates in ranked order, most similar first,
true where relevant. Every query counts: one without relevant candidates scores 0.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ranking = NDArray[np.int64]  # (n_queries, n_candidates): columns of the candidates, most similar first


def rank(similarities: NDArray[np.floating]) -> Ranking:
    """Rank the candidates of each query.

    Parameters
    ----------
    similarities : (n_queries, n_candidates)
        More is closer.

    Returns
    -------
    ranking : (n_queries, n_candidates)
        Ties in their original order.
    """
    return np.argsort(-similarities, axis=1, kind="stable")


def rank_others(vectors: NDArray[np.floating]) -> Ranking:
    """Rank, for each vector, all the others by cosine similarity.

    Parameters
    ----------
    vectors : (n_tracks, dim)
        Of any length but 0.

    Returns
    -------
    ranking : (n_tracks, n_tracks - 1)

    Examples
    --------
    >>> rank_others(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.5]]))
    array([[2, 1],
           [2, 0],
           [0, 1]])
    """
    similarities = cosine(vectors, vectors)
    np.fill_diagonal(similarities, -np.inf)
    return rank(similarities)[:, :-1]


def cosine(queries: NDArray[np.floating], candidates: NDArray[np.floating]) -> Floats:
    """Compute the cosine similarity of each query with each candidate: (n_queries, n_candidates)."""
    return np.asarray(_unit(queries) @ _unit(candidates).T)


def precision_at_k(hits: Bools, k: int) -> Floats:
    """Compute the share of the first k that is relevant.

    Returns
    -------
    precision : (n_queries,)
        Divided by k, even if there are fewer candidates.

    References
    ----------
    C. D. Manning, P. Raghavan, H. Schütze, Introduction to Information Retrieval, Cambridge 2008, section 8.4.
    """
    return np.asarray(hits[:, :k].sum(axis=1) / k)


def recall_at_k(hits: Bools, k: int) -> Floats:
    """Compute the share of relevant candidates that are among the first k.

    Returns
    -------
    recall : (n_queries,)

    References
    ----------
    As `precision_at_k`.
    """
    return np.asarray(hits[:, :k].sum(axis=1) / np.maximum(hits.sum(axis=1), 1))


def average_precision(hits: Bools) -> Floats:
    """Average the precision at the rank of each relevant candidate; its mean over queries is mAP.

    Returns
    -------
    average_precision : (n_queries,)

    References
    ----------
    C. D. Manning, P. Raghavan, H. Schütze, Introduction to Information Retrieval, Cambridge 2008, equation 8.8.

    Examples
    --------
    >>> average_precision(np.array([[True, False, True], [False, False, False]]))
    array([0.83333333, 0.        ])
    """
    ranks = np.arange(1, hits.shape[1] + 1)
    precision = hits.cumsum(axis=1) / ranks
    return np.asarray((precision * hits).sum(axis=1) / np.maximum(hits.sum(axis=1), 1))


def chance_average_precision(hits: Bools) -> Floats:
    """Compute the expected average precision of a random ranking.

    Returns
    -------
    average_precision : (n_queries,)
        Exact: of n candidates the one at rank r is relevant with probability R / n, and then the r - 1 before it
        include (r - 1) (R - 1) / (n - 1) others; summed over r.

    References
    ----------
    Y. Bestgen, Exact expected average precision of the random baseline for system evaluation, Prague Bulletin of
        Mathematical Linguistics 103, 2015.
    """
    n, n_relevant = hits.shape[1], hits.sum(axis=1)
    harmonic = (1 / np.arange(1, n + 1)).sum()
    others = (n_relevant - 1) / max(n - 1, 1) * (n - harmonic)
    return np.where(n_relevant > 0, (harmonic + others) / n, 0.0)


def k_occurrence(ranking: Ranking, k: int) -> NDArray[np.int64]:
    """Count in how many lists of k neighbours each track occurs.

    Parameters
    ----------
    ranking : (n_tracks, n_tracks - 1)
        From `rank_others`.

    Returns
    -------
    n_answers : (n_tracks,)
        k on average. A track in none is an anti-hub.

    References
    ----------
    M. Radovanović, A. Nanopoulos, M. Ivanović, Hubs in space: popular nearest neighbors in high-dimensional data, JMLR
        11, 2010, section 2: N_k.
    """
    return np.bincount(ranking[:, :k].ravel(), minlength=len(ranking))


def skewness(values: NDArray[np.floating] | NDArray[np.integer]) -> float:
    """Compute the third standardised moment: 0 for a symmetric distribution, large if a few have most.

    References
    ----------
    As `k_occurrence`, equation 1; 0 where all values are equal.
    """
    deviations = values - np.mean(values)
    variance = np.mean(deviations**2)
    return float(np.mean(deviations**3) / variance**1.5) if variance > 0 else 0.0


def _unit(vectors: NDArray[np.floating]) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float64)
