"""Artists in, folds out that no artist spans: who is in the test fold was never heard in training.

Tracks by an artist of their own (nobody known) that are copies of one recording still go together.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from audio_engine.catalogue.duplicates import COPY_SIMILARITY
from audio_engine.catalogue.tag_text import artist_keys

BLOCK = 1_024  # vectors compared with all others at a time: bounds memory

Integers = NDArray[np.int64]


def groups_of(artists: Sequence[str], vectors: NDArray[np.float32]) -> Integers:
    """Give one number to tracks that must not be torn apart: one artist's, and copies of one recording.

    Parameters
    ----------
    artists : (n,)
        As a tag names them: tracks that share one go together. Empty where nobody is known: such a track is a group of
        its own, but for its copies.
    vectors : (n, dim)
        Unit length; (0, dim) where copies do not count.

    Returns
    -------
    groups : (n,)
        From 0.
    """
    first_by: dict[str, int] = {}
    of_artists = [
        (row, first_by.setdefault(artist, row)) for row, names in enumerate(artists) for artist in artist_keys(names)
    ]
    ties = [np.array(of_artists, dtype=np.int64).reshape(-1, 2)]
    for start in range(0, len(vectors), BLOCK):
        copies = np.argwhere(vectors[start : start + BLOCK] @ vectors.T >= COPY_SIMILARITY)
        copies[:, 0] += start
        ties.append(copies)
    ends = np.concatenate(ties)
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(len(artists), len(artists)))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def folds_of(genres: Integers, groups: Integers, *, n_folds: int, seed: int) -> Integers:
    """Deal whole groups out to folds so that each genre is spread as evenly as they allow.

    Parameters
    ----------
    genres, groups : (n,)
        Numbered from 0.
    n_folds
        At least 2.
    seed
        Decides between groups of equal size.

    Returns
    -------
    folds : (n,)
        From 0. The largest groups are dealt first, each to the fold that holds least of the group's genres.
    """
    counts = np.zeros((groups.max() + 1, genres.max() + 1))
    np.add.at(counts, (groups, genres), 1)
    shares = counts / np.maximum(counts.sum(axis=0), 1)  # of all tracks of a genre: small genres count like large ones
    held = np.zeros((n_folds, counts.shape[1]))
    sizes = np.zeros(n_folds)
    fold_of = np.zeros(len(counts), dtype=np.int64)
    shuffled = np.random.default_rng(seed).permutation(len(counts))
    for group in shuffled[np.argsort(-shares.sum(axis=1)[shuffled], kind="stable")]:
        fold = np.lexsort((sizes, held @ shares[group]))[0]
        fold_of[group] = fold
        held[fold] += shares[group]
        sizes[fold] += counts[group].sum()
    return fold_of[groups]
