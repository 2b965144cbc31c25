"""What a person calls a song in, its track and vector out: a track id, a path in the catalogue, or any audio file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audio_engine.catalogue.catalogue import Catalogue, Track
from audio_engine.catalogue.paths import absolute
from audio_engine.catalogue.track import TrackVector
from audio_engine.embedding.embedding import content_hash_of
from audio_engine.embedding.models import Models
from audio_engine.errors import DecodeError, UnknownTrackError


def find_track(song: str | Path, catalogue: Catalogue) -> Track:
    """Find a track by its id, or by the path of its file.

    Raises
    ------
    UnknownTrackError
        When the catalogue has no such track.
    """
    by_id = catalogue.track(str(song)) if str(song).isalnum() else None
    track = by_id or catalogue.track_at(absolute(song))
    if track is None:
        raise UnknownTrackError(f"song must be a track id or a path in the catalogue, got {str(song)!r}")
    return track


def look_up(song: str | Path | TrackVector, catalogue: Catalogue, models: Models) -> tuple[NDArray[np.float32], Track]:
    """Give the vector (dim,) and the track of a song; a file that the catalogue does not have as it is now is read.

    A `TrackVector` is what was looked up before: it is taken as it is.

    Raises
    ------
    UnknownTrackError
        When it is neither in the catalogue nor a file.
    DecodeError
        When it is a file that cannot be decoded.
    """
    if isinstance(song, TrackVector):
        return song.vector, song.track
    track = track_or_file(song, catalogue)
    vector = catalogue.vector(track.track_id, models.answering_id)
    if vector is not None and not _has_changed(track):
        return vector, track
    embedder = models.answering()
    try:
        read = models.decoders.read(track.path, embedder.recipe)
    except DecodeError as error:
        raise type(error)(f"{track.path}: {error}") from error
    track = replace(track, tags=read.tags, content_hash=content_hash_of(track.path))
    return embedder.embed(read.segments[None])[0], track


def track_or_file(song: str | Path, catalogue: Catalogue) -> Track:
    """Find a track, or stand in for the track that a file would be."""
    try:
        return find_track(song, catalogue)
    except UnknownTrackError:
        path = absolute(song)
        if not path.is_file():
            raise
    return Track(track_id="", path=path, status="embedded", content_hash=None, file_size=0, mtime_ns=0)


def _has_changed(track: Track) -> bool:
    """Say whether the file behind a track is another than the one embedded; one that is gone has not changed."""
    try:
        status = track.path.stat()
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) != (track.file_size, track.mtime_ns)
