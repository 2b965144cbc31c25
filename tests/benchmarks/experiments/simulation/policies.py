"""Policies: what each user is shown on a day, by recall, scoring and ranking, given the log so far.

All of them recall, score and rank by the same code; they differ in which tracks have a vector, and in what fills the
slots reserved for tracks with little data. The vectors of tracks present on the first day are based on plays as well as
on audio; a new track's is based on audio alone, and without audio the track has none.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.ranking.config import RankerConfig
from audio_engine.ranking.ranker import Ranker
from audio_engine.scoring.exploration import ENOUGH_PLAYS, explored_value
from audio_engine.scoring.like_rates import prior_by_likelihood, smoothed_rate
from tests.benchmarks.experiments.ranking.data import play_frame
from tests.benchmarks.experiments.simulation.log import LogSoFar
from tests.benchmarks.experiments.simulation.world import Known

Exploration = Literal["none", "random", "bonus"]
Vectors = Literal["none", "known tracks", "all tracks"]
LIST_LENGTH, KEPT_PLACES = 10, 2  # tracks in a list; the places in it that exploration may fill
N_COLLABORATIVE, N_POPULAR, N_RATED, N_NEAR, N_NEAR_NEW = 20, 10, 10, 15, 5  # tracks from each recall
NEW_DAYS = 30  # days from release in which a track is new
BONUS_WEIGHT = 0.1  # of the exploration bonus, relative to a probability

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How a recommender handles tracks without plays."""

    vectors: Vectors  # of which recall and ranker read vectors
    exploration: Exploration


POLICIES: Final = {
    "off": Policy(vectors="known tracks", exploration="none"),
    "random exploration": Policy(vectors="known tracks", exploration="random"),
    "exploration bonus": Policy(vectors="known tracks", exploration="bonus"),
    "sound": Policy(vectors="all tracks", exploration="none"),
    "on": Policy(vectors="all tracks", exploration="bonus"),
    "no vectors": Policy(vectors="none", exploration="none"),
}


def check_policies(names: Iterable[str]) -> None:
    """Refuse names that are not in `POLICIES`."""
    for name in names:
        if name not in POLICIES:
            raise ValueError(f"policy must be one of {', '.join(POLICIES)}, got {name!r}")


def train_ranker(known: Known, *, with_vectors: bool, seed: int) -> Ranker:
    """Train the ranker that a policy begins with, on the log before the first day, which has no new tracks."""
    return Ranker.train(
        play_frame(known.plays, known.user_ids, known.track_ids),
        tracks=known.tracks,
        users=known.users,
        user_vectors=known.user_vectors if with_vectors else None,
        config=RankerConfig(audio=with_vectors, seed=seed),
    )


def seen_by(policy: Policy, known: Known) -> Known:
    """Remove the vectors that a policy does not use."""
    if policy.vectors == "all tracks":
        return known
    has_vector = (known.release_day < known.first_day) & (policy.vectors == "known tracks")
    tracks = known.tracks.with_columns(vector=pl.when(pl.Series(has_vector)).then("vector"))
    return replace(known, tracks=tracks, track_vectors=known.track_vectors * has_vector[:, None])


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """The candidates for the users of a day, with their predicted value to each."""

    value: Floats  # (n, n_tracks) probability of a like; -inf where a track is not a candidate
    to_explore: Bools  # (n, n_tracks) new tracks that the user has not played

    def of(self, rows: NDArray[np.int64]) -> "Candidates":
        """Select some of the users."""
        return Candidates(value=self.value[rows], to_explore=self.to_explore[rows])


def recall_and_rank(
    policy: Policy, known: Known, log: LogSoFar, ranker: Ranker, *, users: NDArray[np.int64], day: int
) -> Candidates:
    """Recall candidates for users and rank them.

    Parameters
    ----------
    policy
        Whether it explores by a bonus, so that every new track is a candidate.
    known
        Its knowledge before the first day, from `seen_by`.
    log
        The log since.
    ranker
        Updated with that log.
    users : (n,)
        The users of the visit.
    day
        Today.

    Returns
    -------
    candidates
    """
    open_to = (known.release_day <= day)[None, :] & ~log.heard[users]
    is_new = known.release_day > day - NEW_DAYS
    wanted = top_places(np.where(open_to, log.collaborative(users), -np.inf), N_COLLABORATIVE)
    wanted |= top_places(np.where(open_to, log.likes_lately, -np.inf), N_POPULAR)
    wanted |= top_places(np.where(open_to & (log.plays > 0), _rates(log), -np.inf), N_RATED)
    similarity = known.latest_user_vectors[users] @ known.track_vectors.T
    near = np.where(open_to & known.track_vectors.any(1), similarity, -np.inf)
    wanted |= top_places(near, N_NEAR)
    wanted |= top_places(np.where(is_new, near, -np.inf), N_NEAR_NEW)
    to_explore = open_to & is_new & (log.plays < ENOUGH_PLAYS)
    if policy.exploration == "bonus":
        wanted |= to_explore
    rows, tracks = np.nonzero(wanted)
    asked = {
        "user": pl.Series(known.user_ids, dtype=pl.String).gather(users[rows]),
        "track": pl.Series(known.track_ids, dtype=pl.String).gather(tracks),
    }
    value = np.full(wanted.shape, -np.inf, np.float32)
    value[rows, tracks] = ranker.predict(pl.DataFrame(asked).with_columns(day=pl.lit(float(day))))
    return Candidates(value=value, to_explore=to_explore)


def fill_lists(
    policy: Policy, candidates: Candidates, *, plays: NDArray[np.int64], n_new_plays: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Choose each user's list from their candidates.

    The best by value come first; with exploration the last `KEPT_PLACES` go to tracks with fewer than `ENOUGH_PLAYS`
    plays, if there are any: at random, or those of the highest value with the exploration bonus.

    Parameters
    ----------
    policy
        How it explores.
    candidates
        For these users.
    plays : (n_tracks,)
        Of each track by now.
    n_new_plays
        Of all the tracks released since the first morning.
    rng
        Of exploration at random.

    Returns
    -------
    lists : (n, LIST_LENGTH)
        Tracks; -1 where there is nothing left to show.
    """
    if policy.exploration == "none":
        return _best_or_none(candidates.value, LIST_LENGTH)
    first = _best_or_none(candidates.value, LIST_LENGTH - KEPT_PLACES)
    in_first = np.zeros((len(first), candidates.value.shape[1] + 1), np.bool_)  # a column more, for -1
    np.put_along_axis(in_first, first, values=True, axis=1)
    in_first = in_first[:, :-1]
    left = np.where(in_first, -np.inf, candidates.value)
    unknown = candidates.to_explore & (plays < ENOUGH_PLAYS) & ~in_first
    if policy.exploration == "random":
        merit = rng.random(left.shape)
    else:
        counted = np.minimum(plays, n_new_plays)
        merit = explored_value(left, counted, all_plays=n_new_plays, weight=BONUS_WEIGHT, enough=ENOUGH_PLAYS)
    last = _best_or_none(np.where(unknown, 2.0 + merit, left), KEPT_PLACES)  # 2: above any probability
    return np.concatenate([first, last], axis=1)


def best(value: NDArray[np.floating], k: int) -> NDArray[np.int64]:
    """Find the k highest of each row, highest first: (n, k)."""
    found = np.argpartition(-value, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(value, found, axis=1), axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1)


def top_places(value: NDArray[np.floating], k: int) -> Bools:
    """Mark the k highest of each row, none that is -inf: (n, n_columns)."""
    marked = np.zeros(value.shape, np.bool_)
    np.put_along_axis(marked, best(value, min(k, value.shape[1])), values=True, axis=1)
    return marked & (value > -np.inf)


def _best_or_none(value: NDArray[np.floating], k: int) -> NDArray[np.int64]:
    """Find the k highest of each row, -1 instead of those that are -inf: (n, k)."""
    found = best(value, k)
    return np.where(np.take_along_axis(value, found, axis=1) > -np.inf, found, -1)


def _rates(log: LogSoFar) -> NDArray[np.float64]:
    """Smooth the tracks' like rates among opinions by a Beta prior: (n_tracks,)."""
    return smoothed_rate(log.likes, log.opinions, prior_by_likelihood(log.likes, log.opinions))
