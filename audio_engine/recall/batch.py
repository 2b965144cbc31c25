"""Batch maximum-inner-product search: the best tracks of many users, searched by FAISS a block of users at a time.

Played tracks are left out with all their copies, copies of one recording share a place, and artists are capped. If too
few of a user's hits remain, more are fetched for that user only.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from audio_engine.atomic_files import write_frames
from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.embedding.models import Models
from audio_engine.recall.candidates import (
    Candidates,
    Floats,
    Rows,
    allowed_rows,
    candidates_of,
    cap,
    cap_artists,
    only,
)
from audio_engine.recall.interests import places_of
from audio_engine.recall.recommendations import Interests, RecallAllReport, check_interests
from audio_engine.recall.user_queries import UserQueries, divide_users, most_queries
from audio_engine.recall.user_store import UserStore
from audio_engine.recall.users import UserBatch
from index.vector_store import scan

SPARE = 28  # extra hits fetched at first, to replace those left out: a typical user has played so many
WIDEN = 4  # times as many are fetched if too few remained
TOGETHER = 1 << 14  # users searched at a time: 0.3 GB for 100 places each

SCHEMA = pl.Schema({"user": pl.String(), "rank": pl.UInt16(), "track": pl.String(), "score": pl.Float32()})
MOST = np.iinfo(np.uint16).max  # places in an answer


def recall_frames(  # noqa: PLR0913  (one question, with what bounds its answers)
    blocks: Iterable[UserBatch],
    candidates: Candidates,
    *,
    track_ids: pl.Series,
    recording_of: Rows,
    k: int,
    max_per_artist: int | None = None,
    interests: Interests = 1,
    liked_vectors: Floats | None = None,
) -> Iterator[pl.DataFrame]:
    """Find the best tracks of all users.

    Parameters
    ----------
    blocks
        Users.
    candidates
        The tracks that may be shown.
    track_ids : (n_offered,)
        Their ids.
    recording_of : (n_tracks,)
        The number of the recording of each column of the users' tastes; -1 where the track is gone.
    k, max_per_artist
        As `recall_block`.
    interests
        As `tracks_for_user.recall_tracks_for`.
    liked_vectors : (n_tracks, dim)
        The vector of each column of the users' tastes, zeros where the track is gone; None: every user has one
        interest.

    Yields
    ------
    answers
        Of some users: ``user, rank`` (from 1), ``track, score``; a user's places together, the best first.
    """
    n_recordings = 1 + max(int(candidates.recordings.max(initial=-1)), int(recording_of.max(initial=-1)))
    step = TOGETHER // most_queries(interests)
    for block in blocks:
        for start in range(0, len(block), step):
            part = slice(start, start + step)
            heard = _heard_recordings(block.tastes[part], recording_of, n_recordings)
            if interests == 1 or liked_vectors is None:
                rows, scores = recall_block(
                    block.vectors[part], candidates, k, heard=heard, max_per_artist=max_per_artist
                )
            else:
                queries = divide_users(block.vectors[part], block.tastes[part], liked_vectors, interests)
                rows, scores = recall_shared(queries, candidates, k, heard=heard, max_per_artist=max_per_artist)
            numbers, ranks = np.nonzero(rows >= 0)
            yield pl.DataFrame(
                {
                    "user": pl.Series(block.users[part], dtype=pl.String).gather(numbers),
                    "rank": (ranks + 1).astype(np.uint16),
                    "track": track_ids.gather(rows[numbers, ranks]),
                    "score": scores[numbers, ranks],
                },
                schema=SCHEMA,
            )


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


def recall_shared(
    queries: UserQueries, candidates: Candidates, k: int, *, heard: csr_array, max_per_artist: int | None = None
) -> tuple[Rows, Floats]:
    """Find the best tracks of each user by one or several queries, which take turns by their shares.

    Parameters
    ----------
    queries
        At least one of each user.
    candidates, k, heard, max_per_artist
        As `recall_block`.

    Returns
    -------
    rows, scores : (n_users, k)
        As `recall_block`; the score is the inner product with the query that a track was found by.
    """
    found, similarities = recall_block(
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


def _heard_recordings(tastes: csr_array, recording_of: Rows, n_recordings: int) -> csr_array:
    """Turn the tracks that users played into recordings."""
    owner = np.repeat(np.arange(tastes.shape[0]), np.diff(tastes.indptr))
    recordings = recording_of[tastes.indices]
    there = recordings >= 0
    cells = (np.ones(int(there.sum()), np.float32), (owner[there], recordings[there]))
    return csr_array(cells, shape=(tastes.shape[0], n_recordings))


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


def recall_all(  # noqa: PLR0913  (as `Recommender.recall_all`)
    catalogue: Catalogue,
    models: Models,
    user_store: UserStore,
    *,
    out: Path,
    k: int,
    allowed_ids: Collection[str] | None,
    max_per_artist: int | None,
    interests: Interests,
    on_done: Callable[[int], None] | None,
) -> RecallAllReport:
    """Find tracks for every user of a store, and write them to a table."""
    if not 1 <= k <= MOST:
        raise ValueError(f"k must be from 1 to {MOST}, got {k}")
    if max_per_artist is not None and max_per_artist < 1:
        raise ValueError(f"max_per_artist must be at least 1, got {max_per_artist}")
    check_interests(interests)
    track_ids, vectors = catalogue.vectors(models.active_id)
    by_id = {track.track_id: track for track in catalogue.tracks("embedded")}
    there = [row for row, track_id in enumerate(track_ids) if track_id in by_id]
    track_ids, vectors = [track_ids[row] for row in there], vectors[there]
    whole = candidates_of([by_id[track_id] for track_id in track_ids], vectors)
    row_of = {track_id: row for row, track_id in enumerate(track_ids)}
    played = [row_of.get(track_id, -1) for track_id in user_store.tracks["track_id"]]
    recording_of = np.append(whole.recordings, -1)[played]  # -1 takes what was appended
    rows = allowed_rows(track_ids, allowed_ids)
    answers = recall_frames(
        user_store.blocks(),
        only(whole, rows),
        track_ids=pl.Series(track_ids, dtype=pl.String).gather(rows),
        recording_of=recording_of,
        k=k,
        max_per_artist=max_per_artist,
        interests=interests,
        liked_vectors=None if interests == 1 else np.vstack([vectors, np.zeros(vectors.shape[1], np.float32)])[played],
    )
    n_rows = _write_counting(answers, out, on_done)
    return RecallAllReport(n_users=user_store.report.n_users, n_rows=n_rows, method=user_store.report.method)


def _write_counting(answers: Iterator[pl.DataFrame], out: Path, on_done: Callable[[int], None] | None) -> int:
    """Write answers to a file, telling how many users are done; returns the number of rows."""
    n_rows = n_done = 0

    def counted() -> Iterator[pl.DataFrame]:
        nonlocal n_rows, n_done
        for frame in answers:
            yield frame
            n_rows += len(frame)
            n_done += frame["user"].n_unique()
            if on_done is not None:
                on_done(n_done)

    write_frames(counted(), SCHEMA, out)
    return n_rows
