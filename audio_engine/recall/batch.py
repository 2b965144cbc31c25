"""Batch recall: the best tracks of many users, a block of users at a time, as frames or in a file."""

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from scipy.sparse import csr_array

from audio_engine.atomic_files import write_frames
from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.embedding.models import Models
from audio_engine.recall.block_search import Recall, recall_block, recall_shared, recall_varied
from audio_engine.recall.candidates import Candidates, Floats, Rows, allowed_rows, candidates_of, only
from audio_engine.recall.recommendations import Interests, RecallAllReport, check_interests
from audio_engine.recall.user_queries import divide_users, most_queries
from audio_engine.recall.user_store import UserStore
from audio_engine.recall.users import UserBatch
from audio_engine.search.diversity import check_diversity

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
    diversity: float = 0.0,
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
    interests, diversity
        As `tracks_for_user.recall_tracks_for`; with diversity, the candidates must have their tracks.
    liked_vectors : (n_tracks, dim)
        The vector of each column of the users' tastes, zeros where the track is gone; None: every user has one
        interest.

    Yields
    ------
    answers
        Of some users: ``user, rank`` (from 1), ``track, score``; a user's places together, the best first.
    """
    n_recordings = 1 + max(int(candidates.recordings.max(initial=-1)), int(recording_of.max(initial=-1)))
    recall: Recall = partial(recall_varied, diversity=diversity) if diversity else recall_block
    step = TOGETHER // most_queries(interests)
    for block in blocks:
        for start in range(0, len(block), step):
            part = slice(start, start + step)
            heard = _heard_recordings(block.tastes[part], recording_of, n_recordings)
            if interests == 1 or liked_vectors is None or not len(candidates):
                rows, scores = recall(block.vectors[part], candidates, k, heard=heard, max_per_artist=max_per_artist)
            else:
                queries = divide_users(block.vectors[part], block.tastes[part], liked_vectors, interests)
                rows, scores = recall_shared(
                    queries, candidates, k, heard=heard, max_per_artist=max_per_artist, recall=recall
                )
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
    diversity: float,
    on_done: Callable[[int], None] | None,
) -> RecallAllReport:
    """Find tracks for every user of a store, and write them to a table."""
    if not 1 <= k <= MOST:
        raise ValueError(f"k must be from 1 to {MOST}, got {k}")
    if max_per_artist is not None and max_per_artist < 1:
        raise ValueError(f"max_per_artist must be at least 1, got {max_per_artist}")
    check_interests(interests)
    check_diversity(diversity)
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
        diversity=diversity,
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


def _heard_recordings(tastes: csr_array, recording_of: Rows, n_recordings: int) -> csr_array:
    """Turn the tracks that users played into recordings."""
    owner = np.repeat(np.arange(tastes.shape[0]), np.diff(tastes.indptr))
    recordings = recording_of[tastes.indices]
    there = recordings >= 0
    cells = (np.ones(int(there.sum()), np.float32), (owner[there], recordings[there]))
    return csr_array(cells, shape=(tastes.shape[0], n_recordings))
