"""Cache of tracks with their vectors, by track id, each as of a moment of the catalogue.

It never returns stale data: after one change, by any process, a track is read again when it is asked for next. Tracks
leave one at a time: to let go of all of them at once would hold up every answer for tenths of a second.
"""

from collections import OrderedDict
from collections.abc import Sequence

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.catalogue.track import TrackVector

N_KEPT = 1 << 18  # tracks, some 1.5 kB each


class TrackCache:
    """Cache of a catalogue's tracks with the vectors of one model at a time; threads may share it.

    Parameters
    ----------
    catalogue
        The source of the tracks.
    n_kept
        Maximum number of tracks; of a full cache those leave that came first. 0: no caching.
    """

    def __init__(self, catalogue: Catalogue, n_kept: int = 0) -> None:
        self._catalogue, self.n_kept = catalogue, n_kept
        self._kept: OrderedDict[str, tuple[tuple[str, int], TrackVector]] = OrderedDict()  # with model and moment

    def track_vectors(self, track_ids: Sequence[str], model_id: str) -> dict[str, TrackVector]:
        """As `Catalogue.track_vectors`."""
        if not self.n_kept:
            return self._catalogue.track_vectors(track_ids, model_id)
        state = (model_id, self._catalogue.moment)
        found: dict[str, TrackVector] = {}
        missing = []
        for track_id in track_ids:
            entry = self._kept.get(track_id)
            if entry is not None and entry[0] == state:
                found[track_id] = entry[1]
            else:
                missing.append(track_id)
        if not missing:
            return found
        read = self._catalogue.track_vectors(missing, model_id)
        self._keep(state, read)
        found |= read
        return {track_id: found[track_id] for track_id in track_ids if track_id in found}

    def _keep(self, state: tuple[str, int], read: dict[str, TrackVector]) -> None:
        """Keep tracks that were read, in place of those that came first."""
        for track_id, track_vector in read.items():
            self._kept[track_id] = (state, track_vector)
        while len(self._kept) > self.n_kept:
            self._kept.popitem(last=False)
