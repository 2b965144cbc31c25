"""Recall of tracks for one user, each with the liked tracks that explain it.

Played tracks are left out with their copies, copies of one recording share a place, and artists are capped.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audio_engine.catalogue.duplicates import Rows, are_among, number_recordings
from audio_engine.catalogue.track import Track, TrackVector
from audio_engine.recall.recommendations import Method, RecalledTrack
from audio_engine.search.neighbours import SPARE, WIDEN, ArtistLimit, Recording, group_recordings
from index.vector_index import VectorIndex

Floats = NDArray[np.float32]

N_REASONS = 3  # liked tracks that are named for each track


@dataclass(frozen=True, kw_only=True)
class PlayHistory:
    """The tracks that a user has played, in the catalogue or not."""

    tracks: tuple[Track, ...] = ()
    vectors: Floats  # (n_heard, dim)
    weights: Floats  # (n_heard,) above 0: liked

    def __len__(self) -> int:
        return len(self.tracks)

    @property
    def liked(self) -> "PlayHistory":
        """Those that were liked."""
        rows = np.flatnonzero(self.weights > 0)
        tracks = tuple(self.tracks[row] for row in rows.tolist())
        return PlayHistory(tracks=tracks, vectors=self.vectors[rows], weights=self.weights[rows])


@dataclass(frozen=True, kw_only=True)
class User:
    """The user of a recall query."""

    vector: Floats  # (dim,) unit length
    heard: PlayHistory
    method: Method | None = None  # how the vector was made; None where it was given


def recall_tracks_for(  # noqa: PLR0913  (one question, with what bounds its answer)
    user: User,
    k: int,
    *,
    index: VectorIndex,
    track_of: Callable[[str], Track | None],
    allowed_ids: Collection[str] | None = None,
    max_per_artist: int | None = None,
) -> list[RecalledTrack]:
    """Find the tracks to show to a user.

    Parameters
    ----------
    user
        With what they heard.
    k
        Number of tracks; fewer are returned if fewer pass the filters.
    index
        Vectors by track id.
    track_of
        Gives the track of an id; None where it has gone meanwhile.
    allowed_ids
        Ids of the tracks that are ranked at all; by default every one.
    max_per_artist
        At most so many places for one artist; tracks of no known artist are not counted.

    Returns
    -------
    tracks
        The most similar to the user first; equals in the order of their track ids.

    Raises
    ------
    ValueError
        When `k` or `max_per_artist` is below 1.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    if max_per_artist is not None and max_per_artist < 1:
        raise ValueError(f"max_per_artist must be at least 1, got {max_per_artist}")
    subset = None if allowed_ids is None else index.subset(allowed_ids)
    n_hits = 2 * k + SPARE + len(user.heard)
    while True:
        found = index.search(user.vector[np.newaxis], n_hits, subset)[0]
        hits = with_vectors(found, index, track_of)
        wanted = ArtistLimit(excluded=(), max_per_artist=max_per_artist)
        is_known = are_among([hit for hit, _ in hits], user.heard.tracks, user.heard.vectors)
        places = group_recordings(hits, wanted, is_known=is_known)[:k]
        if len(places) == k or len(found) < n_hits or n_hits >= len(index):
            return _with_reasons(places, user)
        n_hits *= WIDEN


def liked_tracks_like(vectors: Floats, liked: PlayHistory, n: int = N_REASONS) -> list[tuple[Track, ...]]:
    """Name for each of some vectors the liked tracks that are most similar to it.

    Parameters
    ----------
    vectors : (n_vectors, dim)
        Of tracks that are recalled.
    liked
        Tracks that the user likes.
    n
        How many are named at most.

    Returns
    -------
    reasons
        For each vector, the most similar first; copies of one recording are named once.
    """
    order = np.argsort(-(vectors @ liked.vectors.T), axis=1, kind="stable")
    recordings = number_recordings(liked.tracks, liked.vectors)
    return [_first_recordings(rows, liked, recordings[rows], n) for rows in order]


def with_vectors(
    found: Sequence[tuple[str, float]], index: VectorIndex, track_of: Callable[[str], Track | None]
) -> list[tuple[TrackVector, float]]:
    """Look hits up; those that have left the catalogue meanwhile are passed over."""
    vectors = index.vectors([track_id for track_id, _ in found])
    return [
        (TrackVector(track=track, vector=vector), similarity)
        for (track_id, similarity), vector in zip(found, vectors, strict=True)
        if (track := track_of(track_id)) is not None
    ]


def _first_recordings(rows: Rows, liked: PlayHistory, recordings: Rows, n: int) -> tuple[Track, ...]:
    """Take the first n of some liked tracks, no two of them of one recording."""
    first = np.sort(np.unique(recordings, return_index=True)[1])[:n]
    return tuple(liked.tracks[row] for row in rows[first].tolist())


def _with_reasons(places: Sequence[Recording], user: User) -> list[RecalledTrack]:
    """Give the places their ranks and reasons."""
    if not places:
        return []
    reasons = liked_tracks_like(np.stack([place.found.vector for place in places]), user.heard.liked)
    return [
        RecalledTrack(rank=rank, score=place.similarity, track=place.track, reasons=named, method=user.method)
        for rank, (place, named) in enumerate(zip(places, reasons, strict=True), start=1)
    ]
