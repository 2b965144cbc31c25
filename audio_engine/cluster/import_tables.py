"""Import of vector tables into a catalogue: tables that a cluster wrote, or that another catalogue exported.

A table of another model is refused before anything is written; a row that the catalogue has already, or has of a newer
file, changes nothing; a failure never removes a vector. Tempo, key and loudness come along where a table has them, also
for tracks that lack nothing else.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.catalogue.paths import catalogue_path
from audio_engine.catalogue.tags import Tags, one_line
from audio_engine.catalogue.track import Described, Embedded, Failed, KnownFile
from audio_engine.catalogue.writes import check_change
from audio_engine.cluster.vector_table import SCHEMA, TEXT_TAGS, open_part, parts_of, slices
from audio_engine.embedding.embedding import EmbedResult
from features.description import Description, key_of

PLACES = ("uri", "path")  # columns with the location of a file; the first that a table has is used
REQUIRED = ("content_hash", "vector", "model_id")
MEASURED = {"bpm": pl.Float64(), "key": pl.String(), "loudness_lufs": pl.Float64(), "described_at": pl.String()}
BATCH_ROWS = 1_000  # written together

Change = Embedded | Failed | Described


def import_tables(tables: Sequence[str], *, catalogue: Catalogue, model_id: str) -> Iterator[EmbedResult]:
    """Write the rows of tables into a catalogue.

    Parameters
    ----------
    tables
        Parquet files, or folders of them, by path or URI.
    catalogue
        The destination.
    model_id
        The model whose vectors it accepts.

    Returns
    -------
    results
        One for each row that changed the catalogue, once it is committed.

    Raises
    ------
    FileNotFoundError
        Immediately, when a table does not exist, or is a folder without a Parquet file.
    ValueError
        Immediately, when a table is damaged, lacks a column, has one of the wrong type, or holds vectors of another
        model; later, when a row lacks a required value, or its vector is not of unit length.
    """
    parts = [part for table in tables for part in _parts(table)]
    for part in parts:
        _check(part, model_id)
    return _import(parts, catalogue, model_id)


def _import(parts: list[str], catalogue: Catalogue, model_id: str) -> Iterator[EmbedResult]:
    """Write the new rows of validated files."""
    for part in parts:
        for rows in slices(open_part(part, *REQUIRED)):
            changes = _changes(rows, catalogue, model_id, part=part)
            while batch := list(islice(changes, BATCH_ROWS)):
                track_ids = catalogue.write([change for _, change in batch])
                yield from (_result(*one, track_id) for one, track_id in zip(batch, track_ids, strict=True))


def _parts(table: str) -> list[str]:
    """List the files of a table, at least one."""
    parts = parts_of(table)
    if not parts:
        raise FileNotFoundError(2, "No such Parquet file or folder of them", table)
    return parts


def _check(part: str, model_id: str) -> None:
    """Refuse a file of another model, without a location column, or with columns of wrong types."""
    rows = open_part(part, *REQUIRED)
    found = rows.collect_schema()
    if not set(PLACES) & set(found):
        raise ValueError(f"columns must include uri or path, got neither in {part!r}")
    for name, expected in {**SCHEMA, **MEASURED, **dict.fromkeys(PLACES, pl.String())}.items():
        there = found.get(name, expected)
        if there != pl.Null and _kind(there) != _kind(expected):
            raise ValueError(f"{name} must be of type {expected}, got {there} in {part!r}")
    for other in rows.select(pl.col("model_id").unique()).collect()["model_id"]:
        if other != model_id:
            raise ValueError(
                f"model_id must be that of the catalogue, {model_id}, got {other} in {part!r} "
                "(first move the catalogue: audio-engine use-model MODEL_DIR)"
            )


def _kind(dtype: pl.DataType) -> tuple[bool, bool]:
    """Classify a type as number, list or text; the width of numbers does not matter."""
    return dtype.is_numeric(), dtype.is_nested()


def _place(columns: Iterable[str]) -> str:
    """Find the column with the location of files."""
    return next(name for name in PLACES if name in columns)


def _changes(rows: pl.DataFrame, catalogue: Catalogue, model_id: str, *, part: str) -> Iterator[tuple[Path, Change]]:
    """Yield the changes in some rows of a file, with their places: a repeated row counts once."""
    place = _place(rows.columns)
    known = catalogue.files.at(catalogue_path(uri) for uri in rows[place] if uri)
    for row in rows.iter_rows(named=True):
        if not row[place]:
            raise ValueError(f"a row must have {place}, got none in {part!r}")
        change = _change(row, catalogue_path(row[place]), model_id)
        file = known.get(change.path)
        if file is None or not _is_known(change, file):
            with _naming(change.path):
                check_change(change)
            known[change.path] = _known(change)
            yield change.path, change
        elif description := _lacked_description(change, file):
            known[change.path] = replace(file, is_described=True)
            yield change.path, Described(track_id=file.track_id, description=description)


def _change(row: dict[str, Any], path: Path, model_id: str) -> Embedded | Failed:
    """Build a change from a row; missing optional columns get empty values."""
    file_size, mtime_ns = row.get("file_size") or 0, row.get("mtime_ns") or 0
    if row.get("error"):
        return Failed(
            path=path, content_hash=row["content_hash"], file_size=file_size, mtime_ns=mtime_ns, error=row["error"]
        )
    if row["vector"] is None or not row["content_hash"]:
        raise ValueError(f"a row must have vector and content_hash, or error, got none of them for {str(path)!r}")
    return Embedded(
        path=path,
        content_hash=row["content_hash"],
        file_size=file_size,
        mtime_ns=mtime_ns,
        tags=_tags(row),
        model_id=model_id,
        vector=np.array(row["vector"], np.float32),
        warnings=tuple((row.get("warnings") or "").splitlines()),
        description=_description(row, path),
    )


def _tags(row: dict[str, Any]) -> Tags:
    """Read the tags of a row; foreign text is reduced to one line."""
    texts = {name: one_line(row.get(name) or "") for name in TEXT_TAGS}
    return Tags(**texts, year=row.get("year"), duration_s=row.get("duration_s"))


def _description(row: dict[str, Any], path: Path) -> Description | None:
    """Read tempo, key and loudness of a row; None where they were not measured."""
    bpm, key, loudness_lufs = row.get("bpm"), row.get("key") or "", row.get("loudness_lufs")
    if not row.get("described_at") and bpm is None and not key and loudness_lufs is None:
        return None
    with _naming(path):
        return Description(bpm=bpm, key=key_of(key) if key else "", loudness_lufs=loudness_lufs)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Say in a refusal which row is meant."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{error} for {str(path)!r}") from error


def _lacked_description(change: Embedded | Failed, file: KnownFile) -> Description | None:
    """Return what a row says of the sound of a file that the catalogue has with these bytes and no description."""
    if isinstance(change, Failed) or file.is_described or file.content_hash != change.content_hash:
        return None
    return change.description


def _is_known(change: Embedded | Failed, file: KnownFile) -> bool:
    """Return whether the catalogue has this already, or something better: a vector, or that of a newer file."""
    if isinstance(change, Embedded):
        is_older = 0 < change.mtime_ns < file.mtime_ns
        return change.model_id in file.model_ids and (is_older or file.content_hash == change.content_hash)
    return file.status == "embedded" or file.content_hash == change.content_hash


def _known(change: Embedded | Failed) -> KnownFile:
    """Return the catalogue's record of a file after a change."""
    return KnownFile(
        track_id="",
        file_size=change.file_size,
        mtime_ns=change.mtime_ns,
        content_hash=change.content_hash,
        status="embedded" if isinstance(change, Embedded) else "failed",
        model_ids=frozenset({change.model_id}) if isinstance(change, Embedded) else frozenset(),
        is_described=True,  # by the row; a later one of the same file adds nothing
    )


def _result(path: Path, change: Change, track_id: str) -> EmbedResult:
    if isinstance(change, Failed):
        return EmbedResult(path=path, status="failed", track_id=track_id, error=change.error)
    return EmbedResult(path=path, status="embedded" if isinstance(change, Embedded) else "described", track_id=track_id)
