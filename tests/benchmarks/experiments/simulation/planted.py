"""A world for tests: two kinds of users and of tracks, each likes its own, and a track's vector reveals its kind."""

import numpy as np
import polars as pl

from metric_learning.play_log import DISLIKE, LIKE, PlayLog
from tests.benchmarks.experiments.simulation.response import Response
from tests.benchmarks.experiments.simulation.world import Known, SimulatedWorld

N_USERS, N_OLD, N_NEW, FIRST_DAY = 100, 160, 20, 30
SHAPE = (N_USERS, N_OLD + N_NEW)
OWN_KIND = np.arange(N_USERS)[:, None] % 2 == np.arange(N_OLD + N_NEW) % 2


def planted_world() -> SimulatedWorld:
    """Build it: half of the old tracks have been played by everyone, and two new ones are released a day."""
    rng = np.random.default_rng(0)
    user, track = np.nonzero(rng.random((N_USERS, N_OLD)) < 0.5)
    plays = PlayLog(
        user=user,
        track=track,
        day=np.sort(rng.uniform(0, FIRST_DAY, len(user))).astype(np.float32),
        completion=np.where(OWN_KIND[user, track], 0.9, 0.1).astype(np.float32),
        action=np.where(OWN_KIND[user, track], LIKE, DISLIKE).astype(np.int8),
    )
    kinds = np.eye(2, dtype=np.float32)
    tracks, users = kinds[np.arange(SHAPE[1]) % 2], kinds[np.arange(N_USERS) % 2]
    release = np.concatenate(
        [np.linspace(-60, FIRST_DAY - 1, N_OLD).astype(np.int64), FIRST_DAY + np.arange(N_NEW) // 2]
    )
    user_ids, track_ids = tuple(f"u{i}" for i in range(N_USERS)), tuple(f"t{i}" for i in range(SHAPE[1]))
    likes = np.where(OWN_KIND, 0.9, 0.1)
    probability = np.stack([np.zeros(SHAPE), likes, 1 - likes, np.zeros(SHAPE)], axis=-1).astype(np.float32)
    return SimulatedWorld(
        known=Known(
            user_ids=user_ids,
            track_ids=track_ids,
            users=pl.DataFrame({"user": user_ids}),
            tracks=pl.DataFrame({"track": track_ids, "release_day": release, "vector": tracks.tolist()}),
            user_vectors=pl.DataFrame({"user": user_ids, "day": [0.0] * N_USERS, "vector": users.tolist()}),
            track_vectors=tracks,
            latest_user_vectors=users,
            release_day=release,
            plays=plays,
            first_day=FIRST_DAY,
        ),
        response=Response(probability=probability, completion=(np.array([0.5], np.float32),) * 4),
        visit=np.full(N_USERS, 0.5),
        attention=np.ones(SHAPE[1]),
    )
