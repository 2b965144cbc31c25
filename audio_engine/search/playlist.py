"""Playlists: a sequence of tracks that leads from one track to another, and extended M3U files.

The sequence follows the great circle between the two vectors. For each of its evenly spaced waypoints it takes the
track nearest to both the waypoint and the previous track, so that steps are small and approach the end.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audio_engine.atomic_files import whole_file
from audio_engine.catalogue.duplicates import COPY_SIMILARITY
from audio_engine.catalogue.tags import one_line
from audio_engine.catalogue.track import Track
from index.vector_index import VectorIndex

SMOOTHNESS = 1.0  # weight of similarity to the previous track, relative to similarity to the waypoint
N_CANDIDATES = 16  # candidate tracks for each waypoint, beyond those already taken


def walk(start: str, end: str, n: int, index: VectorIndex) -> list[str]:
    """Walk from one track to another.

    Parameters
    ----------
    start, end
        Ids of two tracks in the index.
    n
        Number of tracks, including both ends.

    Returns
    -------
    track_ids
        ``start`` first, ``end`` last, without duplicates or copies (unless the ends are copies). Fewer than ``n`` if
        the index has too few.

    Raises
    ------
    LookupError
        When the index does not hold one of the ends.
    ValueError
        When ``n`` is below 2, or both ends are one track.

    References
    ----------
    K. Shoemake, Animating rotation with quaternion curves, SIGGRAPH 1985: spherical linear interpolation.
    """
    if n < 2:
        raise ValueError(f"n must be at least 2, got {n}")
    if start == end:
        raise ValueError(f"start and end must be two tracks, got {start!r} twice")
    ends = index.vectors([start, end])
    track_ids, taken = [start], ends.copy()  # the end is taken from the start, so that no step repeats it
    for waypoint in _waypoints(ends[0], ends[1], min(n, len(index)))[1:-1]:
        before = index.vectors(track_ids[-1:])[0]
        track_id = _next_track(waypoint, before, taken, index)
        if track_id is not None:
            track_ids.append(track_id)
            taken = np.concatenate([taken, index.vectors([track_id])])
    return [*track_ids, end]


def write_m3u(path: Path, tracks: Sequence[Track]) -> None:
    """Write a playlist: extended M3U, UTF-8, absolute paths.

    Parameters
    ----------
    path
        The file; an existing one is replaced.
    tracks
        In playing order. A path that a line of text cannot hold (a line break, bytes that are not UTF-8) is written
        as a ``file:`` address.
    """
    lines = ["#EXTM3U"]
    for track in tracks:
        duration_s = -1 if track.tags.duration_s is None else round(track.tags.duration_s)
        names = [name for name in (track.tags.artist, track.tags.title) if name] or [track.path.stem]
        lines += [f"#EXTINF:{duration_s},{one_line(' - '.join(names))}", _location(track.path)]
    with whole_file(path) as aside:
        aside.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def _waypoints(start: NDArray[np.float32], end: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """Space n points evenly on the great circle from one unit vector to another: (n, dim)."""
    angle = np.arccos(np.clip(np.dot(start, end), -1, 1))
    steps = np.linspace(0, 1, n)[:, np.newaxis]
    if np.sin(angle) < 1e-4:  # the same point (or its opposite, which no one circle joins): a straight line will do
        points = (1 - steps) * start + steps * end
    else:
        points = np.sin((1 - steps) * angle) * start + np.sin(steps * angle) * end
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.where(lengths > 1e-6, points / np.maximum(lengths, 1e-6), start).astype(np.float32)
    return unit


def _next_track(
    waypoint: NDArray[np.float32], before: NDArray[np.float32], taken: NDArray[np.float32], index: VectorIndex
) -> str | None:
    """Choose the best track for a waypoint that is neither taken nor a copy of a taken one; None if none is left."""
    n_hits = len(taken) + N_CANDIDATES
    while True:
        track_ids = [track_id for track_id, _ in index.search(waypoint[np.newaxis], n_hits)[0]]
        vectors = index.vectors(track_ids)
        is_free = (vectors @ taken.T).max(axis=1) < COPY_SIMILARITY
        if is_free.any():
            goodness = np.where(is_free, vectors @ waypoint + SMOOTHNESS * (vectors @ before), -np.inf)
            return track_ids[int(goodness.argmax())]
        if n_hits >= len(index):
            return None
        n_hits *= 2


def _location(path: Path) -> str:
    """Write a path as one line of UTF-8."""
    path = Path(os.path.abspath(path))  # noqa: PTH100  (`resolve` would follow links away from what the person named)
    is_plain = str(path).isprintable()  # neither line breaks nor the lone surrogates of undecodable bytes
    return str(path) if is_plain else path.as_uri()
