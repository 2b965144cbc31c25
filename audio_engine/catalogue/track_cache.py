"""Cache of tracks with their vectors, by track id, cleared on any change of the catalogue.

It never returns stale data: one change, by any process, clears it.
"""

from collections.abc import Sequence

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.catalogue.track import TrackVector

N_KEPT = 1 << 17  # tracks, some 1.5 kB each


class TrackCache:
    """Cache of a catalogue's tracks with the vectors of one model at a time; threads may share it.

    Parameters
    ----------
    catalogue
        The source of the tracks.
    n_kept
        Maximum number of tracks; a full cache is emptied. 0: no caching.
    """

    def __init__(self, catalogue: Catalogue, n_kept: int = 0) -> None:
        self._catalogue, self.n_kept = catalogue, n_kept
        self._kept: tuple[object, dict[str, TrackVector]] = (None, {})  # (moment and model), tracks

    def track_vectors(self, track_ids: Sequence[str], model_id: str) -> dict[str, TrackVector]:
        """As `Catalogue.track_vectors`."""
        if not self.n_kept:
            return self._catalogue.track_vectors(track_ids, model_id)
        moment = (model_id, self._catalogue.moment)
        kept = self._kept
        if kept[0] != moment or len(kept[1]) > self.n_kept:
            kept = self._kept = (moment, {})
        known = kept[1]
        missing = [track_id for track_id in track_ids if track_id not in known]
        if missing:
            known |= self._catalogue.track_vectors(missing, model_id)
        return {track_id: known[track_id] for track_id in track_ids if track_id in known}
