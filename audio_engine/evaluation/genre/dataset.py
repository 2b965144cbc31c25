"""The dataset type that every reader returns: tracks with genres, artists and official splits."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Self

from audio_engine.catalogue.tag_text import genre_key, normalised
from audio_engine.genre.labels import spellings
from audio_engine.plays.spelling import one_spelling


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

    @classmethod
    def of_anyone(cls, name: str, tracks: Iterable[GenreTrack]) -> Self:
        """Make a dataset of what people write: spellings of one genre, or of one artist, are one; the notes say which.

        Parameters
        ----------
        name
            Of the dataset.
        tracks
            With one genre each.
        """
        written = [replace(track, genres=(one_spelling(track.genres[0]),)) for track in tracks]
        genre_of = spellings(track.genres[0] for track in written)
        artist_of = spellings((track.artist for track in written if track.artist), key=normalised)
        notes = [
            f"Spellings of one genre were put together: {shown}, also written {', '.join(map(repr, others))}."
            for shown in sorted(set(genre_of.values()))
            if (others := sorted(genre for genre, of in genre_of.items() if of == shown != genre))
        ]
        folded = (
            replace(track, genres=(genre_of[track.genres[0]],), artist=artist_of.get(track.artist or ""))
            for track in written
        )
        return cls(name=name, tracks=tuple(folded), notes=tuple(notes))

    def only(self, genres: Iterable[str]) -> Self:
        """Keep the tracks of some genres.

        Raises
        ------
        ValueError
            When one of them is unknown.
        """
        known = {genre_key(genre): genre for genre in self.genres} | {genre: genre for genre in self.genres}
        given = tuple(genres)
        wanted = [known.get(genre, known.get(genre_key(genre))) for genre in given]
        if unknown := [genre for genre, found in zip(given, wanted, strict=True) if found is None]:
            raise ValueError(f"genres must be among {', '.join(self.genres)}, got {unknown[0]!r}")
        kept = (
            replace(track, genres=tuple(genre for genre in track.genres if genre in wanted)) for track in self.tracks
        )
        return replace(self, tracks=tuple(track for track in kept if track.genres))
