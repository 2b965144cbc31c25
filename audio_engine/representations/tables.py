"""Tables of tracks in and out: what is known of each track, and its new vector with the columns of an export."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.atomic_files import PARQUET, check_ending, whole_file
from audio_engine.cluster.export import SCHEMA
from audio_engine.plays.formats import scan_plays
from audio_engine.plays.table_files import id_text, ids_of, reading, scan_table
from audio_engine.plays.tables import match_to, read_vectors
from audio_engine.plays.track_matching import TrackNames

Floats = NDArray[np.float32]
EXPORTED = {name: kind for name, kind in SCHEMA.items() if name not in {"vector", "model_id"}}
NULLABLE = {"track_id", "path", "content_hash"}  # other text is empty where it is not known


@dataclass(frozen=True, kw_only=True, eq=False)
class KnownTracks:
    """Tracks, and what the files say of them."""

    names: TrackNames
    table: pl.DataFrame  # track (the name in a log), and the columns of both files
    audio: Floats  # (n_tracks, n_audio) unit length, zeros where there is none; n_audio is 0 without a file of vectors

    def __len__(self) -> int:
        return len(self.table)


def read_known_tracks(tracks: Path | None, vectors: Path | None, *, plays: Path | None = None) -> KnownTracks:
    """Read what is known of tracks.

    Parameters
    ----------
    tracks
        A table with ``track``, and maybe ``path`` or ``file``, and whatever is known. None: the tracks of `vectors`.
    vectors
        An export of a catalogue, or ``track`` and ``vector``: the audio vectors. Its tracks are found by any name, and
        by the paths of their files; what it says of them is taken where the table of tracks is silent.
    plays
        A play log whose tracks are taken where neither file is given.

    Raises
    ------
    FileNotFoundError, ValueError
        When a file is missing, lacks a column, or names a track twice; when a vector is not of finite numbers.
    """
    sound = read_vectors(vectors) if vectors else None
    if tracks:
        with reading(tracks):
            table = scan_table(tracks).collect()
        if "track" not in table.columns:
            raise ValueError(f"{tracks.name} must have a column 'track', got {', '.join(table.columns)}")
        table = table.with_columns(ids_of(table, "track")).drop("vector", strict=False)
        if table["track"].has_nulls() or table["track"].is_duplicated().any():
            raise ValueError(f"track of {tracks.name} must be given in every row, and once, got empty or repeated ones")
    elif sound:
        table = sound.others.with_columns(track=pl.Series(sound.names.track_ids, dtype=pl.String))
    elif plays:
        table = _tracks_of(plays)
    else:
        raise ValueError("tracks or vectors must be given, got neither")
    if sound is None:
        names, _ = match_to(table, None)
        return KnownTracks(names=names, table=table, audio=np.zeros((len(table), 0), np.float32))
    if tracks:
        names, found = match_to(table, sound.names)
    else:
        names, found = sound.names, list(range(len(table)))
    rows = pl.Series(found, dtype=pl.Int64)
    further = sound.others.with_columns(track_id=pl.Series(sound.names.track_ids, dtype=pl.String))
    further = further.select(name for name in further.columns if name not in table.columns or name == "track_id")
    table = table.drop("track_id", strict=False).hstack(further.select(pl.all().gather(rows)))
    return KnownTracks(names=names, table=table, audio=_audio(sound.vectors.gather(rows)))


def write_vectors(
    known: KnownTracks, vectors: Floats, out: Path, *, method: str, recipe: Mapping[str, Any]
) -> tuple[int, str]:
    """Write vectors with the columns that ``audio-engine export`` writes, and ``track``, the name in the log.

    Parameters
    ----------
    known
        The tracks.
    vectors : (n_tracks, dim)
        Unit length; tracks with zeros are left out.
    out
        The Parquet file; one that is there is replaced, at once and whole.
    method, recipe
        How the vectors were made: ``model_id`` is the method with a hash of both, and the recipe stands in the metadata
        of the file.

    Returns
    -------
    n_written
        Rows.
    model_id
    """
    check_ending(out, (PARQUET,))
    text = json.dumps(recipe, sort_keys=True)
    model_id = f"{method}-{hashlib.sha256(f'{method} {text}'.encode()).hexdigest()[:12]}"
    is_there = vectors.any(1)
    kept = known.table.filter(pl.Series(is_there))
    columns = [_column(kept, name, kind) for name, kind in EXPORTED.items()]
    rows = kept.select(*columns, "track").with_columns(track_id=pl.coalesce("track_id", "track"))
    rows = rows.with_columns(
        vector=pl.Series(vectors[is_there], dtype=pl.Array(pl.Float32, vectors.shape[1])), model_id=pl.lit(model_id)
    )
    with whole_file(out) as temporary:
        rows.select(*SCHEMA.names(), "track").write_parquet(temporary, metadata={"recipe": text})
    return len(rows), model_id


def unit_rows(vectors: NDArray[np.floating]) -> Floats:
    """Cut vectors to unit length; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1.0), np.float32)


def _tracks_of(plays: Path) -> pl.DataFrame:
    """List the tracks of a log."""
    with reading(plays):
        return scan_plays(plays).select(pl.col("track").drop_nulls().unique().sort()).collect(engine="streaming")


def _audio(vectors: pl.Series) -> Floats:
    """Lay vectors out as an array, zeros where there is none."""
    there = vectors.is_not_null().to_numpy()
    lengths = vectors.drop_nulls().cast(pl.List(pl.Float32)).list.len().unique().to_list()
    if len(lengths) > 1:
        raise ValueError(f"vector must be of one length, got {min(lengths)} and {max(lengths)}")
    if not lengths:
        raise ValueError("vectors must hold tracks that are in the table of tracks, got none (are they named alike?)")
    audio = np.zeros((len(vectors), lengths[0]), np.float32)
    audio[there] = vectors.drop_nulls().cast(pl.Array(pl.Float32, lengths[0])).to_numpy()
    if not np.isfinite(audio).all():
        raise ValueError("vector must be finite, got some that is not")
    return unit_rows(audio)


def _column(table: pl.DataFrame, name: str, kind: pl.DataType) -> pl.Expr:
    """Take a column of an export from the table; null, or empty text, where it has none."""
    sources = [name, "file"] if name == "path" else [name]
    source = next((known for known in sources if known in table.columns), None)
    found = (
        pl.lit(None, kind)
        if source is None
        else id_text(source, table.schema[source])
        if kind == pl.String
        else (pl.col(source).cast(kind, strict=False))
    )
    return (found.fill_null("") if kind == pl.String and name not in NULLABLE else found).alias(name)


def read_parts(files: Sequence[Path]) -> tuple[KnownTracks, list[Floats]]:
    """Read several tables of vectors of the same tracks.

    Parameters
    ----------
    files
        The first says which tracks there are; those that only others have are left out.

    Returns
    -------
    known
        The tracks of the first.
    parts
        Each (n_tracks, any), unit length; zeros where a file lacks a track.
    """
    first = read_known_tracks(None, files[0])
    parts = [first.audio]
    for file in files[1:]:
        other = read_vectors(file)
        rows: list[int | None] = [None] * len(first)
        for column in ("track", "track_id"):
            if column in first.table.columns:
                found = other.names.find(first.table[column])
                rows = [row if row is not None else new for row, new in zip(rows, found, strict=True)]
        parts.append(_audio(other.vectors.gather(pl.Series(rows, dtype=pl.Int64))))
    return first, parts
