"""Formats of public play logs, each converted to the columns of `audio_engine.plays.scanning`.

A pair of user and track with a play count becomes that many plays. Columns that a log does not record are null.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Literal, get_args

import polars as pl
import polars.selectors as cs

from audio_engine.plays.scanning import PlayColumns, name_columns
from audio_engine.plays.table_files import reading, scan_parts, scan_table

LISTENBRAINZ_COLUMNS = ("user_id", "user_name", "listened_at", "timestamp", "recording_mbid", "recording_msid")
Layout = Literal["named", "yambda", "lfm2b", "music4all-onion", "taste-profile", "listenbrainz"]


def scan_plays(path: str | Path, *, layout: Layout = "named", columns: PlayColumns | None = None) -> pl.LazyFrame:
    """Open a play log without reading it.

    Parameters
    ----------
    path
        The file, or a folder of Parquet files.
    layout
        ``named`` takes the columns by their names; the others are those of a public log.
    columns
        What the columns of a ``named`` log are called.

    Returns
    -------
    plays
        With the columns of `audio_engine.plays.scanning.PLAY_SCHEMA`.

    Raises
    ------
    ValueError
        When the layout is not known, or a log lacks a column that its layout has.
    """
    match layout:
        case "named":
            columns = columns or PlayColumns()
            parts = scan_parts(path, list(dict.fromkeys(asdict(columns).values())))
            with reading(Path(path)):
                return pl.concat([name_columns(part, columns, name=Path(path).name) for part in parts])
        case "yambda":
            return yambda(scan_table(path))
        case "lfm2b" | "music4all-onion":
            return lfm2b(scan_table(path))
        case "taste-profile":
            return taste_profile(scan_triplets(path))
        case "listenbrainz":
            with reading(Path(path)):
                return pl.concat([listenbrainz(part) for part in scan_parts(path, LISTENBRAINZ_COLUMNS)])
    raise ValueError(f"layout must be one of {', '.join(get_args(Layout))}, got {layout!r}")


def yambda(table: pl.LazyFrame) -> pl.LazyFrame:
    """Read the flat layout of Yambda: listens alone, or all events together.

    Likes and dislikes are rows of their own; those taken back (``unlike``, ``undislike``) are left out together with
    what takes them back. The ratio played may pass 100 % there, by rewinding, and counts as 100 %.

    Parameters
    ----------
    table
        ``uid, item_id, timestamp`` (seconds), ``played_ratio_pct``, ``track_length_seconds`` and, of all events,
        ``event_type``.

    Returns
    -------
    plays

    References
    ----------
    A. Ploshkin et al., Yambda-5B, RecSys 2025.
    """
    share = pl.col("played_ratio_pct").cast(pl.Float64).clip(upper_bound=100.0) / 100
    named = table.with_columns(completion=share, played_s=share * pl.col("track_length_seconds"))
    if "event_type" in table.collect_schema():
        event = pl.col("event_type").cast(pl.String)
        opinion = event.str.strip_prefix("un").is_in(["like", "dislike"])
        last = event.last().over("uid", "item_id", event.str.strip_prefix("un"), order_by="timestamp")
        named = named.filter(~opinion | ~last.str.starts_with("un") & ~event.str.starts_with("un"))
        named = named.with_columns(action=pl.when(opinion).then(event).otherwise(pl.lit("none")))
    return name_columns(named, PlayColumns(user="uid", track="item_id"))


def lfm2b(table: pl.LazyFrame) -> pl.LazyFrame:
    """Read the layout that LFM-2b and Music4All-Onion share, of single plays or of counts.

    Parameters
    ----------
    table
        ``user_id, track_id`` and either ``timestamp`` (date and time) or ``count``.

    Returns
    -------
    plays

    References
    ----------
    M. Schedl et al., LFM-2b, CHIIR 2022. M. Moscati et al., Music4All-Onion, CIKM 2022.
    """
    return name_columns(_repeat(table, "count"), PlayColumns(user="user_id", track="track_id"))


def scan_triplets(path: str | Path) -> pl.LazyFrame:
    """Open the triplets of the Taste Profile, tab-separated and without a heading.

    Parameters
    ----------
    path
        ``train_triplets.txt``.

    Returns
    -------
    triplets
        ``user, song, count``.
    """
    schema = {"user": pl.String(), "song": pl.String(), "count": pl.Int64()}
    with reading(Path(path)):
        return pl.scan_csv(path, separator="\t", quote_char=None, has_header=False, schema=schema, glob=False)


def taste_profile(table: pl.LazyFrame) -> pl.LazyFrame:
    """Read the Taste Profile of the Million Song Dataset: triplets of user, song and play count.

    Parameters
    ----------
    table
        ``user, song, count``, as `scan_triplets` opens it.

    Returns
    -------
    plays

    References
    ----------
    T. Bertin-Mahieux, D. Ellis, B. Whitman, P. Lamere, The Million Song Dataset, ISMIR 2011.
    """
    return name_columns(_repeat(table, "count"), PlayColumns(track="song"))


def listenbrainz(table: pl.LazyFrame) -> pl.LazyFrame:
    """Read the dumps of ListenBrainz: the Parquet of its Spark cluster, or the JSON lines of its full dump.

    Parameters
    ----------
    table
        ``user_id`` or ``user_name``; ``listened_at`` or ``timestamp`` (seconds, or a date and time); ``recording_mbid``
        and ``recording_msid``, the first of which is taken as the track where both are there.

    Returns
    -------
    plays

    References
    ----------
    ListenBrainz data dumps, https://listenbrainz.readthedocs.io.
    """
    names = table.collect_schema().names()
    track = [pl.col(name) for name in ("recording_mbid", "recording_msid") if name in names]
    if not track:
        raise ValueError(f"a ListenBrainz log must have recording_mbid or recording_msid, got {', '.join(names)}")
    return name_columns(
        table.with_columns(track=pl.coalesce(track)),
        PlayColumns(
            user="user_id" if "user_id" in names else "user_name",
            timestamp="listened_at" if "listened_at" in names else "timestamp",
        ),
    )


def _repeat(table: pl.LazyFrame, count: str) -> pl.LazyFrame:
    """Turn a row with a count into as many rows."""
    if count not in table.collect_schema():
        return table
    return table.with_columns(pl.col("*").exclude(count).repeat_by(count)).drop(count).explode(cs.all())
