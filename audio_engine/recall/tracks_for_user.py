"""Recall of tracks for one user, each with the liked tracks that explain it.

Played tracks are left out with their copies, copies of one recording share a place, and artists are capped.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from audio_engine.catalogue.duplicates import Rows, are_among, number_recordings
from audio_engine.catalogue.track import Track, TrackVector
from audio_engine.recall.interests import find_interests, places_of, queries_of, shares_of
from audio_engine.recall.recommendations import Interests, Method, RecalledTrack, check_interests
from audio_engine.recall.variety import choose_varied, pool_size
from audio_engine.search.diversity import check_diversity
from audio_engine.search.neighbours import SPARE, WIDEN, ArtistLimit, Recording, group_recordings
from index.filters import Subset
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
        return self.only(np.flatnonzero(self.weights > 0))

    def only(self, rows: Rows) -> "PlayHistory":
        """Keep some of them."""
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
    interests: Interests = 1,
    diversity: float = 0.0,
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
    interests
        Into how many groups the liked tracks are divided. Each is searched for by itself, and they take turns in the
        answer by their shares.
    diversity
        From 0 to 1: how much a track is to differ from those before it that were found for the same interest.

    Returns
    -------
    tracks
        The most similar to the user first, if there is one interest and no diversity; equals in the order of their
        track ids.

    Raises
    ------
    ValueError
        When a number is out of its range.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    if max_per_artist is not None and max_per_artist < 1:
        raise ValueError(f"max_per_artist must be at least 1, got {max_per_artist}")
    check_interests(interests)
    check_diversity(diversity)
    liked = user.heard.liked
    found = [] if interests == 1 else find_interests(liked.vectors, liked.weights, interests)
    ask = partial(
        _recordings_for,
        k=k,
        heard=user.heard,
        index=index,
        track_of=track_of,
        subset=None if allowed_ids is None else index.subset(allowed_ids),
        max_per_artist=max_per_artist,
        diversity=diversity,
    )
    lists = [ask(query) for query in queries_of(found, liked.vectors, liked.weights, user.vector)]
    if len(lists) == 1:
        return _with_reasons(lists[0], [0] * len(lists[0]), [liked], method=user.method)
    places, owners = _merged(lists, shares_of(found), max_per_artist=max_per_artist)
    return _with_reasons(places[:k], owners[:k], [liked.only(each.rows) for each in found], method=user.method)


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


def _recordings_for(  # noqa: PLR0913  (as `recall_tracks_for`)
    query: Floats,
    *,
    k: int,
    heard: PlayHistory,
    index: VectorIndex,
    track_of: Callable[[str], Track | None],
    subset: Subset | None,
    max_per_artist: int | None,
    diversity: float,
) -> list[Recording]:
    """Find k recordings that are most similar to a query, or different from each other too."""
    n_pool = pool_size(k) if diversity else k
    n_hits = max(2 * k, n_pool) + SPARE + len(heard)
    while True:
        found = index.search(query[np.newaxis], n_hits, subset)[0]
        hits = with_vectors(found, index, track_of)
        wanted = ArtistLimit(excluded=(), max_per_artist=None if diversity else max_per_artist)
        is_known = are_among([hit for hit, _ in hits], heard.tracks, heard.vectors)
        places = group_recordings(hits, wanted, is_known=is_known)
        is_all = len(found) < n_hits or n_hits >= len(index)
        if len(places) >= n_pool or is_all:
            places = places[:n_pool]
            if diversity:
                places = _varied(places, k, diversity=diversity, max_per_artist=max_per_artist)
            if len(places) >= k or is_all:
                return places
            n_pool *= WIDEN
        n_hits *= WIDEN


def _varied(places: Sequence[Recording], k: int, *, diversity: float, max_per_artist: int | None) -> list[Recording]:
    """Choose k recordings that differ from each other in sound, artist and genre."""
    rows = choose_varied(
        [place.track for place in places],
        np.array([place.found.vector for place in places]),
        np.array([place.similarity for place in places]),
        k=k,
        diversity=diversity,
        max_per_artist=max_per_artist,
    )
    return [places[row] for row in rows]


def _merged(
    lists: Sequence[Sequence[Recording]], shares: NDArray[np.float64], *, max_per_artist: int | None
) -> tuple[list[Recording], list[int]]:
    """Let lists of recordings take turns by their shares; a recording keeps its first place, and whose that was."""
    turns = sorted(
        (float(places_of(np.array(rank), shares[owner])), owner, rank)
        for owner, places in enumerate(lists)
        for rank in range(len(places))
    )
    owner_of: dict[str, int] = {}
    hits: dict[str, tuple[TrackVector, float]] = {}
    for _, owner, rank in turns:
        place = lists[owner][rank]
        owner_of.setdefault(place.track.track_id, owner)
        hits.setdefault(place.track.track_id, (place.found, place.similarity))
    wanted = ArtistLimit(excluded=(), max_per_artist=max_per_artist)
    merged = group_recordings(list(hits.values()), wanted, is_known=[False] * len(hits))
    return merged, [owner_of[place.track.track_id] for place in merged]


def _with_reasons(
    places: Sequence[Recording], owners: Sequence[int], liked: Sequence[PlayHistory], *, method: Method | None
) -> list[RecalledTrack]:
    """Give the places their ranks, and reasons out of what is liked of the interest that they were found for."""
    vectors = np.array([place.found.vector for place in places], np.float32)
    reasons: dict[int, tuple[Track, ...]] = {}
    for owner, of_interest in enumerate(liked):
        rows = [row for row, each in enumerate(owners) if each == owner]
        if rows:
            reasons |= dict(zip(rows, liked_tracks_like(vectors[rows], of_interest), strict=True))
    return [
        RecalledTrack(
            rank=row + 1,
            score=place.similarity,
            track=place.track,
            reasons=reasons[row],
            method=method,
            interest=owner + 1,
        )
        for row, (place, owner) in enumerate(zip(places, owners, strict=True))
    ]
