"""Track lookup: the track and vector for a track id, a path in the catalogue, or any audio file."""

from dataclasses import replace
from pathlib import Path

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.catalogue.paths import absolute
from audio_engine.catalogue.track import Track, TrackVector, stored_time_ns
from audio_engine.embedding.models import Models
from audio_engine.embedding.reading import content_hash_of
from audio_engine.errors import DecodeError, UnknownTrackError


def find_track(track: str | Path, catalogue: Catalogue) -> Track:
    """Find a track by its id, or by the path of its file.

    Raises
    ------
    UnknownTrackError
        When the catalogue has no such track.
    """
    by_id = catalogue.track(str(track)) if str(track).isalnum() else None
    found = by_id or catalogue.track_at(absolute(track))
    if found is None:
        raise UnknownTrackError(f"no track of the catalogue has this id or path: {track}")
    return found


def track_of_id(track_id: str, catalogue: Catalogue) -> Track:
    """Find a track by its id only; a path is not looked up.

    Raises
    ------
    UnknownTrackError
        When the catalogue has no such track.
    """
    track = catalogue.track(track_id)
    if track is None:
        raise UnknownTrackError(f"track_id must be in the catalogue, got {track_id!r}")
    return track


def look_up(track: str | Path | TrackVector, catalogue: Catalogue, models: Models) -> TrackVector:
    """Find a track with its vector; a file that is not in the catalogue, or has changed, is read and embedded.

    A `TrackVector` was looked up before and is used as it is.

    Raises
    ------
    UnknownTrackError
        When `track` is neither in the catalogue nor a file.
    DecodeError
        When it is a file that cannot be decoded.
    """
    if isinstance(track, TrackVector):
        return track
    found = track_or_file(track, catalogue)
    vector = catalogue.vector(found.track_id, models.active_id)
    if vector is not None and not has_changed(found):
        return TrackVector(track=found, vector=vector)
    try:
        read = models.decoders.read(found.path, models.mel_recipe())
    except DecodeError as error:
        raise type(error)(f"{found.path}: {error}") from error
    found = replace(found, tags=read.tags, content_hash=content_hash_of(found.path))
    return TrackVector(track=found, vector=models.active().embed(read.segments[None])[0])


def track_or_file(track: str | Path, catalogue: Catalogue) -> Track:
    """Find a track, or build the one that a file would become."""
    try:
        return find_track(track, catalogue)
    except UnknownTrackError as error:
        path = absolute(track)
        if path.is_dir():
            raise UnknownTrackError(
                f"a track must be one file or one track of the catalogue, got a folder: {track}"
            ) from error
        if not path.is_file():
            raise UnknownTrackError(f"no such file, and {error}") from error
    return Track(track_id="", path=path, status="embedded", content_hash=None, file_size=0, mtime_ns=0)


def has_changed(track: Track) -> bool:
    """Return whether a track's file differs from the one embedded; a missing file counts as unchanged."""
    try:
        status = track.path.stat()
    except OSError:
        return False
    return (status.st_size, stored_time_ns(status.st_mtime_ns)) != (track.file_size, track.mtime_ns)
