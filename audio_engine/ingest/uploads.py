"""Uploads: sound files sent by clients, which the catalogue stores itself and adds as tracks.

Only files in the catalogue's own folder of uploads are ever deleted. Each is named by the hash of its bytes. It is
stored before the catalogue refers to it, and deleted after the catalogue has removed it: a killed process leaves at
worst an unused file, which uploading the same bytes again replaces.
"""

import os
import threading
import time
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.catalogue.paths import absolute
from audio_engine.catalogue.tags import Tags, one_line
from audio_engine.catalogue.track import Embedded, Track
from audio_engine.decoding.file_scan import AUDIO_ENDINGS
from audio_engine.embedding.models import Models
from audio_engine.embedding.reading import content_hash_of
from audio_engine.embedding.track_lookup import track_of_id
from audio_engine.errors import CatalogueError, DuplicateTrackError
from audio_engine.genre.genres import Genres
from audio_engine.search.index_cache import IndexCache

FOLDER = "uploads"  # in the catalogue's folder
ABANDONED_S = 3_600.0  # age of a file on its way whose process must have died
INCOMING = "incoming"  # in that: what is still on its way; on the same disk, so that it need not be copied


class Uploads:
    """The files that one catalogue keeps itself."""

    def __init__(self, catalogue: Catalogue, models: Models, genres: Genres, index_cache: IndexCache) -> None:
        self._catalogue, self._models, self._genres, self._index_cache = catalogue, models, genres, index_cache
        self.folder = absolute(catalogue.path.parent) / FOLDER
        self._adding = threading.Lock()

    @cached_property
    def incoming(self) -> Path:
        """Where files on their way lie; in the system's temporary folder where the catalogue can only be read."""
        if os.access(self.folder.parent, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
            return self.folder / INCOMING
        return Path(mkdtemp(prefix="audio-engine-"))

    def add(self, file: Path, *, name: str = "") -> Track:
        """Take a file into the catalogue: it is moved into the folder of uploads.

        Parameters
        ----------
        file
            Best in `incoming`; on another disk it cannot be.
        name
            What its sender calls it: the title of a file whose tags have none; its ending is kept.

        Raises
        ------
        DuplicateTrackError
            When a track has these bytes already.
        DecodeError
            When it cannot be decoded.
        OSError, CatalogueError
            When the disk is full, or the catalogue cannot be written; nothing is kept then.
        """
        self._catalogue.check_writable()
        content_hash = content_hash_of(file)
        self._refuse_known(content_hash)
        self._models.keep_target()
        sound = self._models.decoders.read(file, self._models.mel_recipe())
        embedder = self._models.active()
        vector = embedder.embed(sound.segments[None])[0]
        with self._adding:
            self._refuse_known(content_hash)
            path = self._keep(file, content_hash, name)
            status = path.stat()
            change = Embedded(
                path=path,
                content_hash=content_hash,
                file_size=status.st_size,
                mtime_ns=status.st_mtime_ns,
                tags=_titled(sound.tags, name),
                model_id=embedder.model_id,
                vector=vector,
                warnings=sound.warnings,
            )
            try:
                track_id = self._index_cache.add(change)
            except (OSError, CatalogueError):  # a full disk, a catalogue that cannot be written: nobody will ask for it
                path.unlink(missing_ok=True)
                raise
        self._genres.fill()
        return track_of_id(track_id, self._catalogue)

    def remove(self, track_id: str) -> Track:
        """Take a track out of the catalogue, whose file is deleted if it was brought in by `add`.

        Raises
        ------
        UnknownTrackError
            When the catalogue has no such track.
        """
        with self._adding:
            track = track_of_id(track_id, self._catalogue)
            self._index_cache.remove(track_id)
            if track.path.is_relative_to(self.folder):
                track.path.unlink(missing_ok=True)
        return track

    def clear_abandoned(self) -> None:
        """Delete what processes left in `incoming` that were killed."""
        for file in (self.folder / INCOMING).glob("*"):
            try:
                if time.time() - file.stat().st_mtime > ABANDONED_S:
                    file.unlink()
            except OSError:  # whose it was has just moved or deleted it; a catalogue that can only be read
                continue

    def _refuse_known(self, content_hash: str) -> None:
        known = self._catalogue.track_of_content(content_hash)
        if known is not None:
            raise DuplicateTrackError(f"file must be new to the catalogue, got the bytes of track {known!r}")

    def _keep(self, file: Path, content_hash: str, name: str) -> Path:
        """Move a file to its place, all its bytes on the disk."""
        ending = Path(name).suffix.lower()
        folder = self.folder / content_hash[:2]
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / (content_hash + (ending if ending in AUDIO_ENDINGS else ""))
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
        file.replace(path)
        return path


def _titled(tags: Tags, name: str) -> Tags:
    """Let a track without a title go by the name of its file."""
    return tags if tags.title else replace(tags, title=one_line(Path(name).stem))
