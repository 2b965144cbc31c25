"""Tracks of a ranker, read from a table and an export of a catalogue, with their names in a log."""

from pathlib import Path

import polars as pl

from audio_engine.plays.table_files import scan_table
from audio_engine.plays.tables import VectorTable, match_to, read_vectors
from audio_engine.plays.track_matching import TrackNames, match_tracks, spelled
from audio_engine.ranking.tables import keyed

KNOWN_AS = "track of the ranker"  # the column that `match_known` adds
COLUMNS = ("track", "artist", "release_day", "vector")


def read_tracks_with_vectors(tracks: Path | None, vectors: Path | None) -> tuple[pl.DataFrame, TrackNames | None]:
    """Read the tracks: ``track, artist, release_day, vector``, as far as the files have them.

    Parameters
    ----------
    tracks
        ``track``, and optionally ``artist_key`` or ``artist``, ``release_day``, ``path`` or ``file``. None:
        the tracks of `vectors`.
    vectors
        As `read_vectors` takes it; its tracks are matched by any name, or by the path of the file.

    Returns
    -------
    table
        Those of `COLUMNS` that the files have.
    names
        The names of the tracks in a log; None if no file was given.

    Raises
    ------
    ValueError
        When a table lacks a column, or no track of the table has a vector.
    """
    sound = read_vectors(vectors) if vectors else None
    if tracks:
        table, names = _read_table(tracks, sound)
    elif sound:
        table, names = pl.DataFrame({"track": sound.names.track_ids, "vector": sound.vectors}), sound.names
    else:
        return pl.DataFrame(schema={"track": pl.String}), None
    return table.select(name for name in COLUMNS if name in table.columns), names


def match_known(table: pl.LazyFrame, names: pl.DataFrame | None) -> pl.LazyFrame:
    """Add a column `KNOWN_AS` with the ranker's track of each row of a log; unknown names are kept as they are.

    Parameters
    ----------
    table
        With a column ``track``.
    names
        ``name`` and `KNOWN_AS`, from `table_of`; None: tracks have no further names.
    """
    own = spelled("track").alias(KNOWN_AS)
    if names is None:
        return table.with_columns(own)
    return match_tracks(table, names).with_columns(pl.coalesce(KNOWN_AS, own))


def table_of(names: TrackNames) -> pl.DataFrame:
    """Arrange names in a table for `match_known`."""
    ids = pl.Series(KNOWN_AS, names.track_ids, dtype=pl.String)
    return names.rows.select("name", ids.gather(names.rows["row"]))


def _read_table(tracks: Path, sound: VectorTable | None) -> tuple[pl.DataFrame, TrackNames]:
    """Read a table of tracks, and join their vectors and the names of these."""
    table = keyed(scan_table(tracks).collect(), ("track",), name=tracks.name)
    if "artist_key" in table.columns:
        table = table.with_columns(artist=pl.col("artist_key"))
    names, rows = match_to(table, sound.names if sound else None)
    if sound:
        table = table.with_columns(vector=sound.vectors.gather(pl.Series(rows, dtype=pl.Int64)))
    return table, names
