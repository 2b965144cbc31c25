"""Exact search of the best tracks of a block of users, by FAISS.

Played tracks are left out with all their copies, copies of one recording share a place, and artists are capped. If too
few of a user's hits remain, more are fetched for that user only.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from audio_engine.recall.candidates import Candidates, Floats, Rows, cap, cap_artists
from audio_engine.recall.interests import places_of
from audio_engine.recall.user_queries import UserQueries
from audio_engine.recall.variety import choose_varied, pool_size
from index.vector_store import scan

SPARE = 28  # extra hits fetched at first, to replace those left out: a typical user has played so many
WIDEN = 4  # times as many are fetched if too few remained
POOL_CELLS = 1 << 21  # candidates of varied answers in memory at a time, 25 MB


class Recall(Protocol):
    """`recall_block`, or `recall_varied` of some diversity."""

    def __call__(
        self, users: Floats, candidates: Candidates, k: int, /, *, heard: csr_array, max_per_artist: int | None = None
    ) -> tuple[Rows, Floats]:
        """Find tracks of each user."""


def recall_block(
    users: Floats, candidates: Candidates, k: int, *, heard: csr_array, max_per_artist: int | None = None
) -> tuple[Rows, Floats]:
    """Find the best tracks of each user.

    Parameters
    ----------
    users : (n_users, dim)
        Their vectors.
    candidates
        The tracks that may be shown.
    k
        Places in each answer.
    heard : (n_users, n_recordings)
        Sparse: a cell, whatever its value, for each recording that a user has heard.
    max_per_artist
        At most so many places for one artist.

    Returns
    -------
    rows : (n_users, k)
        Of the offer, the best first; -1 where there are too few.
    scores : (n_users, k)
        Inner products; -inf where there are too few.
    """
    rows = np.full((len(users), k), -1, np.int64)
    scores = np.full((len(users), k), -np.inf, np.float32)
    waiting, n_hits = np.arange(len(users)), k + SPARE
    while len(waiting) and len(candidates):
        n_hits = min(n_hits, len(candidates))
        similarities, hits = scan(np.ascontiguousarray(users[waiting]), candidates.vectors, n_hits)
        similarities, hits = _settle_ties(similarities, hits)
        wanted = ~_is_heard(candidates.recordings[hits], heard[waiting])
        wanted = cap(candidates.recordings[hits], wanted, most=1)
        if max_per_artist is not None:
            wanted = cap_artists(candidates, hits, wanted, most=max_per_artist)
        is_done = (wanted.sum(axis=1) >= k) | (n_hits == len(candidates))
        order = np.argsort(~wanted[is_done], axis=1, kind="stable")[:, :k]  # wanted ones first, in their order
        kept = np.take_along_axis(wanted[is_done], order, axis=1)
        places, width = waiting[is_done], order.shape[1]
        rows[places, :width] = np.where(kept, np.take_along_axis(hits[is_done], order, axis=1), -1)
        scores[places, :width] = np.where(kept, np.take_along_axis(similarities[is_done], order, axis=1), -np.inf)
        waiting, n_hits = waiting[~is_done], n_hits * WIDEN
    return rows, scores


def recall_varied(  # noqa: PLR0913  (as `recall_block`)
    users: Floats,
    candidates: Candidates,
    k: int,
    *,
    heard: csr_array,
    max_per_artist: int | None = None,
    diversity: float,
) -> tuple[Rows, Floats]:
    """Find good tracks of each user that differ from each other, as `tracks_for_user` does for one.

    Parameters
    ----------
    users, candidates, k, heard, max_per_artist
        As `recall_block`.
    diversity
        From 0 to 1: how much a track is to differ from those before it.

    Returns
    -------
    rows, scores : (n_users, k)
        As `recall_block`, in the order of the answer.
    """
    rows = np.full((len(users), k), -1, np.int64)
    scores = np.full((len(users), k), -np.inf, np.float32)
    waiting, n_pool = np.arange(len(users)), min(pool_size(k), len(candidates))
    while len(waiting) and n_pool:
        short, size = [], max(1, POOL_CELLS // n_pool)
        for start in range(0, len(waiting), size):
            some = waiting[start : start + size]
            pools, similarities = recall_block(users[some], candidates, n_pool, heard=heard[some])
            for user, pool, relevance in zip(some, pools, similarities, strict=True):
                chosen = _varied(candidates, pool, relevance, k, diversity=diversity, max_per_artist=max_per_artist)
                rows[user, : len(chosen)], scores[user, : len(chosen)] = pool[chosen], relevance[chosen]
            short.append(some[(rows[some, -1] < 0) & (pools[:, -1] >= 0)])  # a larger pool may fill it
        if n_pool == len(candidates):
            break
        waiting, n_pool = np.concatenate(short), min(n_pool * WIDEN, len(candidates))
    return rows, scores


def recall_shared(  # noqa: PLR0913  (as `recall_block`)
    queries: UserQueries,
    candidates: Candidates,
    k: int,
    *,
    heard: csr_array,
    max_per_artist: int | None = None,
    recall: Recall | None = None,
) -> tuple[Rows, Floats]:
    """Find the best tracks of each user by one or several queries, which take turns by their shares.

    Parameters
    ----------
    queries
        At least one of each user.
    candidates, k, heard, max_per_artist
        As `recall_block`.
    recall
        Finds the tracks of each query; by default `recall_block`.

    Returns
    -------
    rows, scores : (n_users, k)
        As `recall_block`; the score is the inner product with the query that a track was found by.
    """
    found, similarities = (recall or recall_block)(
        queries.vectors, candidates, k, heard=heard[queries.users], max_per_artist=max_per_artist
    )
    places = np.where(found >= 0, places_of(np.arange(k), queries.shares[:, np.newaxis]), np.inf)
    turns = queries.beside(places, np.inf)
    order = np.argsort(turns, axis=1, kind="stable")
    hits = np.take_along_axis(queries.beside(found, -1), order, axis=1)
    scores = np.take_along_axis(queries.beside(similarities, -np.inf), order, axis=1)
    wanted = cap(candidates.recordings[hits], hits >= 0, most=1)
    if max_per_artist is not None:
        wanted = cap_artists(candidates, hits, wanted, most=max_per_artist)
    first = np.argsort(~wanted, axis=1, kind="stable")[:, :k]  # wanted ones first, in their order
    is_kept = np.take_along_axis(wanted, first, axis=1)
    rows = np.where(is_kept, np.take_along_axis(hits, first, axis=1), -1)
    return rows, np.where(is_kept, np.take_along_axis(scores, first, axis=1), -np.inf)


def _settle_ties(similarities: Floats, hits: Rows) -> tuple[Floats, Rows]:
    """Put hits of equal similarity in the order of their rows."""
    order = np.lexsort((hits, -similarities), axis=1)
    return np.take_along_axis(similarities, order, axis=1), np.take_along_axis(hits, order, axis=1)


def _is_heard(recordings: Rows, heard: csr_array) -> NDArray[np.bool_]:
    """Tell which of some recordings (n_users, n_hits) each user has heard."""
    n_recordings = heard.shape[1]
    owner = np.repeat(np.arange(heard.shape[0]), np.diff(heard.indptr))
    keys = np.sort(owner * n_recordings + heard.indices)
    asked = np.arange(len(recordings))[:, np.newaxis] * n_recordings + recordings
    places = np.searchsorted(keys, asked)
    return np.asarray(keys[np.minimum(places, len(keys) - 1)] == asked) if len(keys) else np.zeros(asked.shape, bool)


def _varied(  # noqa: PLR0913  (as `choose_varied`)
    candidates: Candidates, pool: Rows, relevance: Floats, k: int, *, diversity: float, max_per_artist: int | None
) -> list[int]:
    """Choose k of one user's candidates, by their places in the pool, which ends in -1 where there are few."""
    found = pool[pool >= 0]
    return choose_varied(
        [candidates.tracks[row] for row in found.tolist()],
        candidates.vectors[found],
        relevance[: len(found)],
        k=k,
        diversity=diversity,
        max_per_artist=max_per_artist,
    )
