"""Split protocols of the genre benchmark: which tracks are for training and which for testing.

Tracks are split, never segments. `artist_filtered` keeps every artist on one side, since the sound of an artist or of a
production reveals the genre without any modelling of genre.

References
----------
E. Pampalk, A. Flexer, G. Widmer, Improvements of audio-based music similarity and genre classification, ISMIR 2005: the
    artist filter. J. S. Downie, The music information retrieval evaluation exchange, 2008: three folds, stratified.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold, StratifiedKFold

from audio_engine.evaluation.genre.choices import Protocol
from audio_engine.evaluation.genre.dataset import GenreDataset, Part

N_FOLDS = 3

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Fold:
    """Rows of the dataset's tracks."""

    train: Rows
    test: Rows
    valid: Rows | None = None  # official: settings are chosen on these, otherwise by folds inside train


def split(dataset: GenreDataset, protocol: Protocol, *, seed: int) -> list[Fold]:
    """Split a dataset.

    Parameters
    ----------
    dataset
        At least three tracks; for the official protocol one with official splits.
    protocol
        How.
    seed
        Seed of the folds of the other two.

    Raises
    ------
    ValueError
        When the dataset has no official splits, when an official split has no test tracks, or when a genre has
        fewer tracks than there are folds.
    """
    if protocol is Protocol.OFFICIAL:
        if dataset.n_splits == 0:
            raise ValueError(f"protocol must not be official: {dataset.name} has no official splits")
        return [_official(dataset, number) for number in range(dataset.n_splits)]
    rows, groups = np.zeros(len(dataset.tracks)), artist_groups(dataset, protocol)
    genres = np.array([track.genres[0] for track in dataset.tracks])
    shuffled = {"n_splits": N_FOLDS, "shuffle": True, "random_state": seed}
    folds: Iterator[tuple[Rows, Rows]]
    if dataset.is_multilabel:
        folds = GroupKFold(**shuffled).split(rows, groups=groups)
    elif protocol is Protocol.PLAIN:
        _require_enough(genres)
        folds = StratifiedKFold(**shuffled).split(rows, genres)
    else:
        _require_enough(genres)
        folds = StratifiedGroupKFold(**shuffled).split(rows, genres, groups)
    return [Fold(train=train, test=test) for train, test in folds]


def artist_groups(dataset: GenreDataset, protocol: Protocol) -> NDArray[np.int64]:
    """Return each track's group, whose tracks stay together: (n_tracks,).

    A track of unknown artist forms its own group; under the plain protocol every track does.
    """
    names = [
        f"track {number}" if track.artist is None or protocol is Protocol.PLAIN else f"artist {track.artist}"
        for number, track in enumerate(dataset.tracks)
    ]
    numbers: NDArray[np.int64] = np.unique(names, return_inverse=True)[1]
    return numbers


def warnings_of(dataset: GenreDataset, protocol: Protocol, folds: list[Fold]) -> list[str]:
    """Return the caveats of a split."""
    unknown = sum(track.artist is None for track in dataset.tracks)
    notes = []
    if protocol is Protocol.PLAIN:
        notes.append(
            "NO ARTIST FILTER (plain protocol): an artist may be on both sides, so these figures are optimistic."
        )
    elif protocol is Protocol.ARTIST_FILTERED and unknown == len(dataset.tracks):
        notes.append(
            "NO ARTIST IS KNOWN: the split could not be artist-filtered, and these figures are optimistic. "
            "Give a table with an artist column."
        )
    elif protocol is Protocol.ARTIST_FILTERED and unknown:
        notes.append(f"The artist of {unknown} of {len(dataset.tracks)} tracks is unknown: each counts as its own.")
    for number, fold in enumerate(folds, 1):
        learned = {genre for row in fold.train for genre in dataset.tracks[row].genres}
        tested = {genre for row in fold.test for genre in dataset.tracks[row].genres}
        if lost := sorted(tested - learned):
            notes.append(f"In fold {number} nothing of {', '.join(lost)} can be learned: too few artists.")
    return notes


def _official(dataset: GenreDataset, number: int) -> Fold:
    """Return one official split."""
    parts = np.array([track.parts[number] for track in dataset.tracks])
    train, valid, test = (np.flatnonzero(parts == part) for part in (Part.TRAIN, Part.VALID, Part.TEST))
    if train.size == 0 or test.size == 0:
        raise ValueError(
            f"official split {number} must have training and test tracks, got {train.size} and {test.size}"
        )
    return Fold(train=train, test=test, valid=valid if valid.size else None)


def _require_enough(genres: NDArray[np.str_]) -> None:
    names, counts = np.unique(genres, return_counts=True)
    if counts.min() < N_FOLDS:
        raise ValueError(
            f"each genre must have at least {N_FOLDS} tracks, got {counts.min()} of {names[counts.argmin()]}"
        )
