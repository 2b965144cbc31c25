"""Smoothed rates of the tracks of a play log, as printed by ``audio-engine score rates``."""

from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
from numpy.typing import ArrayLike

from audio_engine.plays.table_files import id_text, scan_table
from audio_engine.plays.validation import usable_plays
from audio_engine.scoring.like_rates import BetaPrior, count_likes, prior_by_moments, smoothed_rates


def rate_tracks(
    plays: Path,
    *,
    action: str = "like",
    tracks: Path | None = None,
    group: Sequence[str] = (),
    find_prior: Callable[[ArrayLike, ArrayLike], BetaPrior] = prior_by_moments,
) -> pl.DataFrame:
    """Smooth the rate of an action on each track by a Beta prior.

    Parameters
    ----------
    plays
        The log, a file or a folder of Parquet files: ``track`` and ``action``.
    action
        The action: like, dislike or skip.
    tracks
        A table with ``track`` and the columns of ``group``.
    group
        Its columns by which tracks are grouped, with one prior per group; empty: all tracks share one.
    find_prior
        `prior_by_moments` or `prior_by_likelihood`.

    Returns
    -------
    rates
        ``track``, ``likes`` and ``plays``, the columns of ``group``, ``rate`` (null without plays), ``smoothed_rate``,
        ``alpha`` and ``beta``, the highest smoothed rate first.

    Raises
    ------
    FileNotFoundError
        When a file is missing.
    ValueError
        When a group is asked for without tracks, a table lacks a column, no track of the log is in the table, or a
        group has no prior.
    """
    counts = count_likes(usable_plays(plays), action=action)
    if group:
        groups = _groups(tracks, group)
        if counts.join(groups, on="track", how="semi").is_empty():
            raise ValueError(f"tracks must name tracks as the log does, got none that {plays.name} has")
        counts = counts.join(groups, on="track", how="left", maintain_order="left")
    table = smoothed_rates(counts, group=group, find_prior=find_prior)
    return table.sort("smoothed_rate", "track", descending=[True, False])


def _groups(tracks: Path | None, group: Sequence[str]) -> pl.DataFrame:
    """Read the columns to group by, one row per track: the first."""
    if tracks is None:
        raise ValueError(f"tracks must be a table with {', '.join(group)}, got none")
    table = scan_table(tracks)
    names = (schema := table.collect_schema()).names()
    for name in ("track", *group):
        if name not in names:
            raise ValueError(f"{tracks.name} must have a column {name!r}, got {', '.join(names)}")
    table = table.select(id_text("track", schema["track"]), *group)
    return table.unique("track", keep="first", maintain_order=True).collect()
