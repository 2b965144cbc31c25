"""The folder of a catalogue's profiles: where it is, and whether there is one, told without the libraries they need."""

from pathlib import Path

DIRECTORY = "profiles"  # in the catalogue's folder
REPORT = "profiles.json"  # in it, of the last update


def stamp_of(directory: Path) -> int:
    """Return a number that changes whenever profiles are updated; 0 if there are none."""
    try:
        return (directory / REPORT).stat().st_mtime_ns
    except FileNotFoundError:
        return 0
