"""Words in, the tracks that have them in title, artist, album, genre or path out: what a search box asks.

The names of all tracks are held in memory, folded so that case, width and accents do not count: a hundred thousand are
looked through in a few hundredths of a second. They are read again when the catalogue has changed.
"""

import os
import threading
import unicodedata
from dataclasses import dataclass

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.catalogue.tag_text import normalised
from audio_engine.catalogue.track import Track

MAX_WORDS = 16  # of a query; what follows them is not looked at


@dataclass(frozen=True, kw_only=True)
class Names:
    """What the tracks of a catalogue are called."""

    track_ids: list[str]
    lines: list[str]  # title, artist, album, genre and path, folded, each with a blank before and after it

    def rows(self, words: list[str]) -> list[int]:
        """Say which tracks have every word, in the order of their paths."""
        return [row for row, line in enumerate(self.lines) if all(word in line for word in words)]


class NameSearch:
    """Searches one catalogue by names; threads may share it."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._held: tuple[tuple[int, int], Names] | None = None
        self._reading = threading.Lock()

    def search(self, text: str, k: int) -> list[Track]:
        """Find at most k tracks that have every word; as `Exploring.search`."""
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        words = _words(text)
        if not words:
            return []
        names = self._names()
        rows = sorted(names.rows(words), key=lambda row: _rank(names.lines[row], words))
        return self._tracks(names, rows[:k])

    def page(self, text: str, *, limit: int, offset: int) -> tuple[list[Track], int]:
        """List some tracks by path that have every word, and say how many there are; as `Exploring.page`."""
        words = _words(text)
        if not words:
            return self._catalogue.page(limit=limit, offset=offset), self._catalogue.n_tracks("embedded")
        names = self._names()
        rows = names.rows(words)
        return self._tracks(names, rows[offset : offset + limit]), len(rows)

    def _tracks(self, names: Names, rows: list[int]) -> list[Track]:
        """Give the tracks of some rows, but for what has gone meanwhile."""
        tracks = (self._catalogue.track(names.track_ids[row]) for row in rows)
        return [track for track in tracks if track is not None]

    def _names(self) -> Names:
        """Give the names as they are now."""
        with self._reading:
            state = self._catalogue.moment
            if self._held is None or self._held[0] != state:
                self._held = (state, _read_names(self._catalogue))
            return self._held[1]


def folded(text: str) -> str:
    """Write text so that case, width and accents do not count.

    Examples
    --------
    >>> folded("  Motörhead ÉTÉ")
    'motorhead ete'
    """
    name = normalised(text)
    if name.isascii():  # most names; ten times as fast
        return name
    letters = unicodedata.normalize("NFKD", name)
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _words(text: str) -> list[str]:
    """Split a query into words, folded."""
    return folded(text).split()[:MAX_WORDS]


def _read_names(catalogue: Catalogue) -> Names:
    """Fold the names of all embedded tracks, in the order of their paths."""
    track_ids, lines = [], []
    for track_id, path, *tags in catalogue.names():
        parts = [*tags, os.fsdecode(path).replace("/", " / ")]
        track_ids.append(track_id)
        lines.append(" \n ".join(["", *(folded(part) for part in parts), ""]))
    return Names(track_ids=track_ids, lines=lines)


def _rank(line: str, words: list[str]) -> tuple[bool, int, int]:
    """Rank a hit: the words in a row, then whole words before beginnings and parts of words, then the earlier field."""
    whole = sum(f" {word} " in line for word in words)
    begun = sum(f" {word}" in line for word in words)
    field = line.count("\n", 0, line.index(words[0]))
    return f" {' '.join(words)}" not in line, -(2 * whole + begun), field
