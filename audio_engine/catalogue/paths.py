"""Paths of tracks: made absolute, and written as URIs if they are not UTF-8 or are remote."""

import os
import stat
from pathlib import Path
from urllib.parse import unquote_to_bytes

import platformdirs

LOCAL = "file://"


def absolute(track: str | Path) -> Path:
    """Make a path absolute as the catalogue stores it: links are not followed."""
    return Path(os.path.abspath(track))  # noqa: PTH100


def is_gone(path: Path) -> bool:
    """Tell whether no file is there any more; one that cannot be looked at (no permission, a dead disk) is not gone."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError as error:
        return isinstance(error, FileNotFoundError | NotADirectoryError)


def uri_of(path: str | Path) -> str:
    r"""Return the path or URI that identifies a local file.

    Examples
    --------
    >>> uri_of("/music/a b.mp3"), uri_of("/music/\udcff.mp3")
    ('/music/a b.mp3', 'file:///music/%FF.mp3')
    """
    plain = absolute(path)
    try:
        str(plain).encode()
    except UnicodeEncodeError:
        return plain.as_uri()
    return str(plain)


def local_path(uri: str) -> Path | None:
    """Return the path of a local file; None if the URI is remote."""
    if uri.startswith(LOCAL):
        return Path(os.fsdecode(unquote_to_bytes(uri.removeprefix(LOCAL))))
    return None if "://" in uri else Path(uri)


def catalogue_path(uri: str) -> Path:
    """Return the absolute path under which a catalogue stores a file, local or remote.

    Examples
    --------
    >>> print(catalogue_path("s3://bucket/album/track.mp3"))
    /s3:/bucket/album/track.mp3
    """
    return local_path(uri) or Path(f"/{uri}")


def default_directory() -> Path:
    """Return the default folder of the catalogue."""
    return platformdirs.user_data_path("audio-engine")
