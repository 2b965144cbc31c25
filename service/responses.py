"""Response models that several routes share, built from values of the engine."""

from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue

from audio_engine import Track
from audio_engine.catalogue.tags import one_line

EXAMPLE: dict[str, JsonValue] = {
    "track_id": "5b1f0a9c7e21",
    "title": "Winterzauber",
    "artist": "Mattias Westlund",
    "album": "Wesnoth",
    "genre": "Soundtrack",
    "year": 2012,
    "duration_s": 152.4,
    "genre_predicted": "",
    "genre_probability": None,
    "bpm": 96.2,
    "key": "Dm",
    "camelot": "7A",
    "loudness_lufs": -14.3,
    "file": "wanderer.ogg",
}


class TrackResponse(BaseModel):
    """A track: text is as its tags have it, and is to be shown as text."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    track_id: str
    title: str
    artist: str
    album: str
    genre: str
    year: int | None
    duration_s: float | None  # seconds
    genre_predicted: str  # of the catalogue's classifier; empty where there is none
    genre_probability: float | None
    bpm: float | None  # beats a minute; this and what follows is missing where it was not measured
    key: str  # as in "Am"
    camelot: str  # the same key on the Camelot wheel
    loudness_lufs: float | None  # integrated, EBU R 128
    file: str  # its name, not where it lies

    @classmethod
    def of(cls, track: Track) -> "TrackResponse":
        """Make a response of a track."""
        return cls(**track_fields(track))


def track_fields(track: Track) -> dict[str, Any]:
    """Give the fields of a `TrackResponse`: for answers of many tracks, which are written without a model of each."""
    tags, description = track.tags, track.description
    return {
        "track_id": track.track_id,
        "title": tags.title,
        "artist": tags.artist,
        "album": tags.album,
        "genre": tags.genre,
        "year": tags.year,
        "duration_s": tags.duration_s,
        "genre_predicted": track.genre_predicted,
        "genre_probability": track.genre_probability,
        "bpm": description.bpm,
        "key": description.key,
        "camelot": description.camelot,
        "loudness_lufs": description.loudness_lufs,
        "file": one_line(track.path.name),
    }
