"""Reading one sound file for the encoder, unless the catalogue knows its bytes; a file that fails says why."""

import hashlib
import logging
import stat
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.catalogue.paths import is_gone
from audio_engine.catalogue.tags import one_line
from audio_engine.catalogue.track import Change, Embedded, Failed, Moved
from audio_engine.decoding.audio_file import SoundRead
from audio_engine.decoding.pool import DecoderPool
from audio_engine.errors import CatalogueError
from features.decode_errors import DecodeError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Sound:
    """A file that has been read and waits for the encoder."""

    path: Path
    content_hash: str
    file_size: int
    mtime_ns: int
    read: SoundRead


@dataclass(frozen=True, kw_only=True)
class Gone:
    """A file that was deleted or renamed before it was read, which is no failure."""

    path: Path


Outcome = Change | Sound  # of reading one file that is there


class FileReading:
    """Reads one file at a time in each of several threads: a copy or a moved file is known by its bytes."""

    def __init__(self, catalogue: Catalogue, *, model_id: str, pool: DecoderPool, force: bool) -> None:
        self._catalogue, self._model_id, self._pool, self._force = catalogue, model_id, pool, force
        self._moved: set[str] = set()  # ids of tracks whose file was found elsewhere
        self._lock = Lock()

    def read(self, path: Path) -> Outcome | Gone:
        """Read a file, unless its bytes are known; whatever it makes fail is a change to be written like any other."""
        content_hash, size, mtime_ns = None, 0, 0
        try:
            status = path.stat()
            size, mtime_ns = status.st_size, status.st_mtime_ns
            if not stat.S_ISREG(status.st_mode):
                raise DecodeError("it is not a regular file")
            content_hash = content_hash_of(path)
            known = None if self._force else self._by_content(path, content_hash, size=size, mtime_ns=mtime_ns)
            if known:
                return known
            sound = self._pool.read(path)
            after = path.stat()
            if (after.st_size, after.st_mtime_ns) != (size, mtime_ns):
                raise DecodeError("it changed while it was read")
        except CatalogueError:
            raise
        except Exception as error:  # noqa: BLE001  (a strange file must not stop a run over a million others)
            if is_gone(path):
                return Gone(path=path)
            reason = reason_of(error, path)
            return Failed(path=path, content_hash=content_hash, file_size=size, mtime_ns=mtime_ns, error=reason)
        return Sound(path=path, content_hash=content_hash, file_size=size, mtime_ns=mtime_ns, read=sound)

    def _by_content(self, path: Path, content_hash: str, *, size: int, mtime_ns: int) -> Change | None:
        """Find the vector of these bytes in the catalogue: of a track whose file moved here, or of a copy."""
        moved = None if self._catalogue.files.at([path]) else self._take_gone(content_hash)
        if moved:
            return Moved(track_id=moved, path=path, file_size=size, mtime_ns=mtime_ns)
        known = self._catalogue.vector_of_content(content_hash, self._model_id)
        if known is None:
            return None
        vector, tags, warnings = known
        return Embedded(
            path=path,
            content_hash=content_hash,
            file_size=size,
            mtime_ns=mtime_ns,
            tags=tags,
            model_id=self._model_id,
            vector=vector,
            warnings=warnings,
        )

    def _take_gone(self, content_hash: str) -> str | None:
        """Find a track of these bytes whose file is no longer there, and return its id; each is taken once."""
        for path, file in self._catalogue.files.of_content(content_hash, self._model_id).items():
            with self._lock:
                if file.track_id not in self._moved and is_gone(path):
                    self._moved.add(file.track_id)
                    return file.track_id
        return None


def content_hash_of(path: Path) -> str:
    """Hash all bytes of a file (BLAKE2b, 128 bits, hexadecimal)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def failed(change: Sound | Change, error: Exception) -> Failed:
    """Make a failure of what was read of a file."""
    content_hash = None if isinstance(change, Moved) else change.content_hash
    return Failed(
        path=change.path,
        content_hash=content_hash,
        file_size=change.file_size,
        mtime_ns=change.mtime_ns,
        error=reason_of(error, change.path),
    )


def reason_of(error: Exception, path: Path) -> str:
    """Say in one line why a file failed; what was not foreseen is logged with its traceback."""
    if isinstance(error, DecodeError):
        return one_line(str(error))
    if isinstance(error, FileNotFoundError) and path.is_symlink():
        return "it is a link to a file that is not there"
    if isinstance(error, OSError):
        return one_line(error.strerror or str(error))
    logger.debug("%r could not be embedded", path, exc_info=error)
    return one_line(f"{type(error).__name__}: {error}")
