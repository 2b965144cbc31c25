"""Paths of tracks: made absolute, and matched as tables write them."""

import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from audio_engine.catalogue.track import Track


def find_by_path(tracks: Sequence[Track], start: Path) -> Callable[[str], Track | None]:
    """Look tracks up by paths, relative ones from a folder; links are followed if the plain path is unknown."""
    plain = {track.path: track for track in tracks}

    @cache
    def followed() -> dict[str, Track]:
        return {os.path.realpath(track.path): track for track in tracks}

    def find(name: str) -> Track | None:
        path = absolute(start / name)
        return plain.get(path) or followed().get(os.path.realpath(path))

    return find


def absolute(track: str | Path) -> Path:
    """Make a path absolute as the catalogue stores it: links are not followed."""
    return Path(os.path.abspath(track))  # noqa: PTH100
