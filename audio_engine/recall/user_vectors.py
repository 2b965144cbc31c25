"""The user of a recall query, given as plays, as the name of a learned user, or as a vector."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from audio_engine.catalogue.track import DIM, Track, TrackVector
from audio_engine.plays.track_matching import own_names
from audio_engine.recall.learn_users import ALONE, TOGETHER, TOWER_SHARE
from audio_engine.recall.recommendations import Play
from audio_engine.recall.tracks_for_user import PlayHistory, User
from audio_engine.recall.user_profile import likes_something, merged_vectors, taste_vectors, tastes_of
from index.validation import check_unit
from index.vector_index import VectorIndex
from metric_learning.play_log import ACTIONS, PlayLog

if TYPE_CHECKING:
    from audio_engine.recall.user_store import UserStore
    from audio_engine.recall.user_tower import KnownTower

Floats = NDArray[np.float32]


def of_vector(vector: Floats) -> User:
    """Build a user from a vector alone, without play history.

    Raises
    ------
    ValueError
        When it is not (dim,), finite and of unit length.
    """
    checked = check_unit(np.asarray(vector, np.float32)[np.newaxis], dim=DIM, name="vector")[0]
    nothing = np.zeros(0, np.float32)
    return User(vector=checked, heard=PlayHistory(vectors=np.zeros((0, DIM), np.float32), weights=nothing))


def of_user(user: str, user_store: "UserStore", *, index: VectorIndex, track_of: Callable[[str], Track | None]) -> User:
    """Find a user of the log that was learned.

    Raises
    ------
    UnknownUserError
    """
    found = user_store.user(user)
    heard = heard_by(found.tastes.indices, found.tastes.data, user_store, index=index, track_of=track_of)
    return User(vector=found.vectors[0], heard=heard, method=user_store.report.method)


def heard_by(
    rows: NDArray[np.integer],
    weights: Floats,
    user_store: "UserStore",
    *,
    index: VectorIndex,
    track_of: Callable[[str], Track | None],
) -> PlayHistory:
    """Look up what a user has heard; tracks removed from the catalogue since are skipped.

    Parameters
    ----------
    rows, weights : (n_heard,)
        Of the user's tastes.
    user_store
        Says which tracks the rows are.
    index
        Has their vectors.
    track_of
        Gives the track of an id.
    """
    track_ids = user_store.tracks["track_id"].gather(rows).to_list()
    tracks = [track_of(track_id) if track_id in index else None for track_id in track_ids]
    there = [number for number, track in enumerate(tracks) if track is not None]
    return PlayHistory(
        tracks=tuple(track for track in tracks if track is not None),
        vectors=index.vectors([track_ids[number] for number in there]).reshape(-1, DIM),
        weights=weights[there],
    )


def of_plays(
    plays: Sequence[Play],
    found: Sequence[TrackVector],
    *,
    tower: "KnownTower | None",
    tower_rows: Mapping[str, int],
) -> User:
    """Build a user from plays.

    Parameters
    ----------
    plays
        What was played.
    found
        The track of each play, with its vector.
    tower
        The user tower of the model; used if it knows the share `TOWER_SHARE` of the plays.
    tower_rows
        Row in the tower by track id, in addition to matching by the tracks' names.

    Raises
    ------
    ValueError
        When no track was liked, and the tower knows too few of the tracks.
    """
    names = [each.track.track_id or str(each.track.path) for each in found]
    by_name = dict(zip(names, found, strict=True))
    numbers = {name: number for number, name in enumerate(by_name)}
    log = _log_of(plays, [numbers[name] for name in names])
    dim = len(found[0].vector) if found else DIM
    vectors = np.array([each.vector for each in by_name.values()], np.float32).reshape(-1, dim)
    tracks = tuple(each.track for each in by_name.values())
    tastes = tastes_of(log, 1, len(tracks), now=0.0)
    weights = np.asarray(tastes.toarray()[0], np.float32)
    heard = PlayHistory(tracks=tracks, vectors=vectors, weights=weights)
    known = np.array([_tower_row(track, tower, tower_rows) for track in tracks], np.int64)
    if tower is not None and len(plays) and (known[log.track] >= 0).mean() >= TOWER_SHARE:
        by_tower = tower.embed(log.remap(known), 1, now=0.0)
        return User(vector=merged_vectors(by_tower, taste_vectors(tastes, vectors))[0], heard=heard, method=TOGETHER)
    if not likes_something(tastes)[0]:
        raise ValueError(f"plays must tell of at least one track that was liked, got {len(plays)} that do not")
    return User(vector=taste_vectors(tastes, vectors)[0], heard=heard, method=ALONE)


def _log_of(plays: Sequence[Play], tracks: Sequence[int]) -> PlayLog:
    """Lay plays out as a log of one user, in order of time; today is day 0."""
    log = PlayLog(
        user=np.zeros(len(plays), np.int64),
        track=np.array(tracks, np.int64),
        day=np.array([-play.days_ago for play in plays], np.float32),
        completion=np.array([np.nan if play.completion is None else play.completion for play in plays], np.float32),
        action=np.array([ACTIONS.index(play.action) for play in plays], np.int8),
    )
    return log.where(np.argsort(log.day, kind="stable"))


def _tower_row(track: Track, tower: "KnownTower | None", tower_rows: Mapping[str, int]) -> int:
    """Find the number of a track in the tower; -1 where it does not know it."""
    if tower is None:
        return -1
    if track.track_id in tower_rows:
        return tower_rows[track.track_id]
    return next((tower.row_of[name] for name in own_names(track) if name in tower.row_of), -1)
