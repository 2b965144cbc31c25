"""A catalogue in, what a person looks at out: the parts of this room behind one face, as `Engine.exploring`."""

from pathlib import Path

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.catalogue.track import Track
from audio_engine.embedding.models import Models
from audio_engine.embedding.track_lookup import track_or_file
from audio_engine.search.catalogue_map import CatalogueMap, MapCache
from audio_engine.search.explanation import Match, Matching
from audio_engine.search.file_cache import FileMemory
from audio_engine.search.text_search import NameSearch
from features.peaks import Peaks

N_WAVEFORMS = 2_048  # outlines that are remembered, 2.4 kB each


class Exploring:
    """Ways to look at one catalogue; a track is a track id, or the path of any audio file."""

    def __init__(self, catalogue: Catalogue, models: Models) -> None:
        self._catalogue, self._decoders = catalogue, models.decoders
        self._matching = Matching(catalogue, models)
        self._map = MapCache(catalogue, models)
        self._names = NameSearch(catalogue)
        self._waveforms: FileMemory[Peaks] = FileMemory(N_WAVEFORMS)

    def explain(self, query: str | Path, neighbour: str | Path) -> Match:
        """Say which seconds of two tracks sound most alike, of the segments that their vectors are made of.

        Parameters
        ----------
        query, neighbour
            Tracks. Both files are read, unless they were lately.

        Raises
        ------
        UnknownTrackError, DecodeError
            When a track is neither in the catalogue nor a file; when a file cannot be decoded, or is not there any
            more.
        """
        return self._matching.explain(query, neighbour)

    def waveform(self, track: str | Path) -> Peaks:
        """Outline a track for drawing; errors as `explain`."""
        return self._waveforms.get(track_or_file(track, self._catalogue).path, self._decoders.outline)

    def map(self) -> CatalogueMap:
        """Lay out the catalogue in the plane: once, then it is kept, and new tracks find their places on it."""
        return self._map.current()

    def search(self, text: str, k: int = 20) -> list[Track]:
        """Find at most k tracks with every word in title, artist, album, genre or path; whole words come first."""
        return self._names.search(text, k)

    def page(self, text: str = "", *, limit: int, offset: int = 0) -> tuple[list[Track], int]:
        """List some embedded tracks by path, past so many, of those that `search` finds; and how many there are.

        A text without words stands for all tracks.
        """
        return self._names.page(text, limit=limit, offset=offset)
