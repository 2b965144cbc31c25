"""Row mapping of the catalogue's tables: the columns to read, and the values built from them."""

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from sys import intern
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio_engine.catalogue.tag_text import genre_key, genre_names
from audio_engine.catalogue.tags import Tags
from audio_engine.catalogue.track import DIM, KnownFile, KnownSound, Track, TrackVector, VectorChanges
from features.description import Description

TAG_COLUMNS = "title, artist, album, genre, year, duration_s"
FILE_COLUMNS = "status, error, content_hash, file_size, mtime_ns, embedded_at"
DESCRIPTION_COLUMNS = "bpm, key, loudness_lufs, described_at, description_error"
TRACK_COLUMNS = (
    f"track_id, path, {TAG_COLUMNS}, {FILE_COLUMNS}, genre_predicted, genre_probability, warnings, "
    f"{DESCRIPTION_COLUMNS}"
)


def track_of(row: Sequence[Any]) -> Track:
    """Build a track from a row of ``TRACK_COLUMNS``."""
    return Track(
        track_id=row[0],
        path=Path(os.fsdecode(row[1])),
        tags=tags_of(row[2:8]),
        status=intern(row[8]),  # type: ignore[arg-type]  # what many tracks share is in memory once
        error=row[9],
        content_hash=row[10],
        file_size=row[11],
        mtime_ns=row[12],
        embedded_at=intern(row[13]),
        genre_predicted=intern(row[14]),
        genre_probability=row[15],
        warnings=tuple(row[16].splitlines()),
        description=Description(bpm=row[17], key=intern(row[18]), loudness_lufs=row[19]),
        described_at=intern(row[20]),
        description_error=row[21],
    )


def tags_of(row: Sequence[Any]) -> Tags:
    """Build tags from a row of ``TAG_COLUMNS``."""
    title, artist, album, genre, year, duration_s = row
    return Tags(
        title=title,
        artist=intern(artist),
        album=intern(album),
        genre=intern(genre),
        year=year,
        duration_s=duration_s,
    )


def vector_of(vector: bytes) -> NDArray[np.float32]:
    """Read little-endian float32, writable."""
    return np.frombuffer(vector, dtype="<f4").astype(np.float32)


def meta(database: sqlite3.Connection, name: str) -> str | None:
    """Read a value of the catalogue as a whole."""
    row = database.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return row[0] if row else None


def n_tracks(database: sqlite3.Connection, status: str) -> int:
    """Count the tracks of a status; the few that failed have an index of their own."""
    n_failed = int(database.execute("SELECT count(*) FROM tracks WHERE status = 'failed'").fetchone()[0])
    if status == "failed":
        return n_failed
    return int(database.execute("SELECT count(*) FROM tracks").fetchone()[0]) - n_failed


def n_pending(database: sqlite3.Connection, model_id: str) -> int:
    """Count the embedded tracks that have no vector of a model: only embedded ones have vectors."""
    row = database.execute("SELECT n FROM n_vectors WHERE model_id = ?", (model_id,)).fetchone()
    return n_tracks(database, "embedded") - (row[0] if row else 0)


def genre_counts(database: sqlite3.Connection) -> Counter[str]:
    """Count the embedded tracks of each genre, tagged or predicted; of its spellings a common one is kept."""
    pairs = "SELECT genre, genre_predicted, count(*) FROM tracks WHERE status = 'embedded' GROUP BY 1, 2"
    counts: Counter[str] = Counter()
    spellings: dict[str, str] = {}
    for tag, predicted, n in database.execute(f"{pairs} ORDER BY 3 DESC, 1, 2"):
        names = (*genre_names(tag), *genre_names(predicted))
        for name in dict.fromkeys(spellings.setdefault(genre_key(name), name) for name in names):
            counts[name] += n
    return counts


def known_files(
    database: sqlite3.Connection, condition: str = "TRUE", values: Sequence[str | bytes] = ()
) -> dict[Path, KnownFile]:
    """Read the data that shows, for each path that meets a condition in SQL, whether its file has changed."""
    query = (
        "SELECT path, track_id, file_size, mtime_ns, content_hash, status, "
        "(SELECT group_concat(model_id, char(10)) FROM vectors WHERE vectors.track_id = tracks.track_id), "
        f"described_at != '' AND description_error = '' FROM tracks WHERE {condition} ORDER BY path"
    )
    rows = database.execute(query, values).fetchall()
    sets = {lines: frozenset(lines.splitlines()) for lines in {row[6] or "" for row in rows}}
    return {
        Path(os.fsdecode(path)): KnownFile(
            track_id=track_id,
            file_size=file_size,
            mtime_ns=mtime_ns,
            content_hash=content_hash,
            status=status,
            model_ids=sets[lines or ""],
            is_described=bool(is_described),
        )
        for path, track_id, file_size, mtime_ns, content_hash, status, lines, is_described in rows
    }


def vector_changes(database: sqlite3.Connection, since: str, model_id: str) -> VectorChanges | None:
    """Read which vectors of a model have changed since a stamp, as they are now; None where that is not listed."""
    found = database.execute(
        "SELECT number FROM vector_changes WHERE stamp = ? ORDER BY number DESC LIMIT 1", (since,)
    ).fetchone()
    if found is None:
        return None
    changed = "SELECT DISTINCT track_id FROM vector_changes WHERE number > ? AND model_id = ?"
    track_ids = [row[0] for row in database.execute(changed, (found[0], model_id))]
    query = f"SELECT track_id, vector FROM vectors WHERE model_id = ? AND track_id IN ({changed}) ORDER BY track_id"
    rows = database.execute(query, (model_id, found[0], model_id)).fetchall()
    there = {row[0] for row in rows}
    return VectorChanges(
        stamp=meta(database, "vectors_stamp") or "",
        gone=tuple(track_id for track_id in track_ids if track_id not in there),
        track_ids=tuple(row[0] for row in rows),
        vectors=vector_of(b"".join(row[1] for row in rows)).reshape(-1, DIM),
    )


def track_vectors(database: sqlite3.Connection, track_ids: Sequence[str], model_id: str) -> dict[str, TrackVector]:
    """Read tracks with their vectors from one model, by id, in one query."""
    query = (
        f"SELECT {TRACK_COLUMNS}, vector FROM tracks JOIN vectors USING (track_id) "
        "WHERE model_id = ? AND track_id IN (SELECT value FROM json_each(?))"
    )
    rows = database.execute(query, (model_id, json.dumps(list(track_ids)))).fetchall()
    vectors = vector_of(b"".join(row[-1] for row in rows)).reshape(-1, DIM)
    return {row[0]: TrackVector(track=track_of(row), vector=vector) for row, vector in zip(rows, vectors, strict=True)}


def vector_of_content(database: sqlite3.Connection, content_hash: str, model_id: str) -> KnownSound | None:
    """Read the vector that a model made of these bytes, the tags and the warnings, from any track that has them."""
    query = (
        f"SELECT vector, warnings, {TAG_COLUMNS} "
        "FROM tracks JOIN vectors USING (track_id) WHERE content_hash = ? AND model_id = ? LIMIT 1"
    )
    row = database.execute(query, (content_hash, model_id)).fetchone()
    return KnownSound(vector_of(row[0]), tags_of(row[2:]), tuple(row[1].splitlines())) if row else None
