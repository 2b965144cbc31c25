"""What a service answers to `audio_engine.client`, as dataclasses."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class ServedTrack:
    """A track as returned by a service."""

    track_id: str  # empty for a file that was uploaded to be compared
    title: str
    artist: str
    album: str
    genre: str
    year: int | None
    duration_s: float | None  # seconds
    genre_predicted: str
    genre_probability: float | None
    bpm: float | None  # beats a minute; None and "" where it was not measured
    key: str  # as in "Am"
    camelot: str  # the same key on the Camelot wheel
    loudness_lufs: float | None  # integrated, EBU R 128
    file: str  # its name


@dataclass(frozen=True, kw_only=True)
class ServedNeighbour:
    """One neighbour of a query."""

    rank: int  # from 1
    similarity: float  # cosine, at most 1
    track: ServedTrack
    copies: tuple[str, ...]  # ids of the same recording


@dataclass(frozen=True, kw_only=True)
class SimilarAnswer:
    """The answer to `Client.similar`."""

    model_id: str
    seeds: tuple[ServedTrack, ...]
    neighbours: tuple[ServedNeighbour, ...]
    flags: tuple[str, ...]  # "seed_not_analysed", "too_few_results"
    unlike: tuple[ServedTrack, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ServedRecall:
    """A track for a user."""

    rank: int  # from 1
    score: float  # more is closer
    track: ServedTrack
    reasons: tuple[str, ...]  # ids of liked tracks, of its interest
    interest: int  # of the user's interests, the one it was found for: 1 is the largest


@dataclass(frozen=True, kw_only=True)
class ServedUser:
    """A user for a track."""

    rank: int  # from 1
    user: str
    similarity: float
    reasons: tuple[str, ...]  # ids of liked tracks
    method: str | None = None  # how the users' vectors were made


@dataclass(frozen=True, kw_only=True)
class ServedSpace:
    """The space of a service's vectors."""

    family: str  # kind of network
    model_id: str
    checkpoint_hash: str  # SHA-256 of the weights
    dim: int
    metric: str
    normalised: bool  # whether vectors have unit length
    preprocessing: Mapping[str, Any]  # from a sound file to what the network sees
    revision: str  # of the model files


@dataclass(frozen=True, kw_only=True)
class ScanProgress:
    """How far a scan of the server's music is."""

    state: str  # "idle", "running", "done", "stopped" or "failed"
    started_at: str | None  # ISO 8601, UTC
    finished_at: str | None
    n_to_do: int
    n_done: int
    embedded: int
    moved: int
    failed: int
    missing: int
    described: int
