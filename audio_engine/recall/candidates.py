"""The tracks that a batch may show: their vectors, their recordings and their artists, and caps on these."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from audio_engine.catalogue.duplicates import number_recordings
from audio_engine.catalogue.tag_text import artist_keys
from audio_engine.catalogue.track import Track

NOBODY = -1  # the artist of a track whose artist is not known: never capped

Rows = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """The tracks that may be shown."""

    vectors: Floats  # (n_tracks, dim) unit length
    recordings: Rows  # (n_tracks,) number of the recording: copies share it
    artists: Rows  # (n_tracks,) number of the artist, of the first of several, or `NOBODY`
    several: Mapping[int, tuple[int, ...]] = field(
        default_factory=dict
    )  # of each row with several artists, all of them
    tracks: Sequence[Track] = ()  # (n_tracks,) what a varied answer must know of them; or none

    def __len__(self) -> int:
        return len(self.vectors)

    @cached_property
    def has_several(self) -> NDArray[np.bool_]:
        """Whether each track has several artists: (n_tracks,)."""
        has_several = np.zeros(len(self), np.bool_)
        has_several[list(self.several)] = True
        return has_several

    def artists_of(self, rows: Rows) -> list[tuple[int, ...]]:
        """List all artists of some tracks."""
        firsts = self.artists[rows].tolist()
        return [self.several.get(row, (first,)) for row, first in zip(rows.tolist(), firsts, strict=True)]


def candidates_of(tracks: Sequence[Track], vectors: NDArray[np.float32]) -> Candidates:
    """Build the candidates from tracks.

    Parameters
    ----------
    tracks : (n_tracks,)
        Of the catalogue.
    vectors : (n_tracks, dim)
        Theirs, unit length.
    """
    artists: dict[str, int] = {}
    numbers = [
        tuple(artists.setdefault(name, len(artists)) for name in artist_keys(track.tags.artist)) for track in tracks
    ]
    return Candidates(
        vectors=vectors,
        recordings=number_recordings(tracks, vectors),
        artists=np.array([each[0] if each else NOBODY for each in numbers], np.int64),
        several={row: each for row, each in enumerate(numbers) if len(each) > 1},
        tracks=tracks,
    )


def only(candidates: Candidates, rows: Rows) -> Candidates:
    """Keep some rows of the candidates; recordings and artists keep their numbers."""
    several = candidates.several
    return Candidates(
        vectors=candidates.vectors[rows],
        recordings=candidates.recordings[rows],
        artists=candidates.artists[rows],
        several={place: several[row] for place, row in enumerate(rows.tolist()) if row in several},
        tracks=[candidates.tracks[row] for row in rows.tolist()] if candidates.tracks else (),
    )


def allowed_rows(track_ids: Sequence[str], allowed_ids: Collection[str] | None) -> Rows:
    """Find the rows of the tracks that a filter allows."""
    if allowed_ids is None:
        return np.arange(len(track_ids))
    let_through = set(allowed_ids)
    return np.array([row for row, track_id in enumerate(track_ids) if track_id in let_through], np.int64)


def cap(groups: Rows, wanted: NDArray[np.bool_], *, most: int) -> NDArray[np.bool_]:
    """Keep only the first `most` wanted hits of each group in each row; `NOBODY` is not a group."""
    counted = np.where(wanted & (groups != NOBODY), groups, np.iinfo(np.int64).max)
    order = np.argsort(counted, axis=1, kind="stable")
    ordered = np.take_along_axis(counted, order, axis=1)
    starts = np.ones(ordered.shape, bool)
    starts[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    places = np.broadcast_to(np.arange(ordered.shape[1]), ordered.shape)
    number = places - np.maximum.accumulate(np.where(starts, places, 0), axis=1)  # of each within its group, from 0
    within = np.empty_like(number)
    np.put_along_axis(within, order, number, axis=1)
    return np.asarray(wanted & ((groups == NOBODY) | (within < most)))


def cap_artists(candidates: Candidates, hits: Rows, wanted: NDArray[np.bool_], *, most: int) -> NDArray[np.bool_]:
    """Want only the first `most` of what is wanted of each artist, in each row; a track counts for all its artists."""
    capped = cap(candidates.artists[hits], wanted, most=most)
    for user in np.flatnonzero((candidates.has_several[hits] & wanted).any(axis=1)).tolist():
        capped[user, wanted[user]] = _within(candidates.artists_of(hits[user, wanted[user]]), most)
    return capped


def _within(artists: Sequence[tuple[int, ...]], most: int) -> list[bool]:
    """Tell of each of some tracks, by its artists, whether all of them may have one place more than those before it."""
    n_tracks = Counter(chain.from_iterable(artists))
    n_places = {artist: 0 for artist, n in n_tracks.items() if n > most and artist != NOBODY}  # others are never full
    within = [True] * len(artists)
    for place, each in enumerate(artists):
        if n_places.keys().isdisjoint(each):
            continue
        counted = [artist for artist in each if artist in n_places]
        within[place] = all(n_places[artist] < most for artist in counted)
        for artist in counted if within[place] else ():
            n_places[artist] += 1
    return within
