"""The daily loop: which users come, what they find themselves, what they are shown, and how they respond.

Randomness is the same under every policy of a seed: which users come when, what they find themselves, and how they
respond to a track whoever offers it. So policies are compared on the same days.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audio_engine.ranking.ranker import Ranker
from metric_learning.play_log import PlayLog
from tests.benchmarks.experiments.ranking.data import play_frame
from tests.benchmarks.experiments.simulation.log import LogSoFar
from tests.benchmarks.experiments.simulation.policies import (
    Policy,
    fill_lists,
    recall_and_rank,
    seen_by,
)
from tests.benchmarks.experiments.simulation.response import Response
from tests.benchmarks.experiments.simulation.world import SimulatedWorld

N_FOUND = 2  # tracks that a user finds without the recommender, each time they come by
N_BATCHES = 8  # a day; counts of plays are updated after each

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class DayDone:
    """The result of a day."""

    day: int  # 1 is the first
    plays: PlayLog  # of the day
    recommended: NDArray[np.bool_]  # (n_plays,) whether the track was shown, else found
    n_plays: Rows  # (n_tracks,) of each track at the end of the day


@dataclass(frozen=True, kw_only=True)
class Chance:
    """The random draws of a run."""

    choice: NDArray[np.float32]  # (n_users, n_tracks) decides the action
    heard: NDArray[np.float32]  # (n_users, n_tracks) decides the share played
    seed: int

    @classmethod
    def of(cls, seed: int, shape: tuple[int, int]) -> "Chance":
        """Draw them from a seed."""
        rng = np.random.default_rng(seed)
        return cls(choice=rng.random(shape, np.float32), heard=rng.random(shape, np.float32), seed=seed)

    def of_day(self, day: int) -> np.random.Generator:
        """Return the generator of a day."""
        return np.random.default_rng([self.seed, day])


def run_days(
    world: SimulatedWorld, policy: Policy, log: LogSoFar, ranker: Ranker, *, n_days: int, chance: Chance
) -> Iterator[DayDone]:
    """Simulate days under a policy.

    Parameters
    ----------
    world
        Users and tracks.
    policy
        Decides what is shown.
    log
        The log at the start of the first day; it grows.
    ranker
        Trained on that log; updated after each day, with fixed weights.
    n_days
        Number of days.
    chance
        Drawn from a seed.

    Yields
    ------
    day
    """
    known = seen_by(policy, world.known)
    ranker = ranker.updated(tracks=known.tracks)
    for number in range(n_days):
        day, rng = known.first_day + number, chance.of_day(number)
        users = np.flatnonzero(rng.random(len(world.visit)) < world.visit)
        finds = _finds(world, log, users, day=day, rng=rng)
        listened = [_listen(world.response, chance, np.repeat(users, N_FOUND), finds.ravel(), day=day)]
        log.add(listened[0])
        candidates = recall_and_rank(policy, known, log, ranker, users=users, day=day)
        at_random, is_new = np.random.default_rng([chance.seed, number, 1]), known.release_day >= known.first_day
        for batch in np.array_split(np.arange(len(users)), N_BATCHES):
            n_new_plays = int(log.plays[is_new].sum())
            lists = fill_lists(policy, candidates.of(batch), plays=log.plays, n_new_plays=n_new_plays, rng=at_random)
            shown_to = np.repeat(users[batch], lists.shape[1])
            listened.append(_listen(world.response, chance, shown_to, lists.ravel(), day=day))
            log.add(listened[-1])
        plays = _joined(listened)
        ranker = ranker.updated(plays=play_frame(plays, known.user_ids, known.track_ids))
        log.end_day()
        recommended = np.arange(len(plays)) >= len(listened[0])
        yield DayDone(day=number + 1, plays=plays, recommended=recommended, n_plays=log.plays.copy())


def _finds(world: SimulatedWorld, log: LogSoFar, users: Rows, *, day: int, rng: np.random.Generator) -> Rows:
    """Draw what users find themselves among released tracks new to them, weighted by each track's attention.

    References
    ----------
    P. Efraimidis, P. Spirakis, Weighted random sampling with a reservoir, IPL 2006: the k largest of u^(1/w).
    """
    keys = np.log(rng.random((len(users), len(world.attention)))) / np.maximum(world.attention, 1e-9)
    keys[log.heard[users] | (world.known.release_day > day)] = -np.inf
    found = np.argpartition(-keys, N_FOUND - 1, axis=1)[:, :N_FOUND]
    return np.where(np.take_along_axis(keys, found, axis=1) > -np.inf, found, -1)


def _listen(response: Response, chance: Chance, users: Rows, tracks: Rows, *, day: int) -> PlayLog:
    """Let users play tracks (-1: none)."""
    users, tracks = users[tracks >= 0], tracks[tracks >= 0]
    action, completion = response.draw(users, tracks, chance.choice[users, tracks], chance.heard[users, tracks])
    when = np.full(len(users), day, np.float32)
    return PlayLog(user=users, track=tracks, day=when, completion=completion, action=action)


def _joined(parts: list[PlayLog]) -> PlayLog:
    """Concatenate logs."""
    names = PlayLog.__dataclass_fields__
    return PlayLog(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})
