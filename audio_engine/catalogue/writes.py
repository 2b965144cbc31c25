"""Writes to the catalogue: the SQL behind ``Catalogue.write``, run inside its transaction."""

import hashlib
import os
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import numpy as np

from audio_engine.catalogue.rows import meta, n_pending
from audio_engine.catalogue.tags import one_line
from audio_engine.catalogue.track import (
    DIM,
    Change,
    Described,
    Embedded,
    Failed,
    Moved,
    Retagged,
    Update,
    stored_time_ns,
)
from audio_engine.errors import UnknownTrackError

ID_BYTES = 6  # of a track id: 12 hexadecimal digits
CHANGES_LISTED = 50_000  # the newest of the vectors' changes that are kept, 80 bytes each
UNIT_TOLERANCE = 1e-3  # how far the length of a vector may be from 1


def check_change(change: Change | Update) -> None:
    """Validate a change before it is written.

    Raises
    ------
    ValueError
        When the path is not absolute, or the vector is not ``(dim,)`` of unit length.
    """
    if isinstance(change, Described | Retagged):
        return
    if not change.path.is_absolute():
        raise ValueError(f"path must be absolute, got {str(change.path)!r}")
    if isinstance(change, Embedded):
        if change.vector.shape != (DIM,):
            raise ValueError(f"vector must have shape ({DIM},), got {change.vector.shape}")
        length = float(np.linalg.norm(change.vector))
        if not abs(length - 1) <= UNIT_TOLERANCE:  # written so that NaN is refused
            raise ValueError(f"vector must have unit length, got {length:g}")


def write_changes(database: sqlite3.Connection, changes: Sequence[Change | Update]) -> list[str]:
    """Write validated changes in order; returns the track id of each.

    Raises
    ------
    UnknownTrackError
        When a moved track is not in the catalogue.
    """
    _lift(database, [change.track_id for change in changes if isinstance(change, Moved)])
    track_ids = [_write_one(database, change) for change in changes]
    database.execute(
        "DELETE FROM vector_changes WHERE number <= (SELECT max(number) FROM vector_changes) - ?", (CHANGES_LISTED,)
    )
    return track_ids


def set_model(database: sqlite3.Connection, model_id: str) -> None:
    """Set the model: the first becomes active at once, a later one when the move to it is finished."""
    active = meta(database, "model_id")
    database.execute("DELETE FROM meta WHERE name = 'wanted_model_id'")
    if active != model_id:
        name = "model_id" if active is None else "wanted_model_id"
        database.execute("INSERT INTO meta (name, value) VALUES (?, ?)", (name, model_id))


def finish_model_change(database: sqlite3.Connection) -> bool:
    """Make the target model active and drop the older vectors; False if tracks still wait or there is no target."""
    target = meta(database, "wanted_model_id")
    if target is None or n_pending(database, target):
        return False
    database.execute("UPDATE meta SET value = ? WHERE name = 'model_id'", (target,))
    database.execute("DELETE FROM meta WHERE name = 'wanted_model_id'")
    database.execute("DELETE FROM vectors WHERE model_id != ?", (target,))
    return True


def _lift(database: sqlite3.Connection, track_ids: Sequence[str]) -> None:
    """Free the paths of moved tracks first, so that a chain of renames (1 to 2, 2 to 3) never meets a taken path."""
    for track_id in track_ids:
        nowhere = b"\0" + track_id.encode()  # no file can have this name
        if database.execute("UPDATE tracks SET path = ? WHERE track_id = ?", (nowhere, track_id)).rowcount == 0:
            raise UnknownTrackError(f"track_id must be in the catalogue, got {track_id!r}")


def _write_one(database: sqlite3.Connection, change: Change | Update) -> str:
    """Write one change of any kind."""
    match change:
        case Embedded():
            return _write_embedded(database, change)
        case Failed():
            return _write_failed(database, change)
        case Moved():
            return _write_moved(database, change)
        case Described():
            return _write_described(database, change)
        case Retagged():
            return _write_retagged(database, change)


def _write_embedded(database: sqlite3.Connection, change: Embedded) -> str:
    """Write the row and the vector; other data from the same bytes (other models' vectors, the genre) stays."""
    track_id = _track_id(database, change.path, change.content_hash)
    has_changed = "SELECT 1 FROM tracks WHERE track_id = ? AND content_hash IS NOT ?"
    if database.execute(has_changed, (track_id, change.content_hash)).fetchone():
        _forget_sound(database, track_id)
    _upsert(
        database,
        track_id=track_id,
        path=os.fsencode(change.path),
        content_hash=change.content_hash,
        file_size=change.file_size,
        mtime_ns=stored_time_ns(change.mtime_ns),
        status="embedded",
        error="",
        embedded_at=_now(),
        **asdict(change.tags),
        warnings="\n".join(map(one_line, change.warnings)),
    )
    vector = np.ascontiguousarray(change.vector, dtype="<f4").tobytes()
    database.execute(
        "INSERT INTO vectors VALUES (?, ?, ?) ON CONFLICT (track_id, model_id) DO UPDATE SET vector = excluded.vector",
        (track_id, change.model_id, vector),
    )
    if change.description is not None:
        _write_described(database, Described(track_id=track_id, description=change.description))
    return track_id


def _write_failed(database: sqlite3.Connection, change: Failed) -> str:
    """Write the row; the track's other data stays, except what was derived from its audio."""
    track_id = _track_id(database, change.path, change.content_hash)
    _forget_sound(database, track_id)
    _upsert(
        database,
        track_id=track_id,
        path=os.fsencode(change.path),
        content_hash=change.content_hash,
        file_size=change.file_size,
        mtime_ns=stored_time_ns(change.mtime_ns),
        status="failed",
        error=one_line(change.error),
    )
    return track_id


def _write_moved(database: sqlite3.Connection, change: Moved) -> str:
    """Move the track to the new path of its file, replacing any track there."""
    path = os.fsencode(change.path)
    database.execute("DELETE FROM tracks WHERE path = ?", (path,))
    database.execute(
        "UPDATE tracks SET path = ?, file_size = ?, mtime_ns = ? WHERE track_id = ?",
        (path, change.file_size, stored_time_ns(change.mtime_ns), change.track_id),
    )
    return change.track_id


def _write_described(database: sqlite3.Connection, change: Described) -> str:
    """Write what was measured; a track that has been taken out meanwhile stays out."""
    row = {**asdict(change.description), "described_at": _now(), "description_error": one_line(change.error)}
    _update(database, change.track_id, **row)
    return change.track_id


def _write_retagged(database: sqlite3.Connection, change: Retagged) -> str:
    """Write the file's new bytes and tags; what is known of its sound stays."""
    _update(
        database,
        change.track_id,
        content_hash=change.content_hash,
        file_size=change.file_size,
        mtime_ns=stored_time_ns(change.mtime_ns),
        **asdict(change.tags),
    )
    return change.track_id


def _forget_sound(database: sqlite3.Connection, track_id: str) -> None:
    """Delete all data derived from a track's audio: the audio changed, or cannot be read."""
    database.execute("DELETE FROM vectors WHERE track_id = ?", (track_id,))
    database.execute(
        "UPDATE tracks SET genre_predicted = '', genre_probability = NULL, warnings = '', bpm = NULL, key = '', "
        "loudness_lufs = NULL, described_at = '', description_error = '' WHERE track_id = ?",
        (track_id,),
    )


def _upsert(database: sqlite3.Connection, **row: str | bytes | float | None) -> None:
    """Insert a row, or update the given columns of a known track."""
    columns = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    updates = ", ".join(f"{name} = excluded.{name}" for name in row)
    database.execute(
        f"INSERT INTO tracks ({columns}) VALUES ({values}) ON CONFLICT (track_id) DO UPDATE SET {updates}", row
    )


def _update(database: sqlite3.Connection, track_id: str, **row: str | float | None) -> None:
    """Update the given columns of a track."""
    updates = ", ".join(f"{name} = :{name}" for name in row)
    database.execute(f"UPDATE tracks SET {updates} WHERE track_id = :track_id", {**row, "track_id": track_id})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _track_id(database: sqlite3.Connection, path: Path, content_hash: str | None) -> str:
    """Find the id of a known path, or derive one from the content (from the path if the content is unreadable)."""
    known = database.execute("SELECT track_id FROM tracks WHERE path = ?", (os.fsencode(path),)).fetchone()
    if known:
        return str(known[0])
    seed = content_hash.encode() if content_hash else os.fsencode(path)
    candidates = (hashlib.blake2b(seed, digest_size=ID_BYTES, salt=n.to_bytes(16)).hexdigest() for n in count())
    return next(candidate for candidate in candidates if not _is_taken(database, candidate))


def _is_taken(database: sqlite3.Connection, track_id: str) -> bool:
    """Return whether a track has this id already: usually a duplicate of the same content."""
    return database.execute("SELECT 1 FROM tracks WHERE track_id = ?", (track_id,)).fetchone() is not None
