"""Listing of the audio files that sources name, as unique URIs.

A source is a folder, a listing (a text file with a path or URI per line, or a Parquet file with a column ``uri`` or
``path``) or an audio file; local or anywhere that fsspec reaches.
"""

import logging
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import polars as pl

from audio_engine.catalogue.paths import local_path, uri_of
from audio_engine.cluster.locations import open_home, reaching
from audio_engine.decoding.file_scan import AUDIO_ENDINGS, find_audio_files

logger = logging.getLogger(__name__)

COLUMNS = ("uri", "path")  # of a Parquet listing; the first that it has is used


def list_uris(sources: Iterable[str]) -> pl.Series:
    """List the URIs to embed.

    Parameters
    ----------
    sources
        Folders, listings and audio files, by path or URI.

    Returns
    -------
    uris
        Strings, in the order of the sources, without repeats.

    Raises
    ------
    FileNotFoundError
        When a source does not exist.
    OSError
        When it cannot be reached.
    ValueError
        When a source cannot be parsed, or a listing contains a URI of an unsupported scheme.
    """
    listed = []
    for source in sources:
        with reaching(source):
            listed.append(pl.Series("uri", _uris_of(source), pl.String))
    uris = pl.concat([pl.Series("uri", [], pl.String), *listed]).unique(maintain_order=True)
    _check_schemes(uris)
    return uris


def _uris_of(source: str) -> Iterable[str]:
    """List the URIs of one source."""
    filesystem, path = open_home(source)
    is_local = local_path(source) is not None
    if not filesystem.exists(path):
        raise FileNotFoundError(2, "No such file or directory", source)
    if filesystem.isdir(path):
        if is_local:
            return map(uri_of, find_audio_files(path, on_error=_warn))
        return [filesystem.unstrip_protocol(found) for found in filesystem.find(path) if _is_sound(found)]
    if _is_sound(path):
        return [uri_of(path) if is_local else source]
    with filesystem.open(path, "rb") as file:
        content: bytes = file.read()
    if path.endswith(".parquet"):
        return _of_table(content, source)
    return _of_text(content)


def _warn(path: Path, error: OSError) -> None:
    """Log a folder that could not be listed; the scan continues."""
    logger.warning("%r cannot be listed: %s", str(path), error.strerror)


def _is_sound(path: str) -> bool:
    """Return whether a name ends like an audio file."""
    return PurePosixPath(path).suffix.lower() in AUDIO_ENDINGS


def _of_table(content: bytes, source: str) -> Iterable[str]:
    """Read a column of a Parquet file."""
    try:
        frame = pl.read_parquet(content)
        column = next(name for name in COLUMNS if name in frame.columns)
    except (pl.exceptions.PolarsError, StopIteration) as error:
        raise ValueError(f"listing must be Parquet with a column uri or path, got {source!r}") from error
    return map(_absolute, frame[column].drop_nulls().cast(pl.String))


def _of_text(content: bytes) -> Iterable[str]:
    """Read a path or URI per line; a path need not be UTF-8."""
    lines = content.decode("utf-8", "surrogateescape").split("\n")
    return [_absolute(line.rstrip("\r")) for line in lines if line.strip()]


def _absolute(line: str) -> str:
    """Make a path absolute; a URI already is."""
    return line.encode("utf-8", "replace").decode() if "://" in line else uri_of(line)


def _check_schemes(uris: pl.Series) -> None:
    """Refuse unsupported schemes early, before every worker fails on them, by trying one URI of each."""
    schemes = pl.DataFrame({"uri": uris, "scheme": uris.str.extract(r"^([^/]+://)")}).drop_nulls()
    for uri in schemes.unique("scheme")["uri"]:
        open_home(uri)
