"""Cache of a catalogue's index: in memory, for large catalogues also in a file, and mended when out of date.

The catalogue is the source of truth. An index is identified, in memory and by its file name, by the model and the
catalogue's `vectors_stamp` that it was built from, and is used for these only. What has changed since then the
catalogue lists (`Catalogue.vector_changes`): the index is mended, unless that is too much. A damaged file is ignored.
"""

import logging
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.catalogue.track import Embedded
from audio_engine.embedding.models import Models
from index.files import IndexFileError, describe_file
from index.kinds import IndexDescription, Kind, kind_for
from index.recall import RecallError
from index.vector_index import VectorIndex

logger = logging.getLogger(__name__)

KEEP_FROM = 50_000  # tracks; for smaller catalogues, building an index takes unnoticeable time (docs/index.md)
MOST_CHANGED = 0.2  # share of tracks that may come and go before the index is built again
SAVE_FROM = 5_000  # changes from which on a mended index replaces its file
PATIENCE = 10  # while other processes write, a large index stays in use for this many times its build time
ABANDONED_S = 3_600.0  # age at which a half-written file is considered abandoned


@dataclass(frozen=True, kw_only=True)
class Key:
    """Identity of an index: what it was built from."""

    model_id: str
    vectors_stamp: str
    for_many: bool = False  # see `IndexCache.serve_many`

    @property
    def file_name(self) -> str:
        """The file in the catalogue's folder: no other index ever goes by this name."""
        return f"index-{self.model_id}-{self.vectors_stamp}{'-many' if self.for_many else ''}.aidx"


@dataclass(frozen=True, kw_only=True)
class Held:
    """An index in memory."""

    index: VectorIndex
    key: Key
    fresh_until: float = 0.0  # seconds, of the monotonic clock: until then it is not checked for being out of date
    may_lag: bool = False  # may answer while a newer one is being made
    n_unsaved: int = 0  # changes that its file does not have


class IndexCache:
    """The index of one catalogue; threads may share it."""

    def __init__(self, catalogue: Catalogue, models: Models) -> None:
        self._catalogue, self._models = catalogue, models
        self._directory = catalogue.path.parent
        self._held: Held | None = None
        self._making = threading.Lock()
        self._for_many = False

    def is_at_hand(self) -> bool:
        """Return whether `current` would return immediately."""
        held = self._held
        if held is None or self._making.locked():
            return False
        return self._is_fresh(held)

    def serve_many(self) -> None:
        """Prefer, from `KEEP_FROM` tracks on, an index that takes longer to build but a seventh of the time to search.

        Its recall compared with an exact index is in its description (`index_recall`, 0.99 or more).
        """
        self._for_many = True

    def current(self) -> VectorIndex:
        """Return the index: from memory, from its file, or newly built.

        Returns
        -------
        index
            Of the catalogue as it is now. Only a large one (`KEEP_FROM`) may lag behind what other processes write: for
            `PATIENCE` times as long as it took to make, and while another thread makes the next.
        """
        held = self._held
        if held is not None and self._is_fresh(held):
            return held.index
        is_ours = self._making.acquire(blocking=held is None or not self._may_lag(held))
        if not is_ours and held is not None:
            return held.index  # another thread makes the new one
        try:
            held = self._held
            if held is None or not self._is_fresh(held):
                held = self._held = self._made()
            return held.index
        finally:
            self._making.release()

    def add(self, change: Embedded) -> str:
        """Write a track to the catalogue, and add it to the index that is held, if that is up to date; its id."""
        with self._making:
            with self._catalogue.transaction():
                before = self._key()
                track_id = self._catalogue.write([change])[0]
                after = self._key()
            held = self._held
            if self._follows(before) and held and change.model_id == before.model_id and track_id not in held.index:
                held.index.add([track_id], change.vector[np.newaxis])
                self._held = replace(held, key=after, n_unsaved=held.n_unsaved + 1)
        return track_id

    def remove(self, track_id: str) -> None:
        """Take a track out of the catalogue, and out of the index that is held, if that is up to date."""
        with self._making:
            with self._catalogue.transaction():
                before = self._key()
                self._catalogue.remove([track_id])
                after = self._key()
            held = self._held
            if self._follows(before) and held:
                held.index.remove([track_id] if track_id in held.index else [])
                self._held = replace(held, key=after, n_unsaved=held.n_unsaved + 1)

    def forget(self) -> None:
        """Ask the catalogue at the next search, whatever was held: we have changed it ourselves."""
        with self._making:
            if self._held is not None:
                self._held = replace(self._held, fresh_until=0.0)

    def describe(self) -> IndexDescription | None:
        """Describe the index, unless that would mean to build a large one; None then."""
        held = self._held
        if held is not None and len(held.index) >= KEEP_FROM:  # out of date it may be
            return held.index.describe()
        kept = self._kept()
        if kept is not None:
            try:
                return replace(describe_file(kept[0]), n_tracks=self._catalogue.n_tracks("embedded"))
            except (IndexFileError, OSError) as error:
                logger.warning("index must be made again: %s", error)
        is_cheap = kind_for(self._catalogue.n_tracks("embedded")) == "exact"
        return self.current().describe() if is_cheap else None

    def _is_fresh(self, held: Held) -> bool:
        """Tell whether an index is of the model that answers and of the latest vectors, or near enough to these."""
        if held.key.model_id != self._models.active_id:
            return False
        return time.monotonic() < held.fresh_until or held.key == self._key()

    def _follows(self, before: Key) -> bool:
        """Tell whether the held index was of the catalogue right before a change; else the next search asks anew."""
        if self._held is not None and self._held.key != before:
            self._held = replace(self._held, fresh_until=0.0)
            return False
        return True

    def _may_lag(self, held: Held) -> bool:
        """Tell whether an index that is not fresh may answer until there is another."""
        return held.may_lag and held.key.model_id == self._models.active_id

    def _key(self) -> Key:
        """Say what an index of this moment would be made of."""
        stamp = self._catalogue.vectors_stamp
        return Key(model_id=self._models.active_id, vectors_stamp=stamp, for_many=self._for_many)

    def _made(self) -> Held:
        """Load the index and bring it up to date, or build and save it."""
        start_s = time.monotonic()
        held = self._mended() or self._built()
        if len(held.index) < KEEP_FROM:
            return held
        end_s = time.monotonic()
        return replace(held, fresh_until=end_s + PATIENCE * (end_s - start_s), may_lag=True)

    def _built(self) -> Held:
        """Build the index of all vectors, and save a large one."""
        model_id = self._models.active_id
        stamp, track_ids, vectors = self._catalogue.stamped_vectors(model_id)
        key = Key(model_id=model_id, vectors_stamp=stamp, for_many=self._for_many)
        index = build_index(track_ids, vectors, self._kind(len(track_ids)))
        if len(track_ids) >= KEEP_FROM:
            self._save(index, key)
        return Held(index=index, key=key)

    def _mended(self) -> Held | None:
        """Bring the index that is held or kept up to date; None where that is none, or too much has changed."""
        held = self._held
        if held is None or held.key != replace(self._key(), vectors_stamp=held.key.vectors_stamp):
            held = self._loaded()
        if held is None:
            return None
        changes = self._catalogue.vector_changes(held.key.vectors_stamp, held.key.model_id)
        if changes is None:
            return None
        index, made = held.index, held.index.describe()
        n_changed = len(changes.gone) + len(changes.track_ids)
        is_kind = made.kind == self._kind(len(index) + len(changes.track_ids))
        if not is_kind or made.n_changed + n_changed > MOST_CHANGED * len(index):
            return None
        if n_changed:
            index.update(changes.gone, changes.track_ids, changes.vectors)
        mended = replace(held, key=replace(held.key, vectors_stamp=changes.stamp), n_unsaved=held.n_unsaved + n_changed)
        if mended.n_unsaved < SAVE_FROM:
            return mended
        self._save(index, mended.key)
        return replace(mended, n_unsaved=0)

    def _kind(self, n_tracks: int) -> Kind:
        """Choose the kind of index."""
        kind = kind_for(n_tracks)
        return "inverted" if self._for_many and n_tracks >= KEEP_FROM and kind == "exact" else kind

    def _kept(self) -> tuple[Path, str] | None:
        """Find the newest file of an index, and the stamp of its vectors; None where there is none."""
        here = Key(model_id=self._models.active_id, vectors_stamp="*", for_many=self._for_many).file_name
        before, after = here.split("*")
        files = [file for file in self._directory.glob(here) if "-" not in file.name[len(before) : -len(after)]]
        newest = max(files, key=_saved_ns, default=None)
        return None if newest is None else (newest, newest.name[len(before) : -len(after)])

    def _loaded(self) -> Held | None:
        """Load the index that is kept; None where there is no file that is whole."""
        kept = self._kept()
        if kept is None:
            return None
        path, stamp = kept
        try:
            index = VectorIndex.load(path)
        except (IndexFileError, OSError) as error:
            logger.warning("index is made again from the catalogue: %s", error)
            return None
        return Held(index=index, key=Key(model_id=self._models.active_id, vectors_stamp=stamp, for_many=self._for_many))

    def _save(self, index: VectorIndex, key: Key) -> None:
        """Keep an index in place of the older ones; a full disk costs the file, not the answer."""
        path = self._directory / key.file_name
        try:
            index.save(path)
            self._clear(path)
        except OSError as error:
            logger.warning("index is not kept: %s", error)

    def _clear(self, kept: Path) -> None:
        """Take away the files of older indexes, and what a process left that was killed while it saved."""
        for file in self._directory.glob("index-*.aidx"):
            if file != kept:
                file.unlink(missing_ok=True)
        for file in self._directory.glob(".index-*.aidx.*"):
            try:
                is_abandoned = time.time() - file.stat().st_mtime > ABANDONED_S
            except FileNotFoundError:  # another process has just finished it
                continue
            if is_abandoned:
                file.unlink(missing_ok=True)


def _saved_ns(file: Path) -> int:
    """Tell when a file was written; 0 where it has gone meanwhile."""
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def build_index(track_ids: list[str], vectors: NDArray[np.float32], kind: Kind | None = None) -> VectorIndex:
    """Build a kind, or the one that the size asks for; an exact index, never wrong, if that finds too little."""
    try:
        return VectorIndex.build(track_ids, vectors, kind=kind)
    except RecallError as error:
        logger.warning("index is exact, since a faster one finds too little: %s", error)
        return VectorIndex.build(track_ids, vectors, kind="exact")
