"""Text search: tracks by words in title, artist, album, genre or path.

The catalogue indexes the names (`catalogue.names`). Where it cannot, since SQLite has no FTS5 or the catalogue can only
be read and was written without, the names of all tracks are held in memory, and each is compared with the words: some
hundredths of a second for a hundred thousand. They are read again when the catalogue changes.
"""

import threading
from collections.abc import Sequence

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.catalogue.names import rank_of


class TextSearch:
    """Finds the tracks of one catalogue by words, folded (`catalogue.names.words_of`); threads may share it."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._held: tuple[int, list[tuple[str, str]]] | None = None  # moment; id and name of each track, by path
        self._reading = threading.Lock()

    def prepare(self) -> None:
        """Index what is not indexed yet, so that the first search need not."""
        self._catalogue.names.bring_up()

    def ranked(self, words: Sequence[str], k: int) -> list[str]:
        """Find the k tracks that fit best, of those that have every word: whole words first."""
        if self._catalogue.names.bring_up():
            return self._catalogue.names.ranked(words, k)
        hits = sorted(self._with_words(words), key=lambda hit: rank_of(hit[1], words))
        return [track_id for track_id, _ in hits[:k]]

    def page(self, words: Sequence[str], *, limit: int, offset: int) -> tuple[list[str], int]:
        """List the tracks that have every word, in the order of their paths: a page of them, and how many there are."""
        if self._catalogue.names.bring_up():
            return self._catalogue.names.page(words, limit=limit, offset=offset)
        track_ids = [track_id for track_id, _ in self._with_words(words)]
        return track_ids[offset : offset + limit], len(track_ids)

    def _with_words(self, words: Sequence[str]) -> list[tuple[str, str]]:
        """Compare every name."""
        return [hit for hit in self._names() if all(word in hit[1] for word in words)]

    def _names(self) -> list[tuple[str, str]]:
        """Give the names as they are now."""
        with self._reading:
            moment = self._catalogue.moment
            if self._held is None or self._held[0] != moment:
                self._held = (moment, self._catalogue.names.all())
            return self._held[1]
