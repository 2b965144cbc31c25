"""The tracks that a batch may show: their vectors, their recordings and their artists."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

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
    numbers = [
        tuple(artists.setdefault(name, len(artists)) for name in artist_keys(track.tags.artist)) for track in tracks
    ]
    return Candidates(
        vectors=vectors,
        recordings=number_recordings(tracks, vectors),
        artists=np.array([each[0] if each else NOBODY for each in numbers], np.int64),
        several={row: each for row, each in enumerate(numbers) if len(each) > 1},
    )


def only(candidates: Candidates, rows: Rows) -> Candidates:
    """Keep some rows of the candidates; recordings and artists keep their numbers."""
    several = candidates.several
    return Candidates(
        vectors=candidates.vectors[rows],
        recordings=candidates.recordings[rows],
        artists=candidates.artists[rows],
        several={place: several[row] for place, row in enumerate(rows.tolist()) if row in several},
    )


def allowed_rows(track_ids: Sequence[str], allowed_ids: Collection[str] | None) -> Rows:
    """Find the rows of the tracks that a filter allows."""
    if allowed_ids is None:
        return np.arange(len(track_ids))
    let_through = set(allowed_ids)
    return np.array([row for row, track_id in enumerate(track_ids) if track_id in let_through], np.int64)
