"""The tracks that a batch may show: their vectors, their recordings and their artists."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audio_engine.catalogue.duplicates import number_recordings
from audio_engine.catalogue.tag_text import normalised
from audio_engine.catalogue.track import Track

NOBODY = -1  # the artist of a track whose artist is not known: never capped

Rows = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """The tracks that may be shown."""

    vectors: Floats  # (n_tracks, dim) unit length
    recordings: Rows  # (n_tracks,) number of the recording: copies share it
    artists: Rows  # (n_tracks,) number of the artist, or `NOBODY`

    def __len__(self) -> int:
        return len(self.vectors)


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
    names = [normalised(track.tags.artist) for track in tracks]
    numbers = [artists.setdefault(name, len(artists)) if name else NOBODY for name in names]
    return Candidates(
        vectors=vectors, recordings=number_recordings(tracks, vectors), artists=np.array(numbers, np.int64)
    )


def only(candidates: Candidates, rows: Rows) -> Candidates:
    """Keep some rows of the candidates; recordings and artists keep their numbers."""
    return Candidates(
        vectors=candidates.vectors[rows], recordings=candidates.recordings[rows], artists=candidates.artists[rows]
    )


def allowed_rows(track_ids: Sequence[str], allowed_ids: Collection[str] | None) -> Rows:
    """Find the rows of the tracks that a filter allows."""
    if allowed_ids is None:
        return np.arange(len(track_ids))
    let_through = set(allowed_ids)
    return np.array([row for row, track_id in enumerate(track_ids) if track_id in let_through], np.int64)
