"""Recall of users for a track, each with the liked tracks that explain it."""

from collections.abc import Callable, Collection, Sequence
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from audio_engine.catalogue.duplicates import are_among, number_recordings
from audio_engine.catalogue.track import Track, TrackVector
from audio_engine.recall.recommendations import RecalledUser
from audio_engine.recall.tracks_for_user import liked_tracks_like, with_vectors
from audio_engine.recall.user_store import UserStore
from audio_engine.recall.user_vectors import heard_by
from index.vector_index import VectorIndex

Floats = NDArray[np.float32]

SPARE = 32  # extra users examined at first, to replace those who have played the track
WIDEN = 4  # times as many if too few remained
N_COPIES = 16  # tracks looked at for copies of the one that is asked about


def recall_users_for(  # noqa: PLR0913  (one question, with where its answer comes from)
    vector: Floats,
    track: Track,
    k: int,
    *,
    user_store: UserStore,
    index: VectorIndex,
    track_of: Callable[[str], Track | None],
    allowed_users: Collection[str] | None = None,
) -> list[RecalledUser]:
    """Find the users whose vectors are most similar to a track's, without those who have heard it.

    Parameters
    ----------
    vector : (dim,)
        Of the track.
    track
        In the catalogue or not.
    k
        How many.
    user_store
        The users.
    index, track_of
        What they heard: vectors, and tracks by id.
    allowed_users
        Names of those who are ranked at all; by default every one.

    Returns
    -------
    users
        The most similar first; equals in the order of the log.

    Raises
    ------
    ValueError
        When `k` is below 1.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    similarities = user_store.vectors @ vector
    ranked = np.argsort(-similarities, kind="stable")
    if allowed_users is not None:
        ranked = ranked[user_store.users.is_in(list(allowed_users)).to_numpy()[ranked]]
    recording = _recording_of(TrackVector(track=track, vector=vector), index, track_of)
    n_looked_at = 2 * k + SPARE
    while True:
        rows = ranked[:n_looked_at].tolist()
        places = _new_to(
            rows, k, recording, user_store=user_store, index=index, track_of=track_of, similarities=similarities
        )
        if len(places) >= k or n_looked_at >= len(ranked):
            return [
                RecalledUser(
                    rank=rank, user=user, similarity=similarity, reasons=reasons, method=user_store.report.method
                )
                for rank, (user, similarity, reasons) in enumerate(places, start=1)
            ]
        n_looked_at *= WIDEN


def _recording_of(asked: TrackVector, index: VectorIndex, track_of: Callable[[str], Track | None]) -> list[TrackVector]:
    """List a track, its copies, and copies of these, of what lies nearest to it."""
    near = with_vectors(index.search(asked.vector[np.newaxis], N_COPIES)[0], index, track_of)
    found = [asked, *(hit for hit, _ in near)]
    numbers = number_recordings([each.track for each in found], np.stack([each.vector for each in found]))
    return list(compress(found, numbers == numbers[0]))


def _new_to(  # noqa: PLR0913
    rows: list[int],
    k: int,
    recording: Sequence[TrackVector],
    *,
    user_store: UserStore,
    index: VectorIndex,
    track_of: Callable[[str], Track | None],
    similarities: Floats,
) -> list[tuple[str, float, tuple[Track, ...]]]:
    """Keep the first k of some users who have not heard a recording; with their similarity and their reasons."""
    users = user_store.users.gather(rows).to_list()
    found = user_store.those_called(users)
    place_of = {user: place for place, user in enumerate(found.users)}
    places: list[tuple[str, float, tuple[Track, ...]]] = []
    for row, user in zip(rows, users, strict=True):
        if len(places) == k:
            break
        mine = found.tastes[[place_of[user]]]
        heard = heard_by(mine.indices, mine.data, user_store, index=index, track_of=track_of)
        if not any(are_among(recording, heard.tracks, heard.vectors)):
            reasons = liked_tracks_like(recording[0].vector[np.newaxis], heard.liked)[0]
            places.append((user, float(similarities[row]), reasons))
    return places
