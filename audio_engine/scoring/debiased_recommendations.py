"""Recommendations for each user of a play log, with popularity removed by `audio_engine.scoring.debias`."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.plays.formats import scan_plays
from audio_engine.plays.scanning import scan_table
from audio_engine.plays.validation import load_plays, validate_plays
from audio_engine.scoring.debias import DebiasedModel, DebiasSettings, train_debiased
from metric_learning.play_log import PlayLog

BLOCK_CELLS = 10_000_000  # scores in memory at a time, 40 MB


def recommend_debiased(
    plays: Path, *, c: float, k: int, vectors: Path | None = None, settings: DebiasSettings | None = None
) -> pl.DataFrame:
    """Train on a log, and return for each of its users the best tracks that they have not played.

    Parameters
    ----------
    plays
        The log: user, track, and action or completion.
    c
        How much popularity is removed, in the unit of the match ŷ_k.
    k
        Tracks per user; fewer if they have played nearly everything.
    vectors
        A Parquet file with ``track_id`` (or ``track``) and ``vector``, as ``audio-engine export`` writes it: the audio
        vectors of the tracks. None: ids alone.
    settings
        Training settings.

    Returns
    -------
    recommended
        ``user``, ``rank`` (from 1), ``track``, ``score``.

    Raises
    ------
    ValueError
        When ``c`` is not finite, or a track of the log has no vector.
    """
    if not math.isfinite(c):
        raise ValueError(f"c must be finite, got {c}")
    log, users, tracks = read_log(plays)
    sound = None if vectors is None else read_vectors(vectors, tracks)
    model = train_debiased(log, n_users=len(users), n_tracks=len(tracks), vectors=sound, settings=settings)
    names, ids = np.array(users), np.array(tracks)
    blocks = [
        pl.DataFrame({"user": names[user], "rank": rank, "track": ids[track], "score": score})
        for user, rank, track, score in _best(model, log, c=c, k=k)
    ]
    return pl.concat(blocks)


def read_log(plays: Path) -> tuple[PlayLog, list[str], list[str]]:
    """Read a log and its users and tracks, both in the order of their ids.

    Returns
    -------
    plays
    users, tracks
        Their ids; the log holds positions in these lists.
    """
    scanned = scan_plays(plays)
    users, tracks = (
        scanned.select(pl.col(column).drop_nulls().unique().sort()).collect()[column].to_list()
        for column in ("user", "track")
    )
    if not users or not tracks:
        raise ValueError(f"plays must hold plays of users and tracks, got {len(users)} users and {len(tracks)} tracks")
    judged = validate_plays(scanned, dict.fromkeys(tracks, float("nan")))
    rows = ({name: row for row, name in enumerate(names)} for names in (users, tracks))
    return load_plays(judged, *rows)[0], users, tracks


def read_vectors(path: Path, tracks: list[str]) -> NDArray[np.float32]:
    """Read the vectors of tracks: (n_tracks, dim), in their order."""
    table = scan_table(path).collect()
    key = "track_id" if "track_id" in table.columns else "track"
    for name in (key, "vector"):
        if name not in table.columns:
            raise ValueError(f"{path.name} must have a column {name!r}, got {', '.join(table.columns)}")
    joined = pl.DataFrame({key: tracks}).join(table.select(key, "vector"), on=key, how="left", maintain_order="left")
    missing = joined.filter(pl.col("vector").is_null())[key].to_list()
    if missing:
        raise ValueError(
            f"{path.name} must have a vector of every track played, got none of {len(missing)}: {missing[0]} "
            f"(does its column {key} use the names of the log?)"
        )
    return np.array(joined["vector"].to_list(), np.float32)


def _best(
    model: DebiasedModel, log: PlayLog, *, c: float, k: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]]:
    """Yield the k best of each user, block by block: users, ranks, tracks and scores, (n,) each."""
    n_users, n_tracks = len(model.users), len(model.tracks)
    order = np.argsort(log.user, kind="stable")
    size, k = max(1, BLOCK_CELLS // n_tracks), min(k, n_tracks)
    for start in range(0, n_users, size):
        rows = np.arange(start, min(start + size, n_users))
        scores = model.scores(c, rows)
        of_block = order[slice(*np.searchsorted(log.user[order], [start, start + len(rows)]))]
        scores[log.user[of_block] - start, log.track[of_block]] = -np.inf
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        found = np.take_along_axis(scores, best, axis=1)
        user, place = np.nonzero(np.isfinite(found))
        yield rows[user], place + 1, best[user, place], found[user, place]
