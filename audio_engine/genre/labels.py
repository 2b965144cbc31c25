"""A catalogue, or a table of labels, in; one genre and one artist for each labelled track out.

The rule kept: spellings of one genre are one ("Hip-Hop", "hip hop"), and what says nothing ("Other") is no label.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from audio_engine.catalogue.tag_text import artist_keys, genre_key, main_genre
from audio_engine.catalogue.tags import SEPARATOR
from audio_engine.catalogue.track import Track
from audio_engine.plays.track_matching import name_catalogue

NO_ARTISTS = frozenset({"", "various", "various artists", "unknown", "unknown artist", "[unknown]"})
TRACK_COLUMNS = ("track_id", "path", "file")  # of a table of labels: what tells the track, best first
ARTIST_COLUMNS = ("artist", "artist_key")


@dataclass(frozen=True, kw_only=True)
class Label:
    """What is known of one track."""

    track_id: str
    genre: str
    artist: str  # as compared: `artist_keys`, joined as in a tag; empty where nobody is known


@dataclass(frozen=True, kw_only=True)
class Labels:
    """What a classifier may learn from."""

    source: str  # where they come from, in words
    labels: tuple[Label, ...]
    n_unlabelled: int = 0  # tracks, or rows of the table, with no genre
    n_absent: int = 0  # rows of the table whose track has no vector in the catalogue


def of_genre(tracks: Iterable[Track], genre: str) -> list[Track]:
    """Keep the tracks that are predicted to be of a genre, in whatever spelling; "unknown" is one here."""
    return [track for track in tracks if track.genre_predicted and genre_key(track.genre_predicted) == genre_key(genre)]


def labels_of_tags(tracks: Iterable[Track]) -> Labels:
    """Read the labels off the tags in the catalogue."""
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
        `genre`; if possible `artist` or `artist_key`.
    tracks
        Of the catalogue; they also say the artist where the table has no such column.
    audio
        The folder that relative paths start from; the table's own otherwise.
    table
        What else the tracks are called: see `name_catalogue`.

    Raises
    ------
    FileNotFoundError
        When the file is missing.
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
        if track.track_id not in found or not found[track.track_id][1]:  # the first row with a genre counts
            found[track.track_id] = (track.track_id, main_genre(row[genre]), who)
    return _labels(found.values(), source=str(file), n_absent=places.count(None))


def _labels(rows: Iterable[tuple[str, str, str]], *, source: str, n_absent: int = 0) -> Labels:
    """Give each genre the spelling that it has most often, and leave out what has no label."""
    rows = list(rows)
    labelled = [row for row in rows if row[1]]
    spelling = _spellings(genre for _, genre, _ in labelled)
    return Labels(
        source=source,
        labels=tuple(
            Label(track_id=track_id, genre=spelling[genre_key(genre)], artist=_artist(artist))
            for track_id, genre, artist in labelled
        ),
        n_unlabelled=len(rows) - len(labelled),
        n_absent=n_absent,
    )


def _spellings(genres: Iterable[str]) -> Mapping[str, str]:
    """Choose the spelling of each genre: the most frequent, then the first by the alphabet."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for genre in genres:
        counts[genre_key(genre)][genre] += 1
    return {key: min(names, key=lambda name: (-names[name], name)) for key, names in counts.items()}


def _artist(name: str) -> str:
    """Write artists as compared; a name that stands for nobody is left out."""
    return SEPARATOR.join(sorted(artist_keys(name) - NO_ARTISTS))


def _read(file: Path) -> pl.DataFrame:
    """Read a table; a CSV as text throughout."""
    content = file.read_bytes()
    try:
        return pl.read_csv(content, infer_schema=False) if file.suffix.lower() == ".csv" else pl.read_parquet(content)
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"labels must be a CSV or Parquet file, got {file}: {str(error).splitlines()[0]}") from error


def _as_text(table: pl.DataFrame, names: Sequence[str], file: Path) -> list[dict[str, str]]:
    """Read columns of text or numbers, row by row."""
    try:
        return table.select(pl.col(name).cast(pl.String).fill_null("") for name in names).to_dicts()
    except pl.exceptions.PolarsError as error:
        found = ", ".join(f"{name} of {table.schema[name]}" for name in names)
        raise ValueError(f"labels must hold text, one a row, got {found} in {file}") from error


def _column(table: pl.DataFrame, names: Sequence[str], file: Path) -> str:
    """Find the first of some columns that a table has."""
    for name in names:
        if name in table.columns:
            return name
    wanted = " or ".join(map(repr, names))
    raise ValueError(f"labels must have a column {wanted}, got {', '.join(table.columns)} in {file}")
