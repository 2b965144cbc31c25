"""Parquet export of the catalogue, for ranking systems: a row per track with its tags, its vector and the model's id.

Written to a temporary file and renamed, so that nobody reads a partial file. Text is UTF-8: a path that is not UTF-8 is
given as its ``file://`` URI.
"""

from io import BytesIO
from pathlib import Path

import polars as pl

from audio_engine.atomic_files import PARQUET, check_ending, write_whole
from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.catalogue.paths import uri_of
from audio_engine.catalogue.track import DIM, Track
from audio_engine.cluster.vector_table import TAG_COLUMNS

SCHEMA = pl.Schema(
    {
        "track_id": pl.String(),
        "path": pl.String(),
        **TAG_COLUMNS,
        "genre_predicted": pl.String(),
        "genre_probability": pl.Float64(),
        "bpm": pl.Float64(),  # null where it was not measured
        "key": pl.String(),  # as in "Am"; empty likewise
        "camelot": pl.String(),
        "loudness_lufs": pl.Float64(),
        "described_at": pl.String(),  # when these were measured; empty where they were not, or could not be
        "vector": pl.Array(pl.Float32, DIM),
        "model_id": pl.String(),
        "content_hash": pl.String(),  # this and the following columns let `audio-engine import` read the file
        "file_size": pl.Int64(),  # bytes
        "mtime_ns": pl.Int64(),  # nanoseconds since 1970
        "warnings": pl.String(),  # what decoding lost or mended, a line each
    }
)


def export_parquet(catalogue: Catalogue, out: Path, model_id: str) -> int:
    """Write the tracks that have a vector of a model to a Parquet file.

    Parameters
    ----------
    catalogue
        The source of tracks and vectors.
    out
        The file; an existing one is replaced atomically.
    model_id
        The model whose vectors to export.

    Returns
    -------
    n_rows
        In the order of ``track_id``. ``vector`` is a fixed-size list of ``dim`` float32.

    Raises
    ------
    OSError
        When the file cannot be written.
    ValueError
        When its name does not end in .parquet.
    """
    check_ending(out, (PARQUET,))
    track_ids, vectors = catalogue.vectors(model_id)
    tracks = {track.track_id: track for track in catalogue.tracks("embedded")}
    kept = [row for row, track_id in enumerate(track_ids) if track_id in tracks]  # may be removed between the reads
    columns = _columns([tracks[track_ids[row]] for row in kept])
    columns |= {"vector": vectors[kept], "model_id": [model_id] * len(kept)}
    table = BytesIO()  # where a disk is full, Polars would lose that word in its footer
    pl.DataFrame(columns, schema=SCHEMA).write_parquet(table)
    write_whole(out, table.getvalue())
    return len(kept)


def _columns(tracks: list[Track]) -> dict[str, object]:
    """Arrange the tracks of the catalogue in columns."""
    return {
        "track_id": [track.track_id for track in tracks],
        "path": [uri_of(track.path) for track in tracks],
        **{name: [getattr(track.tags, name) for track in tracks] for name in TAG_COLUMNS},
        "content_hash": [track.content_hash for track in tracks],
        "file_size": [track.file_size for track in tracks],
        "mtime_ns": [track.mtime_ns for track in tracks],
        "warnings": ["\n".join(track.warnings) for track in tracks],
        "genre_predicted": [track.genre_predicted for track in tracks],
        "genre_probability": [track.genre_probability for track in tracks],
        **{
            name: [getattr(track.description, name) for track in tracks]
            for name in ("bpm", "key", "camelot", "loudness_lufs")
        },
        "described_at": ["" if track.description_error else track.described_at for track in tracks],
    }
