"""Explanation of a similarity: the seconds at which two tracks sound most alike.

A track's vector is computed from the mean over its segments. Here every segment is embedded separately, as if it were
the whole track, and the pair of segments with the highest cosine is returned. Times are therefore those of segments:
in a three-minute track there is one every eighteen seconds, and the match is the best among those, not of all times.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.embedding.models import Models
from audio_engine.embedding.track_lookup import track_or_file
from audio_engine.search.file_cache import FileCache

N_KEPT = 4_096  # tracks whose segments are remembered, 2 kB each


@dataclass(frozen=True, kw_only=True)
class Match:
    """Where two tracks sound most alike."""

    query_start_s: float  # seconds from the beginning of the query
    query_end_s: float
    neighbour_start_s: float  # seconds from the beginning of the neighbour
    neighbour_end_s: float
    similarity: float  # cosine of the vectors of these two segments


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmentVectors:
    """The segments of one track."""

    vectors: NDArray[np.float32]  # (n_segments, dim), unit length
    starts_s: NDArray[np.float64]  # (n_segments,), seconds
    ends_s: NDArray[np.float64]  # (n_segments,), seconds


class SegmentCache:
    """Cache of segment vectors, by track."""

    def __init__(self, catalogue: Catalogue, models: Models) -> None:
        self._catalogue, self._models = catalogue, models
        self._files: FileCache[SegmentVectors] = FileCache(N_KEPT)

    def segments_of(self, track: str | Path) -> SegmentVectors:
        """Return the segment vectors of a track, from the cache or from its file."""
        path = track_or_file(track, self._catalogue).path
        return self._files.get(path, self._read, recipe=self._models.active_id)

    def _read(self, path: Path) -> SegmentVectors:
        """Decode the segments of a file, and embed each."""
        sound = self._models.decoders.read(path, self._models.mel_recipe())
        embedder = self._models.active()
        starts_s = np.array(sound.starts_s)
        return SegmentVectors(
            vectors=embedder.embed_segments(sound.segments),
            starts_s=starts_s,
            ends_s=np.minimum(starts_s + embedder.recipe.segment_s, sound.tags.duration_s or 0.0),
        )


def best_match(query: SegmentVectors, neighbour: SegmentVectors) -> Match:
    """Find the pair of segments with the highest cosine; of equals the earliest."""
    cosines = query.vectors @ neighbour.vectors.T
    ours, theirs = np.unravel_index(int(cosines.argmax()), cosines.shape)
    return Match(
        query_start_s=float(query.starts_s[ours]),
        query_end_s=float(query.ends_s[ours]),
        neighbour_start_s=float(neighbour.starts_s[theirs]),
        neighbour_end_s=float(neighbour.ends_s[theirs]),
        similarity=float(cosines[ours, theirs]),
    )
