"""The dataset type that every reader returns: tracks with genres, artists and official splits."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Self


class Part(StrEnum):
    """The role of a track in an official split."""

    TRAIN = "train"
    VALID = "valid"
    TEST = "test"
    LEFT_OUT = "left out"


@dataclass(frozen=True, kw_only=True)
class GenreTrack:
    """One track of a dataset."""

    path: Path
    genres: tuple[str, ...]  # one, or any number in a multi-label dataset
    artist: str | None = None
    parts: tuple[Part, ...] = ()  # one for each official split


@dataclass(frozen=True, kw_only=True)
class GenreDataset:
    """A dataset of tracks labelled by genre.

    Raises
    ------
    ValueError
        When fewer than two genres are left.
    """

    name: str
    tracks: tuple[GenreTrack, ...]
    is_multilabel: bool = False
    notes: tuple[str, ...] = ()  # caveats about the data for readers of the result

    def __post_init__(self) -> None:
        if len(self.genres) < 2:
            raise ValueError(f"dataset must have at least two genres, got {', '.join(self.genres) or 'none'}")

    @property
    def genres(self) -> tuple[str, ...]:
        """All genres, in alphabetical order."""
        return tuple(sorted({genre for track in self.tracks for genre in track.genres}))

    @property
    def n_splits(self) -> int:
        """Number of official splits; 0 if there are none."""
        return len(self.tracks[0].parts)

    def only(self, genres: Iterable[str]) -> Self:
        """Keep the tracks of some genres.

        Raises
        ------
        ValueError
            When one of them is unknown.
        """
        selected = tuple(genres)
        if unknown := [genre for genre in selected if genre not in self.genres]:
            raise ValueError(f"genres must be among {', '.join(self.genres)}, got {unknown[0]!r}")
        kept = (
            replace(track, genres=tuple(genre for genre in track.genres if genre in selected)) for track in self.tracks
        )
        return replace(self, tracks=tuple(track for track in kept if track.genres))
