"""Track filters: a user's conditions on tracks, translated to SQL over the catalogue's columns.

An unknown value meets no condition: a track without a year is not from 1990 or later. The exception is "not by this
artist", which holds for a track whose artist is unknown.
"""

import os
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from audio_engine.catalogue.tag_text import artist_keys, genre_key, genre_names
from features.description import key_of

SqlValue = str | bytes | float

# DISTINCT first, MATERIALIZED: our SQL function is called once for each name, not for each track.
NAMES_GENRE = """(
    genre IN (WITH names AS MATERIALIZED (SELECT DISTINCT genre AS name FROM tracks)
              SELECT name FROM names WHERE names_genre(name, ?))
    OR genre_predicted IN (WITH names AS MATERIALIZED (SELECT DISTINCT genre_predicted AS name FROM tracks)
                           SELECT name FROM names WHERE name != '' AND genre_key(name) = ?)
)"""
NOT_ARTIST = """artist NOT IN (
    WITH names AS MATERIALIZED (SELECT DISTINCT artist AS name FROM tracks)
    SELECT name FROM names WHERE shares_artist(name, ?)
)"""


@dataclass(frozen=True, kw_only=True)
class TrackFilter:
    """Conditions on the tracks in a result; None means no condition.

    Raises
    ------
    ValueError
        When a name is empty, a length is below 0, or a range is reversed.

    Examples
    --------
    >>> bool(TrackFilter(genre="ambient", year_from=1990)), bool(TrackFilter())
    (True, False)
    >>> TrackFilter(min_duration_s=300, max_duration_s=120)
    Traceback (most recent call last):
    ValueError: min_duration_s must be at most max_duration_s (120), got 300
    """

    genre: str | None = None  # one of those in the tag, or the predicted one; in any spelling
    not_artist: str | None = None  # in any case; of several, none of them
    year_from: int | None = None  # of release; this one included
    year_to: int | None = None  # this one included
    min_duration_s: float | None = None  # seconds, at least
    max_duration_s: float | None = None  # seconds, at most
    folder: str | Path | None = None  # a folder that the files lie in, however deep
    bpm_from: float | None = None  # beats a minute, as measured; this one included
    bpm_to: float | None = None  # this one included
    key: str | None = None  # as measured; in any spelling, as in "Am", "A minor" or "8A"
    embedded_from: str | None = None  # ISO 8601, UTC, to the second: embedded then or later

    def __post_init__(self) -> None:
        if self.genre is not None and not genre_key(self.genre):
            raise ValueError(f"genre must have letters or digits, got {self.genre!r}")
        if self.not_artist is not None and not artist_keys(self.not_artist):
            raise ValueError(f"not_artist must be a name, got {self.not_artist!r}")
        if self.embedded_from is not None:
            try:
                datetime.fromisoformat(self.embedded_from)
            except ValueError as error:
                raise ValueError(f"embedded_from must be ISO 8601, got {self.embedded_from!r}") from error
        if self.key is not None:
            key_of(self.key)
        for name in ("min_duration_s", "max_duration_s", "bpm_from", "bpm_to"):
            value = getattr(self, name)
            if value is not None and not value >= 0:  # written so that NaN is refused
                raise ValueError(f"{name} must be at least 0, got {value}")
        for low, high in (("year_from", "year_to"), ("min_duration_s", "max_duration_s"), ("bpm_from", "bpm_to")):
            least, most = getattr(self, low), getattr(self, high)
            if least is not None and most is not None and least > most:
                raise ValueError(f"{low} must be at most {high} ({most}), got {least}")

    def __bool__(self) -> bool:
        """Whether there is any condition."""
        return any(value is not None for value in vars(self).values())

    def to_sql(self) -> tuple[str, list[SqlValue]]:
        """Return the SQL condition on a row of ``tracks`` and its parameter values; needs `add_functions`."""
        candidates: list[tuple[str, tuple[SqlValue | None, ...]]] = [
            ("year >= ?", (self.year_from,)),
            ("year <= ?", (self.year_to,)),
            ("duration_s >= ?", (self.min_duration_s,)),
            ("duration_s <= ?", (self.max_duration_s,)),
            ("embedded_at >= ?", (self.embedded_from,)),
            ("bpm >= ?", (self.bpm_from,)),
            ("bpm <= ?", (self.bpm_to,)),
            ("key = ?", (self.key and key_of(self.key),)),
            (NAMES_GENRE, (self.genre and genre_key(self.genre),) * 2),
            (NOT_ARTIST, (self.not_artist,)),
            ("path > ? AND path < ?", (None, None) if self.folder is None else bounds_of(self.folder)),
        ]
        conditions = ["status = 'embedded'"]
        values: list[SqlValue] = []
        for condition, operands in candidates:
            known = [value for value in operands if value is not None]
            if known:
                conditions.append(condition)
                values += known
        return " AND ".join(conditions), values


def add_functions(database: sqlite3.Connection) -> None:
    """Register the SQL functions that `TrackFilter.to_sql` calls."""
    database.create_function("genre_key", 1, genre_key, deterministic=True)
    database.create_function("shares_artist", 2, _shares_artist, deterministic=True)
    database.create_function("names_genre", 2, _names_genre, deterministic=True)


def _names_genre(tag: str, key: str) -> bool:
    """Return whether a tag names a genre."""
    return any(genre_key(name) == key for name in genre_names(tag))


def _shares_artist(one: str, other: str) -> bool:
    """Tell whether two tags name an artist in common."""
    return not artist_keys(one).isdisjoint(artist_keys(other))


def bounds_of(folder: str | Path) -> tuple[bytes, bytes]:
    """Return bounds on the bytes of every path in a folder; links are not followed, as in the catalogue."""
    inside = os.fsencode(os.path.abspath(folder)).rstrip(b"/") + b"/"  # noqa: PTH100
    return inside, inside[:-1] + b"0"  # the byte after "/"
