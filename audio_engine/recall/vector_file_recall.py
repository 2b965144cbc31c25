"""Recall by the vectors of a table, without a catalogue: a user's vector is the mean of those of what they liked."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from audio_engine.errors import UnknownUserError
from audio_engine.plays.formats import scan_plays
from audio_engine.plays.table_files import reading
from audio_engine.plays.validation import validate_plays
from audio_engine.recall.recommendations import Play, RecalledTrack
from audio_engine.recall.tracks_for_user import liked_tracks_like
from audio_engine.recall.user_vectors import of_plays
from audio_engine.search.vector_file import VectorFile


def recall_in_file(
    file: VectorFile, plays: Sequence[Play], k: int = 10, *, max_per_artist: int | None = None
) -> list[RecalledTrack]:
    """Find the tracks of a table of vectors to show to a user, without those they have played.

    Parameters
    ----------
    file
        The table.
    plays
        What the user played; tracks by any name in the table.
    k, max_per_artist
        As for `Recommender.tracks_for`.

    Returns
    -------
    tracks
        The best first, with the liked tracks that explain each.

    Raises
    ------
    UnknownTrackError
        When the table lacks a track that was played.
    ValueError
        When no track was liked, or a number is below 1.
    """
    for name, number in (("k", k), ("max_per_artist", max_per_artist)):
        if number is not None and number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")
    found = [play.track if not isinstance(play.track, str) else file.find(play.track) for play in plays]
    user = of_plays(plays, found, tower=None, tower_rows={})
    played = {each.track.track_id for each in found}
    places = file.nearest(user.vector, k, without=played, max_per_artist=max_per_artist)
    if not places:
        return []
    reasons = liked_tracks_like(np.stack([place.vector for place, _ in places]), user.heard.liked)
    return [
        RecalledTrack(rank=rank, score=score, track=place.track, reasons=named)
        for rank, ((place, score), named) in enumerate(zip(places, reasons, strict=True), start=1)
    ]


def plays_of_user(file: VectorFile, plays: Path, user: str) -> list[Play]:
    """Read what one user of a log played of the tracks of a table; plays of other tracks are left out.

    Parameters
    ----------
    file
        The table.
    plays
        Any log that `scan_plays` reads; it is streamed.
    user
        Their name in it.

    Raises
    ------
    UnknownUserError
        When the log has no play of theirs, of a track of the table, that can be used.
    """
    theirs = scan_plays(plays).filter(pl.col("user") == user)
    judged = validate_plays(theirs, file.names.table).filter(pl.col("reason").is_null())
    with reading(plays):
        table = judged.with_columns(pl.col("day").fill_null(0.0)).collect(engine="streaming").sort("day")
    if not len(table):
        raise UnknownUserError(f"user must have plays in {plays.name} of tracks of {file.path.name}, got {user!r}")
    last = table["day"][-1]
    return [
        Play(
            track=file.names.track_ids[row["row"]],
            action=row["action"],
            completion=row["completion"],
            days_ago=last - row["day"],
        )
        for row in table.iter_rows(named=True)
    ]
