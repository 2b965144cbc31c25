"""The growing log as a policy sees it: who has played what, counts of each track, and collaborative factors."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from metric_learning.play_log import PlayLog
from tests.benchmarks.experiments.implicit_factors import ImplicitSettings, implicit_track_vectors, solve_sparse_rows

DIM = 16  # numbers in a collaborative vector
LATELY_DAYS = 14.0  # half-life of recent likes
LEARN_DAYS = 3  # days between fits of the factors

Floats = NDArray[np.float64]


class LogSoFar:
    """Everything played so far.

    Parameters
    ----------
    plays
        Of the days before the first.
    shape
        Number of users and of tracks.
    first_day
        Of the simulation.
    factors : (n_tracks, DIM)
        Collaborative vectors of the tracks to start from, as `start_factors` computes them.
    """

    def __init__(self, plays: PlayLog, shape: tuple[int, int], *, first_day: int, factors: Floats) -> None:
        self.heard = np.zeros(shape, np.bool_)
        self.signal = np.zeros(shape, np.float32)
        self.plays, self.likes, self.opinions = (np.zeros(shape[1], np.int64) for _ in range(3))
        self.likes_lately = np.zeros(shape[1])
        self._tracks, self._users = factors, np.zeros((shape[0], DIM))
        self._settings, self._n_nights = ImplicitSettings(), 0
        self._count(plays, fading=np.exp2((plays.day - first_day) / LATELY_DAYS))
        self.learn()

    def add(self, plays: PlayLog) -> None:
        """Add plays of today."""
        self._count(plays, fading=np.ones(len(plays)))

    def end_day(self) -> None:
        """End the day: recent likes decay, and every `LEARN_DAYS` the factors are fitted again."""
        self.likes_lately *= np.exp2(-1 / LATELY_DAYS)
        self._n_nights += 1
        if self._n_nights % LEARN_DAYS == 0:
            self.learn()

    def learn(self) -> None:
        """Fit tracks to users and users to tracks, one round on from the last."""
        of_users = csr_matrix(self.signal)
        of_tracks = of_users.T.tocsr()
        weak, ridge = self._settings.unobserved_weight, np.full(len(self.signal), self._settings.user_ridge)
        if self._users.any():
            n_told = np.diff(of_tracks.indptr) + weak * len(self.signal)
            self._tracks = solve_sparse_rows(
                self._users, of_tracks, unobserved_weight=weak, ridge=self._settings.track_ridge * n_told
            )
        self._users = solve_sparse_rows(self._tracks, of_users, unobserved_weight=weak, ridge=ridge)

    def collaborative(self, users: NDArray[np.int64]) -> Floats:
        """Score all tracks for users by the factors: (n, n_tracks)."""
        return np.asarray(self._users[users] @ self._tracks.T)

    def _count(self, plays: PlayLog, *, fading: NDArray[np.floating]) -> None:
        """Add plays to all counts."""
        n = len(self.plays)
        self.heard[plays.user, plays.track] = True
        self.signal[plays.user, plays.track] = plays.signal()
        self.plays += np.bincount(plays.track, minlength=n)
        self.likes += np.bincount(plays.track[plays.liked], minlength=n)
        self.opinions += np.bincount(plays.track[plays.liked | plays.rejected], minlength=n)
        self.likes_lately += np.bincount(plays.track, weights=fading * plays.liked, minlength=n)


def start_factors(plays: PlayLog, shape: tuple[int, int]) -> Floats:
    """Factorise the log before the first day: (n_tracks, DIM), zeros for tracks without a play."""
    return implicit_track_vectors(plays, shape, dim=DIM)
