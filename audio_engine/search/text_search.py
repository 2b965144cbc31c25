"""Text search: tracks by words in title, artist, album, genre or path.

The texts of all tracks are cached in memory, folded so that case, width and accents do not matter; searching a hundred
thousand takes a few hundredths of a second. They are read again when the catalogue changes.
"""

import os
import threading
import unicodedata
from dataclasses import dataclass

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.catalogue.tag_text import normalised

MAX_WORDS = 16  # of a query; what follows them is not looked at


@dataclass(frozen=True, kw_only=True)
class Names:
    """What the tracks of a catalogue are called."""

    track_ids: list[str]
    lines: list[str]  # title, artist, album, genre and path, folded, each with a blank before and after it

    def with_words(self, words: list[str]) -> list[str]:
        """List the tracks that have every word, in the order of their paths."""
        return [self.track_ids[row] for row in self._rows(words)]

    def ranked(self, words: list[str]) -> list[str]:
        """List the tracks that have every word, whole words first."""
        rows = sorted(self._rows(words), key=lambda row: _rank(self.lines[row], words))
        return [self.track_ids[row] for row in rows]

    def _rows(self, words: list[str]) -> list[int]:
        return [row for row, line in enumerate(self.lines) if all(word in line for word in words)]


class NameCache:
    """The names of one catalogue; threads may share it."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._held: tuple[tuple[int, int], Names] | None = None
        self._reading = threading.Lock()

    def current(self) -> Names:
        """Give the names as they are now."""
        with self._reading:
            state = self._catalogue.moment
            if self._held is None or self._held[0] != state:
                self._held = (state, _read_names(self._catalogue))
            return self._held[1]


def folded(text: str) -> str:
    """Write text so that case, width and accents do not count, nor the semicolons between several artists.

    Examples
    --------
    >>> folded("  Motörhead; ÉTÉ")
    'motorhead ete'
    """
    name = normalised(text.replace(";", " "))
    if name.isascii():  # most names; ten times as fast
        return name
    letters = unicodedata.normalize("NFKD", name)
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def words_of(text: str) -> list[str]:
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
