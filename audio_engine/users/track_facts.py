"""What is known of each track that a user may prefer it for: artist, genre, language, region, sound, day of release.

Facts come from the tags in the catalogue, or, where a table of tracks has the column, from that.
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl

from audio_engine.catalogue.tag_text import main_genre
from audio_engine.catalogue.track import Track
from audio_engine.genre.genres import UNKNOWN
from audio_engine.genre.labels import spellings
from audio_engine.plays.table_files import ids_of, scan_table
from audio_engine.plays.track_matching import TrackNames

TEXTS = ("artist", "genre", "language", "region")  # facts that are text, and dimensions of a profile
DIMENSIONS = (*TEXTS, "sound", "track")  # of a profile
FACTS = pl.Schema(
    {
        "track": pl.String,  # its id
        "title": pl.String,  # null where not known
        "file": pl.String,  # its name, without the ending
        **dict.fromkeys(TEXTS, pl.String),  # null where not known
        "release_day": pl.Float64,  # days, on the calendar of the plays; null where not known
    }
)
ARTIST_KEY = "artist_key"  # the artist, in a table that has no better column


def facts_of(tracks: Sequence[Track], names: TrackNames, *, table: Path | None = None) -> pl.DataFrame:
    """Collect the facts of tracks.

    Parameters
    ----------
    tracks
        Of the catalogue.
    names
        Theirs, in the same order, those of the table among them.
    table
        ``track``, and any of ``title``, ``artist`` (or ``artist_key``), ``genre``, ``language``, ``region`` and
        ``release_day``: what it says comes before the tags.

    Returns
    -------
    facts
        With the columns of `FACTS`, a row per track.
    """
    facts = pl.DataFrame([_of_tags(track) for track in tracks], schema=FACTS, orient="row")
    if table is not None:
        facts = _improved(facts, scan_table(table).collect(), names)
    spelling = spellings(facts["genre"].drop_nulls())
    return facts.with_columns(pl.col("genre").replace(spelling)).select(*FACTS)


def of_dimension(facts: pl.DataFrame, dimension: str) -> pl.DataFrame:
    """List the tracks whose value of a dimension is known: ``track`` and ``value``."""
    return facts.select("track", value=pl.col(dimension)).drop_nulls("value")


def _of_tags(track: Track) -> tuple[object, ...]:
    """Take the facts from the tags of a track; a predicted genre stands in for one that no tag tells."""
    tags = track.tags
    predicted = "" if track.genre_predicted == UNKNOWN else track.genre_predicted
    genre = main_genre(tags.genre) or predicted
    year = tags.year if tags.year and 1 <= tags.year <= 9999 else None
    day = None if year is None else float((date(year, 7, 1) - date(1970, 1, 1)).days)  # the middle of the year
    return track.track_id, tags.title or None, track.path.stem, tags.artist or None, genre or None, None, None, day


def _improved(facts: pl.DataFrame, table: pl.DataFrame, names: TrackNames) -> pl.DataFrame:
    """Put what a table says before what is known."""
    if "track" not in table.columns:
        raise ValueError(f"tracks must have a column 'track', got {', '.join(table.columns)}")
    if "artist" in table.columns and ARTIST_KEY in table.columns:
        table = table.with_columns(artist=pl.coalesce(_text("artist"), _text(ARTIST_KEY)))
    elif ARTIST_KEY in table.columns:
        table = table.with_columns(artist=_text(ARTIST_KEY))
    rows = pl.Series("row", names.find(ids_of(table, "track")), dtype=pl.Int64)
    told = [name for name in FACTS if name in table.columns and name not in {"track", "file"}]
    better = table.select(
        rows,
        *(pl.col(name).cast(pl.Float64, strict=False) if FACTS[name] == pl.Float64 else _text(name) for name in told),
    ).rename({name: f"better {name}" for name in told})
    better = better.drop_nulls("row").unique("row", keep="first", maintain_order=True)
    joined = facts.with_row_index("row").with_columns(pl.col("row").cast(pl.Int64)).join(better, on="row", how="left")
    return joined.sort("row").with_columns(pl.coalesce(f"better {name}", name).alias(name) for name in told)


def _text(name: str) -> pl.Expr:
    """Take a column as text, null where it is empty."""
    text = pl.col(name).cast(pl.String, strict=False).str.strip_chars()
    return pl.when(text != "").then(text).alias(name)
