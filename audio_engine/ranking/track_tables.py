"""What a ranker is told of tracks, by a table of them and an export of a catalogue, and what a log calls them."""

from pathlib import Path

import polars as pl

from audio_engine.catalogue.paths import catalogue_path
from audio_engine.plays.table_files import ids_of, scan_table
from audio_engine.plays.tables import VectorTable, read_vectors
from audio_engine.plays.track_matching import FILE_COLUMNS, TrackNames, match_tracks, name_tracks, spelled
from audio_engine.ranking.tables import require

KNOWN_AS = "track of the ranker"  # the column that `match_known` adds
COLUMNS = ("track", "artist", "release_day", "vector")


def read_track_table(tracks: Path | None, vectors: Path | None) -> tuple[pl.DataFrame, TrackNames | None]:
    """Read what files tell of tracks.

    Parameters
    ----------
    tracks
        ``track``, and where there are such ``artist_key`` or ``artist``, ``release_day``, ``path`` or ``file``. None:
        the tracks of `vectors`.
    vectors
        As `read_vectors` takes it; its tracks are matched by any name, or by the path of the file.

    Returns
    -------
    table
        ``track, artist, release_day, vector``, as far as the files tell.
    names
        What a log may call the tracks; None where no file was given.

    Raises
    ------
    ValueError
        When a table lacks a column, or no vector is of a track of the table.
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
    """Say in a column `KNOWN_AS` which track of a ranker each row of a log is of; an unknown name stands for itself.

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
    """Lay names out as `match_known` takes them."""
    ids = pl.Series(KNOWN_AS, names.track_ids, dtype=pl.String)
    return names.rows.select("name", ids.gather(names.rows["row"]))


def _read_table(tracks: Path, sound: VectorTable | None) -> tuple[pl.DataFrame, TrackNames]:
    """Read a table of tracks, and give them their vectors and the names that these have."""
    table = scan_table(tracks).collect()
    require(table, ("track",), name=tracks.name)
    table = table.with_columns(ids_of(table, "track"))
    if "artist_key" in table.columns:
        table = table.with_columns(artist=pl.col("artist_key"))
    where = next((name for name in FILE_COLUMNS if name in table.columns and not table[name].has_nulls()), None)
    names = name_tracks(table["track"], files=map(catalogue_path, table[where]) if where else ())
    if sound is None:
        return table, names
    rows = sound.names.find(table["track"])
    if where:
        by_file = sound.names.find(table[where])
        rows = [own if of_file is None else of_file for own, of_file in zip(rows, by_file, strict=True)]
    table = table.with_columns(vector=sound.vectors.gather(pl.Series(rows, dtype=pl.Int64)))
    return table, names.joined(sound.names, rows)
