"""A catalogue's tracks in, what a batch may offer out: their vectors, and who is whose copy and by whom.

Copies are found among each track's nearest, and among tracks of one name; copies of copies are one recording.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from audio_engine.catalogue.duplicates import COPY_SIMILARITY, same_recording
from audio_engine.catalogue.tag_text import artist_keys, normalised
from audio_engine.catalogue.track import Track
from index.vector_store import scan

N_NEAREST = 8  # of each track, itself among them: a recording has seldom more copies
TOGETHER = 1 << 14  # tracks whose nearest are looked for at a time

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
    """Make an offer of tracks.

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
        recordings=recordings_of(tracks, vectors),
        artists=np.array([each[0] if each else NOBODY for each in numbers], np.int64),
        several={row: each for row, each in enumerate(numbers) if len(each) > 1},
    )


def recordings_of(tracks: Sequence[Track], vectors: NDArray[np.float32]) -> Rows:
    """Give each track the number of its recording, which copies share: (n_tracks,)."""
    rows = [
        (one, other)
        for one, other in _pairs_to_judge(tracks, vectors)
        if same_recording(tracks[one], tracks[other], float(vectors[one] @ vectors[other]))
    ]
    pairs = np.array(rows, np.int64).reshape(-1, 2)
    links = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(len(tracks), len(tracks)))
    return np.asarray(connected_components(links, directed=False)[1], np.int64)


def only(candidates: Candidates, rows: Rows) -> Candidates:
    """Keep some rows of an offer; the numbers of recordings and artists stay."""
    several = candidates.several
    return Candidates(
        vectors=candidates.vectors[rows],
        recordings=candidates.recordings[rows],
        artists=candidates.artists[rows],
        several={place: several[row] for place, row in enumerate(rows.tolist()) if row in several},
    )


def allowed_rows(track_ids: Sequence[str], allowed_ids: Collection[str] | None) -> Rows:
    """Find the rows of the tracks that a filter lets through."""
    if allowed_ids is None:
        return np.arange(len(track_ids))
    let_through = set(allowed_ids)
    return np.array([row for row, track_id in enumerate(track_ids) if track_id in let_through], np.int64)


def _pairs_to_judge(tracks: Sequence[Track], vectors: NDArray[np.float32]) -> Iterator[tuple[int, int]]:
    """Find pairs that may be copies: of one name, of one content, or with nearly the same vectors."""
    alike: dict[object, list[int]] = defaultdict(list)
    for row, track in enumerate(tracks):
        if track.tags.artist and track.tags.title:
            alike[normalised(track.tags.artist), normalised(track.tags.title)].append(row)
        if track.content_hash is not None:
            alike[track.content_hash].append(row)
    for rows in alike.values():
        yield from combinations(rows, 2)
    for start in range(0, len(vectors), TOGETHER):
        similarities, near = scan(vectors[start : start + TOGETHER], vectors, min(N_NEAREST, len(vectors)))
        numbers, places = np.nonzero(similarities >= COPY_SIMILARITY - 1e-6)
        for one, other in zip((numbers + start).tolist(), near[numbers, places].tolist(), strict=True):
            if one < other:
                yield one, other
