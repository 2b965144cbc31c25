"""The play log as arrays: who played what, how much of it, liked or disliked, and the taste signal in each play.

This is the form in which other rooms pass plays: `audio_engine.plays` reads it from a file, into memory or into
memory-mapped columns, and the user tower and the losses learn from it. Users and tracks are rows of tables that the
caller keeps.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

ACTIONS: Final = ("none", "like", "dislike", "skip")  # the code of an action is its place here
NONE, LIKE, DISLIKE, SKIP = range(len(ACTIONS))
PLAYS_TOGETHER: Final = 1 << 20  # plays looked at at a time, where the columns may be memory-mapped
SILENT_WEIGHT: Final = 0.3  # weight of a play without an action relative to one with: completion is weak evidence

Rows = NDArray[np.int64] | NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class PlayLog:
    """Plays as columns of one length.

    Raises
    ------
    ValueError
        When the columns differ in length.
    """

    user: Rows  # (n_plays,) row of the user
    track: Rows  # (n_plays,) row of the track
    day: NDArray[np.float32]  # (n_plays,) days since the log began, 0 where not known
    completion: NDArray[np.float32]  # (n_plays,) share of the track that was played, NaN where not known
    action: NDArray[np.int8]  # (n_plays,) place in `ACTIONS`

    def __post_init__(self) -> None:
        for name in ("track", "day", "completion", "action"):
            if getattr(self, name).shape != self.user.shape:
                raise ValueError(f"{name} must have shape {self.user.shape} like user, got {getattr(self, name).shape}")

    def __len__(self) -> int:
        return len(self.user)

    @property
    def liked(self) -> NDArray[np.bool_]:
        """Whether each play was liked."""
        return np.asarray(self.action == LIKE)

    @property
    def rejected(self) -> NDArray[np.bool_]:
        """Whether each play was disliked or skipped."""
        return np.asarray((self.action == DISLIKE) | (self.action == SKIP))

    def where(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> "PlayLog":
        """Keep some of the plays.

        Parameters
        ----------
        keep : (n_plays,) or (n_kept,)
            True for the plays to keep; or their rows, in the order to return them.

        Returns
        -------
        plays
        """
        columns = {name: getattr(self, name)[keep] for name in self.__dataclass_fields__}
        return PlayLog(**columns)

    def of_tracks(self, keep: NDArray[np.bool_]) -> "PlayLog":
        """Keep the plays of some tracks, and number those from 0; ``keep`` is (n_tracks,)."""
        return self.remap(rows_of(keep))

    def remap(self, rows: NDArray[np.int64]) -> "PlayLog":
        """Give the tracks the rows that another table has them in.

        Parameters
        ----------
        rows : (n_tracks,)
            New row of each track; below 0 where it has none, and its plays are left out.

        Returns
        -------
        plays
        """
        kept = self.where(rows[self.track] >= 0)
        return replace(kept, track=rows[kept.track])

    def in_order_of(self, column: Literal["user", "track"]) -> "PlayLog":
        """Sort by user or by track, each one's plays as they were; a log in that order is not copied, however large."""
        keys = getattr(self, column)
        for start in range(0, len(keys), PLAYS_TOGETHER):
            block = keys[start : start + PLAYS_TOGETHER + 1]
            if (block[1:] < block[:-1]).any():
                return self.where(np.argsort(keys, kind="stable"))
        return self

    def count_by(self, column: Literal["user", "track"], n: int, *, likes_only: bool = False) -> NDArray[np.int64]:
        """Count the plays, or likes, of each of n users or tracks: (n,)."""
        counts = np.zeros(n, np.int64)
        for start in range(0, len(self), PLAYS_TOGETHER):
            block = slice(start, start + PLAYS_TOGETHER)
            keys = getattr(self, column)[block]
            counts += np.bincount(keys[self.action[block] == LIKE] if likes_only else keys, minlength=n)
        return counts

    def signal(self) -> NDArray[np.float32]:
        """Score the taste signal in each play, from -1 (disliked or skipped) through 0 to 1 (liked).

        A play without an action is scored by how much of the track was played, ``2 * completion - 1``; if that is
        unknown too, a play is a weak positive (0.5).

        Returns
        -------
        signal : (n_plays,)
        """
        heard = np.where(np.isnan(self.completion), 0.5, 2 * self.completion - 1)
        return np.where(self.liked, 1.0, np.where(self.rejected, -1.0, heard)).astype(np.float32)

    def weight(self) -> NDArray[np.float32]:
        """Weight each signal by its reliability: 1 with an action, `SILENT_WEIGHT` without.

        Returns
        -------
        weight : (n_plays,)
        """
        return np.where(self.liked | self.rejected, 1.0, SILENT_WEIGHT).astype(np.float32)


def rows_of(keep: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Give what is kept numbers from 0, and -1 to the rest: (n,)."""
    return np.where(keep, np.cumsum(keep) - 1, -1)


def last_plays(plays: PlayLog, n_tracks: int) -> PlayLog:
    """Keep, of several plays of one of `n_tracks` tracks by one user, the last; ordered by user, then track."""
    cells = plays.user.astype(np.int64) * n_tracks + plays.track
    return plays.where(len(plays) - 1 - np.unique(cells[::-1], return_index=True)[1])


def feedback_cells(plays: PlayLog, n_users: int, n_tracks: int) -> csr_array:
    """Collect likes and rejections as a sparse table, as `feedback_table`: (n_users, n_tracks), int8."""
    spoken = last_plays(plays.where(plays.liked | plays.rejected), n_tracks)
    values = np.where(spoken.liked, 1, -1).astype(np.int8)
    return csr_array((values, (spoken.user, spoken.track)), shape=(n_users, n_tracks))


def played_cells(plays: PlayLog, n_users: int, n_tracks: int) -> csr_array:
    """Collect who has played what as a sparse table, as `played_table`: (n_users, n_tracks), bool."""
    played = last_plays(plays, n_tracks)
    return csr_array((np.ones(len(played), np.bool_), (played.user, played.track)), shape=(n_users, n_tracks))


def feedback_table(plays: PlayLog, n_users: int, n_tracks: int) -> NDArray[np.int8]:
    """Tabulate likes and rejections; of several by one user for one track the last counts.

    Parameters
    ----------
    plays
        The log, in order of time.
    n_users, n_tracks
        Size of the table.

    Returns
    -------
    feedback : (n_users, n_tracks)
        1 liked, -1 disliked or skipped, 0 neither.

    Examples
    --------
    >>> log = PlayLog(user=np.array([0, 0]), track=np.array([1, 0]), day=np.zeros(2, np.float32),
    ...               completion=np.ones(2, np.float32), action=np.array([LIKE, SKIP], np.int8))
    >>> feedback_table(log, 1, 3)
    array([[-1,  1,  0]], dtype=int8)
    """
    return np.asarray(feedback_cells(plays, n_users, n_tracks).toarray())


def played_table(plays: PlayLog, n_users: int, n_tracks: int) -> NDArray[np.bool_]:
    """Tabulate who has played what.

    Parameters
    ----------
    plays
        The log.
    n_users, n_tracks
        Size of the table.

    Returns
    -------
    heard : (n_users, n_tracks)
    """
    return np.asarray(played_cells(plays, n_users, n_tracks).toarray())
