"""Genre labels of tracks, with their artists, from the catalogue's tags or from a table.

Spellings of one genre are merged ("Hip-Hop", "hip hop"), and uninformative names ("Other") are not labels.
"""

import errno
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from audio_engine.catalogue.tag_text import artist_keys, genre_key, main_genre
from audio_engine.catalogue.tags import SEPARATOR
from audio_engine.catalogue.track import Track
from audio_engine.plays.table_files import read_text_table
from audio_engine.plays.track_matching import name_catalogue

NO_ARTISTS = frozenset({"", "various", "various artists", "unknown", "unknown artist", "[unknown]"})
TRACK_COLUMNS = ("track_id", "path", "file")  # of a table of labels: how it names a track, best first
ARTIST_COLUMNS = ("artist", "artist_key")


@dataclass(frozen=True, kw_only=True)
class Label:
    """The label of one track."""

    track_id: str
    genre: str
    artist: str  # as compared: `artist_keys`, joined as in a tag; empty if unknown


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The labels to train a classifier on."""

    source: str  # the source, in words
    labels: tuple[Label, ...]
    n_unlabelled: int = 0  # tracks, or rows of the table, without a genre
    n_absent: int = 0  # rows of the table whose track has no vector in the catalogue


def labels_of_tags(tracks: Iterable[Track]) -> Labels:
    """Read the labels from the tags in the catalogue."""
    tracks = list(tracks)
    rows = [(track.track_id, main_genre(track.tags.genre), track.tags.artist) for track in tracks]
    return _labels(rows, source="the genre tags of the catalogue")


def labels_of_table(
    file: Path, tracks: Sequence[Track], *, audio: Path | None = None, table: Path | None = None
) -> Labels:
    """Read the labels from a CSV or Parquet file.

    Parameters
    ----------
    file
        Columns: `track_id`, `path` or `file`, which may hold any name of a track (`audio_engine.plays.track_matching`);
        `genre`; optionally `artist` or `artist_key`.
    tracks
        The catalogue's tracks; they also supply the artist if the table has no such column.
    audio
        The folder that relative paths start from; by default the table's own.
    table
        What else the tracks are called: see `name_catalogue`.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        When the file is missing, or is a folder.
    ValueError
        When it cannot be read, or lacks a column.
    """
    labels = _read(file)
    key = _column(labels, TRACK_COLUMNS, file)
    genre = _column(labels, ("genre",), file)
    artist = next((name for name in ARTIST_COLUMNS if name in labels.columns), None)
    names = name_catalogue(tracks, table=table, audio=audio)
    found: dict[str, tuple[str, str, str]] = {}
    rows = _as_text(labels, [name for name in (key, genre, artist) if name], file)
    places = names.find((row[key] for row in rows), start=audio or file.parent)
    for row, place in zip(rows, places, strict=True):
        if place is None:
            continue
        track = tracks[place]
        who = row[artist] if artist else track.tags.artist
        if track.track_id not in found or not found[track.track_id][1]:  # the first row with a genre is used
            found[track.track_id] = (track.track_id, main_genre(row[genre]), who)
    return _labels(found.values(), source=str(file), n_absent=places.count(None))


def _labels(rows: Iterable[tuple[str, str, str]], *, source: str, n_absent: int = 0) -> Labels:
    """Unify each genre to its most frequent spelling, and omit tracks without a label."""
    rows = list(rows)
    labelled = [row for row in rows if row[1]]
    spelling = spellings(genre for _, genre, _ in labelled)
    return Labels(
        source=source,
        labels=tuple(
            Label(track_id=track_id, genre=spelling[genre], artist=_artist(artist))
            for track_id, genre, artist in labelled
        ),
        n_unlabelled=len(rows) - len(labelled),
        n_absent=n_absent,
    )


def spellings(names: Iterable[str], *, key: Callable[[str], str] = genre_key) -> Mapping[str, str]:
    """Choose one spelling for the names that have the same key: the most frequent, then the first by the alphabet.

    Examples
    --------
    >>> spellings(["Rock", "ROCK", "Rock", "pop"])
    {'Rock': 'Rock', 'ROCK': 'Rock', 'pop': 'pop'}
    """
    counts = Counter(names)
    chosen: dict[str, str] = {}
    for name in sorted(counts, key=lambda name: (-counts[name], name)):
        chosen.setdefault(key(name) or name, name)
    return {name: chosen[key(name) or name] for name in counts}


def _artist(name: str) -> str:
    """Normalise artists for comparison; placeholder names are left out."""
    return SEPARATOR.join(sorted(artist_keys(name) - NO_ARTISTS))


def _read(file: Path) -> pl.DataFrame:
    """Read a table; a CSV as text throughout."""
    if file.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(file))
    return read_text_table(file)


def _as_text(table: pl.DataFrame, names: Sequence[str], file: Path) -> list[dict[str, str]]:
    """Read columns of text or numbers, row by row."""
    try:
        return table.select(pl.col(name).cast(pl.String).fill_null("") for name in names).to_dicts()
    except pl.exceptions.PolarsError as error:
        found = ", ".join(f"{name} of {table.schema[name]}" for name in names)
        raise ValueError(f"labels must be text, one per row, got {found} in {file}") from error


def _column(table: pl.DataFrame, names: Sequence[str], file: Path) -> str:
    """Find the first of some columns that a table has."""
    for name in names:
        if name in table.columns:
            return name
    required = " or ".join(map(repr, names))
    raise ValueError(f"labels must have a column {required}, got {', '.join(table.columns)} in {file}")
