"""Duplicate detection: which tracks are copies of one recording, by content, vectors and names.

Precision matters more than recall: a duplicate listed beside its original is a blemish, but two different tracks merged
lose one. So a duplicate needs the same bytes, nearly identical vectors, or the same name and very similar vectors.
Copies of copies count as one recording. Similar tracks, recall for one user and for all, and the folds of the genre
classifier all use `number_recordings`.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from audio_engine.catalogue.tag_text import normalised
from audio_engine.catalogue.tags import Tags
from audio_engine.catalogue.track import Track, TrackVector
from index.vector_store import scan

# `python -m tests.benchmarks.duplicates` prints the evidence; run it again whenever the shipped model
# changes. Model 7889b2b52a16, 553 tracks: no other pair of 152,616 lies above 0.98, except two tunes over one backing
# (0.981); of the copies, five with the same samples lie at 1.000, one made 4 dB louder at 0.992, one cut by 4 s at
# 0.977.
COPY_SIMILARITY = 0.99  # from this similarity on, the vectors alone decide
# Of 47 copies that we made, 47 lie above 0.9 as MP3 at 128 kbit/s, 43 at 64 kbit/s, 45 cut by 4 s; so do 26
# other pairs.
NAMED_COPY_SIMILARITY = 0.9  # from this similarity on, tracks with the same title and artist are duplicates
CUT_S = 10.0  # maximum difference in seconds between the lengths of two tracks with the same name

N_NEAREST = 8  # of each track, itself among them, that may be copies by vectors alone: a recording has seldom more
FEW = 256  # tracks that are all compared with each other
BLOCK = 1 << 14  # tracks whose nearest are looked for at a time
ROUNDING = 1e-6  # by which two ways of computing one similarity may differ

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


def same_recording(one: Track, other: Track, similarity: float) -> bool:
    """Return whether two tracks are copies of one recording: the same bytes, re-encoded, or slightly trimmed.

    Parameters
    ----------
    one, other
        Tracks of the catalogue, or a file beside it.
    similarity
        Cosine of their vectors.
    """
    if one.content_hash is not None and one.content_hash == other.content_hash:
        return True
    if similarity >= COPY_SIMILARITY:
        return True
    return similarity >= NAMED_COPY_SIMILARITY and _same_name(one.tags, other.tags)


def _same_name(one: Tags, other: Tags) -> bool:
    """Both have the same title and artist, and about the same length where both are known."""
    if not (one.title and one.artist):
        return False
    if normalised(one.artist) != normalised(other.artist) or normalised(one.title) != normalised(other.title):
        return False
    return one.duration_s is None or other.duration_s is None or abs(one.duration_s - other.duration_s) <= CUT_S


def number_recordings(tracks: Sequence[Track], vectors: Floats) -> Rows:
    """Give each track the number of its recording.

    Copies of copies are one recording, wherever it is asked: of A, B and C, where B is a copy of A and C one of B, all
    three share a number, though A and C alone would not.

    Parameters
    ----------
    tracks : (n_tracks,)
        Of the catalogue, or files beside it.
    vectors : (n_tracks, dim)
        Theirs, unit length.

    Returns
    -------
    recordings : (n_tracks,)
        From 0, without gaps, in the order of their first tracks; copies share a number.
    """
    copies = [*_same_contents(tracks), *_named_copies(tracks, vectors)]
    pairs = np.concatenate([np.array(copies, np.int64).reshape(-1, 2), close_pairs(vectors)])
    return join_pairs(pairs, len(tracks))


def are_among(found: Sequence[TrackVector], tracks: Sequence[Track], vectors: Floats) -> list[bool]:
    """Tell of each track that was found whether it is one of some tracks with their vectors, or a copy of one."""
    if not found or not tracks:
        return [False] * len(found)
    ids, contents = {track.track_id for track in tracks}, {track.content_hash for track in tracks} - {None}
    are = [each.track.track_id in ids or each.track.content_hash in contents for each in found]
    similarities = np.array([each.vector for each in found]) @ vectors.T
    for number, row in np.argwhere(similarities >= NAMED_COPY_SIMILARITY - ROUNDING).tolist():
        are[number] = are[number] or same_recording(tracks[row], found[number].track, float(similarities[number, row]))
    return are


def close_pairs(vectors: Floats) -> Rows:
    """Find the pairs that are copies by their vectors alone, of many among the `N_NEAREST` nearest: (n_pairs, 2)."""
    if len(vectors) <= FEW:  # as in most answers
        near = np.argwhere(vectors @ vectors.T >= COPY_SIMILARITY - ROUNDING)
        pairs = near[near[:, 0] < near[:, 1]]
    else:
        near = np.concatenate(list(_near_pairs(vectors)))
        pairs = near[near[:, 0] != near[:, 1]]
    is_copy = np.vecdot(vectors[pairs[:, 0]], vectors[pairs[:, 1]]) >= COPY_SIMILARITY
    return np.asarray(pairs[is_copy], np.int64)


def join_pairs(pairs: Rows, n: int) -> Rows:
    """Give n things numbers from 0 (n,), the same to those that pairs (n_pairs, 2) join, directly or through others."""
    first, others = np.arange(n), pairs.T  # each thing takes the first that it knows of, until all of a group know one
    while not (first[others[0]] == first[others[1]]).all():
        least = first[others].min(axis=0)
        for side in others:
            np.minimum.at(first, side, least)
        first = first[first]
    return (np.cumsum(first == np.arange(n)) - 1)[first]


def _near_pairs(vectors: Floats) -> Iterator[Rows]:
    """Find the pairs that may be copies by their vectors alone, with each track itself: (n_pairs, 2) a block."""
    for start in range(0, len(vectors), BLOCK):
        similarities, near = scan(vectors[start : start + BLOCK], vectors, min(N_NEAREST, len(vectors)))
        numbers, places = np.nonzero(similarities >= COPY_SIMILARITY - ROUNDING)
        yield np.stack([numbers + start, near[numbers, places]], axis=1)


def _same_contents(tracks: Sequence[Track]) -> Iterator[tuple[int, int]]:
    """List neighbours among the tracks of the same bytes, which join all of them."""
    known = [row for row, track in enumerate(tracks) if track.content_hash is not None]
    for rows in _alike(known, lambda row: tracks[row].content_hash):
        yield from pairwise(rows)


def _named_copies(tracks: Sequence[Track], vectors: Floats) -> Iterator[tuple[int, int]]:
    """Find the pairs of one title and artist that are copies."""
    named = [row for row, track in enumerate(tracks) if track.tags.title and track.tags.artist]
    for of_artist in _alike(named, lambda row: normalised(tracks[row].tags.artist)):
        for rows in _alike(of_artist, lambda row: normalised(tracks[row].tags.title)):
            for place, row in enumerate(rows[:-1], start=1):
                may_be = np.flatnonzero(vectors[rows[place:]] @ vectors[row] >= NAMED_COPY_SIMILARITY - ROUNDING)
                for other in (rows[place + later] for later in may_be.tolist()):
                    if same_recording(tracks[row], tracks[other], float(vectors[row] @ vectors[other])):
                        yield row, other


def _alike(rows: Iterable[int], key: Callable[[int], Hashable]) -> list[list[int]]:
    """Group the rows that share a key with another."""
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return [group for group in groups.values() if len(group) > 1]
