"""Exact re-ranking of candidates: similarities recomputed in double precision, ties ordered by track id."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

CANDIDATE_BLOCK = 1 << 15  # candidates re-ranked at a time: 10 MB at 40 numbers a vector

Hits = list[tuple[str, float]]  # (track id, cosine similarity), the most similar first
Found = Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]]  # query numbers, candidate rows of each (-1: none)
VectorsAt = Callable[[NDArray[np.int64]], NDArray[np.float32]]


def ranked_hits(
    queries: NDArray[np.float32],
    found: Found,
    k: int,
    *,
    vectors_at: VectorsAt,
    track_ids_at: Callable[[NDArray[np.int64]], list[str]],
) -> list[Hits]:
    """Rank the candidates of each query and return its hits.

    Parameters
    ----------
    queries : (n_queries, dim)
    found
        Candidate rows of each query.
    k
        Hits to keep per query.
    vectors_at, track_ids_at
        The vectors, and the track ids, of rows.

    Returns
    -------
    hits
        For each query; empty where there were no candidates.
    """
    hits: list[Hits] = [[] for _ in queries]
    for numbers, rows, similarities in _ranked(queries, found, vectors_at):
        is_tied = similarities[:, 1:] == similarities[:, :-1]
        for place in np.flatnonzero(is_tied.any(axis=1)).tolist() if is_tied.any() else ():
            names = track_ids_at(rows[place])
            order = sorted(range(len(names)), key=lambda i, p=place, n=names: (-similarities[p, i], n[i]))  # type: ignore[misc]
            rows[place] = rows[place, order]
        best = rows[:, :k]
        names = track_ids_at(best.ravel())
        values = similarities[:, :k].tolist()
        n_kept = (best >= 0).sum(axis=1).tolist()
        width = best.shape[1]
        for place, number in enumerate(numbers.tolist()):
            start, n = place * width, n_kept[place]
            hits[number] = list(zip(names[start : start + n], values[place][:n], strict=True))
    return hits


def hits_of_one(
    query: NDArray[np.float32],
    rows: NDArray[np.int64],
    k: int,
    *,
    vectors_at: VectorsAt,
    track_ids_at: Callable[[NDArray[np.int64]], list[str]],
) -> Hits:
    """As `ranked_hits` for one query (dim,) and its candidates, in few calls: each takes half a microsecond or more."""
    similarities = np.vecdot(vectors_at(rows), query, dtype=np.float64)
    order = similarities.argsort()[: -k - 2 : -1]  # the k nearest and one more, that may tie with the last of them
    best = similarities.take(order).tolist()
    if not best:
        return []
    if best[0] <= 1.0 and best[-1] >= -1.0 and len(set(best)) == len(best):
        return list(zip(track_ids_at(rows.take(order[:k])), best, strict=False))
    similarities = _within_one(similarities)
    near = np.flatnonzero(similarities >= similarities[order[:k]].min())
    hits = sorted(zip((-similarities[near]).tolist(), track_ids_at(rows[near]), strict=True))[:k]
    return [(track_id, -negative) for negative, track_id in hits]


def nearest_candidates(
    queries: NDArray[np.float32], rows: NDArray[np.int64], n: int, *, vectors_at: VectorsAt
) -> NDArray[np.int64]:
    """Keep the n candidates of each query that are nearest in single precision.

    Parameters
    ----------
    queries : (n_queries, dim)
    rows : (n_queries, n_candidates)
        -1 where there is none.
    n
        How many to keep.
    vectors_at
        The vectors of rows.

    Returns
    -------
    rows : (n_queries, n)
        In no order; as they came where they are n at most.
    """
    if rows.shape[1] <= n:
        return rows
    kept = np.empty((len(rows), n), np.int64)
    step = max(1, CANDIDATE_BLOCK // rows.shape[1])
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        vectors = vectors_at(np.maximum(some, 0).ravel()).reshape(*some.shape, -1)
        similarities = np.vecdot(vectors, queries[start : start + step, np.newaxis])
        similarities[some < 0] = -np.inf
        best = similarities.argpartition(-n, axis=1)[:, -n:]
        kept[start : start + step] = np.take_along_axis(some, best, axis=1)
    return kept


def _similarities(vectors: NDArray[np.float32], queries: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sum the products of the last axis in double precision, in an order that does not depend on the other axes."""
    return _within_one(np.vecdot(vectors, queries, dtype=np.float64))


def _within_one(similarities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cut off what rounding puts above 1 or below -1."""
    limited: NDArray[np.float64] = np.minimum(np.maximum(similarities, -1.0), 1.0)
    return limited


def nearest_rows(queries: NDArray[np.float32], found: Found, k: int, *, vectors_at: VectorsAt) -> NDArray[np.int64]:
    """As `ranked_hits`, but returns rows: (n_queries, k), -1 where there were too few candidates."""
    nearest = np.full((len(queries), k), -1, dtype=np.int64)
    for numbers, rows, _ in _ranked(queries, found, vectors_at):
        nearest[numbers, : rows.shape[1]] = rows[:, :k]
    return nearest


def _ranked(
    queries: NDArray[np.float32], found: Found, vectors_at: VectorsAt
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]:
    """Sort candidates by similarity (-inf where the row is -1); yields query numbers, rows, similarities."""
    for all_numbers, all_rows in found:
        if not all_rows.shape[1]:
            continue
        step = max(1, CANDIDATE_BLOCK // all_rows.shape[1])
        for start in range(0, len(all_numbers), step):
            numbers, rows = all_numbers[start : start + step], all_rows[start : start + step]
            vectors = vectors_at(np.maximum(rows, 0).ravel()).reshape(*rows.shape, -1)
            similarities = _similarities(vectors, queries[numbers][:, np.newaxis])
            similarities[rows < 0] = -np.inf
            order = np.argsort(-similarities, axis=1, kind="stable")
            places = np.arange(len(rows))[:, np.newaxis]
            yield numbers, rows[places, order], similarities[places, order]
