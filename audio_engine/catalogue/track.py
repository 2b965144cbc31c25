"""Values read from and written to the catalogue: frozen dataclasses, independent of the database.

A path may hold bytes that are not UTF-8 (Python represents them as lone surrogates); it is never printable text as it
is.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audio_engine.catalogue.tags import Tags
from features.description import Description

DIM = 40  # numbers in a track vector
MAX_TIME_NS = 2**63 - 1  # of the integers that SQLite, Arrow and Parquet have: 2262-04-11, 23:47:16 UTC

Status = Literal["embedded", "failed"]


def stored_time_ns(time_ns: int) -> int:
    """Give the time, in nanoseconds since 1970, by which the catalogue knows a file: the nearest that 64 bits hold.

    Python's integers have no end, and file systems keep times past 2262 (and before 1678).

    Examples
    --------
    >>> stored_time_ns(-1), stored_time_ns(9_224_318_016_000_000_000)
    (-1, 9223372036854775807)
    """
    return max(-MAX_TIME_NS, min(time_ns, MAX_TIME_NS))


@dataclass(frozen=True, kw_only=True, slots=True)
class Track:
    """A recording in the catalogue."""

    track_id: str  # hexadecimal, short, unique
    path: Path  # absolute
    tags: Tags = field(default_factory=Tags)
    status: Status
    error: str = ""  # one line; the reason of the failure
    content_hash: str | None  # of the bytes of the file; None where they could not be read
    file_size: int  # bytes
    mtime_ns: int  # nanoseconds since 1970
    embedded_at: str = ""  # ISO 8601, UTC, to the second; when it was embedded last
    genre_predicted: str = ""  # by the catalogue's classifier, maybe "unknown"; empty if not predicted
    genre_probability: float | None = None  # of that genre; None if unknown or not predicted
    warnings: tuple[str, ...] = ()  # what decoding lost or mended, a line each
    description: Description = field(default_factory=Description)
    described_at: str = ""  # as `embedded_at`; when that was measured, or failed to be; empty if it was not yet
    description_error: str = ""  # one line; why it could not be measured


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class TrackVector:
    """A track with its vector."""

    track: Track
    vector: NDArray[np.float32]  # (dim,), unit length


class KnownSound(NamedTuple):
    """What a catalogue knows of the sound of some bytes."""

    vector: NDArray[np.float32]  # (dim,), unit length
    tags: Tags
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class VectorChanges:
    """What has changed of a model's vectors since some moment."""

    stamp: str  # of the catalogue's vectors after the changes
    gone: tuple[str, ...]  # track ids that have no vector (any more)
    track_ids: tuple[str, ...]  # ascending; new ones, and those with another vector
    vectors: NDArray[np.float32]  # (n_tracks, dim), theirs, unit length


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownFile:
    """The data that shows whether a file is new, changed or unchanged; small, since there is one per track."""

    track_id: str
    file_size: int  # bytes
    mtime_ns: int  # nanoseconds since 1970
    content_hash: str | None
    status: Status
    model_ids: frozenset[str]  # the models of which it has a vector
    is_described: bool  # tempo, key and loudness were measured


@dataclass(frozen=True, kw_only=True, eq=False)
class Embedded:
    """A change to write: a file that was embedded."""

    path: Path
    content_hash: str
    file_size: int  # bytes
    mtime_ns: int  # nanoseconds since 1970
    tags: Tags
    model_id: str
    vector: NDArray[np.float32]  # (dim,), unit length
    warnings: tuple[str, ...] = ()  # what decoding lost or mended, a line each
    description: Description | None = None  # if it was measured as well; None: what is known of the same bytes stays


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A change to write: a file that could not be embedded, and why."""

    path: Path
    content_hash: str | None
    file_size: int  # bytes
    mtime_ns: int  # nanoseconds since 1970
    error: str


@dataclass(frozen=True, kw_only=True)
class Moved:
    """A change to write: a track whose file was moved, with the same bytes."""

    track_id: str
    path: Path
    file_size: int  # bytes
    mtime_ns: int  # nanoseconds since 1970


@dataclass(frozen=True, kw_only=True)
class Described:
    """A change to write: what was measured of a track's sound, or why it could not be."""

    track_id: str
    description: Description = field(default_factory=Description)
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Retagged:
    """A change to write: a track whose file got other tags, and sounds as before."""

    track_id: str
    content_hash: str
    file_size: int  # bytes
    mtime_ns: int  # nanoseconds since 1970
    tags: Tags


Change = Embedded | Failed | Moved  # of a file, by its path
Update = Described | Retagged  # of a track that the catalogue has
