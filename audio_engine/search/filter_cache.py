"""Cache of filters: the tracks that each lets through, as rows of the index; invalid once the catalogue changes."""

import threading
from collections import OrderedDict

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.catalogue.filters import TrackFilter
from index.filters import Subset
from index.vector_index import VectorIndex

MOST_IDS = 500_000  # track ids that are kept, of all filters together: 40 MB


class FilterCache:
    """The filters that were asked for last; threads may share it."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._kept: OrderedDict[TrackFilter, Subset] = OrderedDict()
        self._state: tuple[int, int] = (0, 0)  # moment of the catalogue and identity of the index, of all that is kept
        self._lock = threading.Lock()

    def has(self, where: TrackFilter, index: VectorIndex) -> bool:
        """Return whether `subset` would answer from memory."""
        with self._lock:
            return where in self._kept and self._state == (self._catalogue.moment, id(index))

    def subset(self, where: TrackFilter, index: VectorIndex) -> Subset:
        """Give the tracks of an index that a filter lets through."""
        state = (self._catalogue.moment, id(index))
        with self._lock:
            if state != self._state:
                self._kept.clear()
                self._state = state
            if where in self._kept:
                self._kept.move_to_end(where)
                return self._kept[where]
        made = index.subset(self._catalogue.track_ids(where))
        with self._lock:
            if state == self._state:
                self._kept[where] = made
                while len(self._kept) > 1 and sum(len(each.track_ids) for each in self._kept.values()) > MOST_IDS:
                    self._kept.popitem(last=False)
        return made
