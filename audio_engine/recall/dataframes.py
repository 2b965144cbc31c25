"""Recall on data frames (Polars or Arrow) without a catalogue, for callers with their own vectors and plays.

A table of tracks has `track` and `vector` (dim numbers, unit length), and optionally `artist` and `recording`
(the same for copies of one recording). A table of plays has `user`, `track`, and optionally `day`, `completion` and
`action`. A table of users comes from `users_from_plays`, or is any table with `user` and `vector`; if it has `track` (a
list of played tracks), these are left out of the results.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from audio_engine.plays.scanning import name_columns
from audio_engine.plays.track_matching import name_tracks
from audio_engine.plays.validation import load_plays, validate_plays
from audio_engine.recall.batch import MOST, SCHEMA, recall_frames
from audio_engine.recall.candidates import NOBODY, Candidates
from audio_engine.recall.recommendations import Interests, check_interests
from audio_engine.recall.user_profile import HALF_LIFE_DAYS, likes_something, taste_vectors, tastes_of
from audio_engine.recall.users import UserBatch, to_table
from audio_engine.search.diversity import Likeness, RerankMethod, rerank
from index.validation import check_unit
from index.vector_store import scan

Table = Any  # a `polars.DataFrame`, or any object with Arrow's C stream interface
TOGETHER = 1 << 12  # tracks whose users are looked for at a time


def users_from_plays(plays: Table, tracks: Table, *, half_life_days: float = HALF_LIFE_DAYS) -> pl.DataFrame:
    """Compute users from plays, by the audio of the tracks they liked.

    Parameters
    ----------
    plays
        Table of plays.
    tracks
        Table of tracks.
    half_life_days
        Age in days at which a play counts half.

    Returns
    -------
    users
        ``user, vector, track, weight`` as `recall.users` says; without users who liked nothing.

    Raises
    ------
    ValueError
        When a table lacks a column, or the vectors are not of unit length.

    Examples
    --------
    >>> tracks = pl.DataFrame({"track": ["low", "high"], "vector": [[1.0, 0.0], [0.0, 1.0]]})
    >>> plays = pl.DataFrame({"user": ["ann", "ann"], "track": ["low", "high"], "action": ["like", "dislike"]})
    >>> users_from_plays(plays, tracks)["user"].to_list()
    ['ann']
    """
    offered = _frame(tracks)
    vectors = _vectors(offered, "tracks")
    names = offered["track"].cast(pl.String)
    log = name_columns(_frame(plays).lazy())
    users = log.select(pl.col("user").drop_nulls().unique().sort()).collect()["user"].to_list()
    judged = validate_plays(log, name_tracks(names).table)
    played, _ = load_plays(judged, {user: row for row, user in enumerate(users)})
    now = float(played.day.max(initial=0))
    tastes = tastes_of(played, len(users), len(names), now=now, half_life_days=half_life_days)
    batch = UserBatch(users=users, vectors=taste_vectors(tastes, vectors), tastes=tastes)
    return to_table(batch.where(likes_something(tastes)), names)


def recall_tracks(
    users: Table, tracks: Table, *, k: int = 100, max_per_artist: int | None = None, interests: Interests = 1
) -> pl.DataFrame:
    """Find the best tracks of each user, as `recall.batch.recall_frames` does.

    Parameters
    ----------
    users, tracks
        Tables.
    k
        Places in each answer.
    max_per_artist
        At most so many places for one artist.
    interests
        Into how many groups of alike sound the liked tracks (those of a ``weight`` above 0, of the table of tracks) are
        divided, each of which gets its share of the answer; "auto": as many as are clearly seen.

    Returns
    -------
    answers
        ``user, rank`` (from 1), ``track, score``.
    """
    blocks = recall_tracks_by_block(users, tracks, k=k, max_per_artist=max_per_artist, interests=interests)
    frames = list(blocks)
    return pl.concat(frames) if frames else pl.DataFrame(schema=SCHEMA)


def recall_tracks_by_block(
    users: Table, tracks: Table, *, k: int = 100, max_per_artist: int | None = None, interests: Interests = 1
) -> Iterator[pl.DataFrame]:
    """As `recall_tracks`, some users at a time."""
    if not 1 <= k <= MOST:
        raise ValueError(f"k must be from 1 to {MOST}, got {k}")
    check_interests(interests)
    who, offered = _frame(users), _frame(tracks)
    names = offered["track"].cast(pl.String)
    vectors = _vectors(offered, "tracks")
    candidates = Candidates(
        vectors=vectors,
        recordings=_numbers(offered, "recording", len(offered)),
        artists=_numbers(offered, "artist", None),
    )
    asking = UserBatch(
        users=who["user"].cast(pl.String).to_list(),
        vectors=_vectors(who, "users"),
        tastes=_heard(who, names),
    )
    yield from recall_frames(
        [asking],
        candidates,
        track_ids=names,
        recording_of=candidates.recordings,
        k=k,
        max_per_artist=max_per_artist,
        interests=interests,
        liked_vectors=vectors,
    )


def diversify(
    answers: Table, tracks: Table, *, k: int = 10, diversity: float, method: RerankMethod = "mmr"
) -> pl.DataFrame:
    """Choose out of each user's answers some that differ from each other, in sound, artist and genre.

    Parameters
    ----------
    answers
        ``user, track, score``, as `recall_tracks` gives them; ten for each place wanted are enough.
    tracks
        Table of tracks; it may have ``genre``.
    k, diversity, method
        As `search.diversity.rerank`.

    Returns
    -------
    answers
        ``user, rank`` (from 1), ``track, score``.

    Raises
    ------
    ValueError
        When an answer is not of the table of tracks, or a number is out of range.
    """
    offered = _frame(tracks)
    vectors, names = _vectors(offered, "tracks"), offered["track"].cast(pl.String)
    texts = {
        name: offered[name].cast(pl.String).fill_null("").to_list() if name in offered.columns else [""] * len(names)
        for name in ("artist", "genre")
    }
    row_of = {name: row for row, name in enumerate(names.to_list())}
    chosen = [pl.DataFrame(schema=SCHEMA)]
    for (user,), found in _frame(answers).group_by("user", maintain_order=True):
        rows = [row_of.get(str(track), -1) for track in found["track"]]
        if -1 in rows:
            raise ValueError(f"answers must be of tracks of the table, got {found['track'][rows.index(-1)]!r}")
        artists, genres = ([texts[name][row] for row in rows] for name in ("artist", "genre"))
        likeness = Likeness(vectors[rows], [{each} if each else () for each in artists], genres)
        kept = rerank(found["score"].to_numpy(), likeness.row, k=k, diversity=diversity, method=method)
        columns = found[kept].select(pl.lit(str(user)).alias("user"), pl.col("track").cast(pl.String), "score")
        chosen.append(columns.with_row_index("rank", 1).select(*SCHEMA).cast(SCHEMA))
    return pl.concat(chosen)


def recall_users(tracks: Table, users: Table, *, k: int = 100) -> pl.DataFrame:
    """Find the users to show each track to, those who have heard it among them.

    Parameters
    ----------
    tracks, users
        Tables.
    k
        Places in each answer; fewer where there are fewer users.

    Returns
    -------
    answers
        ``track, rank`` (from 1), ``user, similarity``.
    """
    shown, who = _frame(tracks), _frame(users)
    vectors, names = _vectors(shown, "tracks"), who["user"].cast(pl.String)
    known = _vectors(who, "users")
    k = min(k, len(who))
    parts = [scan(vectors[start : start + TOGETHER], known, k) for start in range(0, len(vectors), TOGETHER)]
    similarities = np.concatenate([part[0] for part in parts]) if parts else np.zeros((0, k), np.float32)
    rows = np.concatenate([part[1] for part in parts]) if parts else np.zeros((0, k), np.int64)
    return pl.DataFrame(
        {
            "track": shown["track"].cast(pl.String).gather(np.repeat(np.arange(len(shown)), k)),
            "rank": np.tile(np.arange(1, k + 1, dtype=np.uint32), len(shown)),
            "user": names.gather(rows.ravel()),
            "similarity": similarities.ravel(),
        }
    )


def _frame(table: Table) -> pl.DataFrame:
    """Take a table of whatever kind."""
    return table if isinstance(table, pl.DataFrame) else pl.DataFrame(table)


def _vectors(table: pl.DataFrame, name: str) -> NDArray[np.float32]:
    """Read the column of vectors: (n_rows, dim)."""
    column = table["vector"]
    dim = column.dtype.size if isinstance(column.dtype, pl.Array) else len(column[0]) if len(column) else 0
    vectors = column.cast(pl.Array(pl.Float32, dim)).to_numpy().reshape(-1, dim)
    return check_unit(vectors, dim=dim, name=f"vector of {name}")


def _numbers(table: pl.DataFrame, name: str, n_rows: int | None) -> NDArray[np.int64]:
    """Turn a column into numbers; where there is none, each row is its own number (of `n_rows`), or `NOBODY`."""
    if name not in table.columns:
        return np.full(len(table), NOBODY, np.int64) if n_rows is None else np.arange(n_rows)
    ranks = table[name].rank("dense").cast(pl.Int64)
    if n_rows is None:
        return ranks.fill_null(NOBODY).to_numpy()
    own = pl.Series(np.arange(n_rows)) + int(ranks.max() or 0) + 1  # type: ignore[arg-type]
    return ranks.fill_null(own).to_numpy()


def _heard(users: pl.DataFrame, names: pl.Series) -> csr_array:
    """Read what users have heard, as far as it is among some tracks, by its weight: (n_users, n_tracks)."""
    shape = (len(users), len(names))
    if "track" not in users.columns:
        return csr_array(shape, dtype=np.float32)
    rows = pl.DataFrame({"track": names, "row": np.arange(len(names))})
    weighted = users if "weight" in users.columns else users.with_columns(weight=pl.col("track").list.eval(pl.lit(0.0)))
    played = weighted.select("track", "weight").with_row_index("user").explode("track", "weight")
    known = played.cast({"track": pl.String}).join(rows, on="track", how="inner")
    cells = (known["weight"].cast(pl.Float32).to_numpy(), (known["user"].to_numpy(), known["row"].to_numpy()))
    return csr_array(cells, shape=shape)
