"""A made catalogue, and a library that holds its tracks."""

from pathlib import Path

import pytest

from audio_engine import Engine
from tests.audio_engine.media_servers.servers import Library, song
from tests.made_catalogue import write_catalogue


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The catalogue of `engine`: 18 tracks, whose files are not there."""
    return write_catalogue(tmp_path / "catalogue", tmp_path / "music")


@pytest.fixture
def library(engine: Engine) -> Library:
    """The catalogue's tracks as a server has them, below /music, and one that the catalogue lacks."""
    songs = [
        song(
            f"{number:032x}",
            track.tags.title,
            track.tags.artist,
            album=track.tags.artist.replace("artist", "album"),
            duration=3,
            path=f"/music/{track.path.name}",
        )
        for number, track in enumerate(engine.tracks())
    ]
    return Library(
        songs=[*songs, song("f" * 32, "Nowhere else", "Nobody", album="None", duration=3, path="/music/no.flac")]
    )
