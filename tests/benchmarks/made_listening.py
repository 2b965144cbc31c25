"""A catalogue of any size, enlarged from the pooled embeddings of real tracks, and made plays of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audio_engine.evaluation.cold_start.data import read_world
from audio_engine.training.mel_cache import cache_mels, open_mel_store
from audio_engine.training.pooling import pool_tracks
from metric_learning.checkpoint import load_checkpoint
from metric_learning.model_files import DEFAULT_MODEL_DIR
from metric_learning.play_log import DISLIKE, LIKE, NONE, PlayLog
from metric_learning.temporary_array import temporary_array
from tests.benchmarks.enlarged import enlarged

N_COMPONENTS, N_TASTES, TRACKS_PER_ARTIST = 40, 8, 8
N_MADE, MADE_RANK = 400, 40  # made tracks to enlarge from
BLOCK, PLAY_BLOCK = 512, 1 << 20  # embeddings, plays made at once


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much there is to learn from."""

    n_tracks: int
    n_users: int
    n_plays: int


def real_embeddings(world: Path, audio: Path, store: Path) -> NDArray[np.float32]:
    """Pool the warm tracks of a world with the model that ships: (n_tracks, segment_dim)."""
    encoder, recipe = load_checkpoint(DEFAULT_MODEL_DIR)
    warm = read_world(world, audio).warm
    cache_mels([warm.by_id], recipe, store)
    return pool_tracks(encoder, open_mel_store(warm.by_id, recipe, store).read(warm.track_ids))


def made_embeddings() -> NDArray[np.float32]:
    """Make embeddings of which a few directions are strong: (N_MADE, segment_dim)."""
    dim = load_checkpoint(DEFAULT_MODEL_DIR)[0].config.segment_dim
    rng = np.random.default_rng(0)
    strong = rng.standard_normal((N_MADE, MADE_RANK)) @ rng.standard_normal((MADE_RANK, dim)) / np.sqrt(MADE_RANK)
    return (strong + rng.standard_normal((N_MADE, dim))).astype(np.float32)


def many_embeddings(real: NDArray[np.float32], n: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw n embeddings like the real ones, and a target that depends on them."""
    rng = np.random.default_rng(1)
    lengths = np.linalg.norm(real, axis=1, keepdims=True)
    directions = rng.standard_normal((real.shape[1], N_COMPONENTS)).astype(np.float32) / np.sqrt(real.shape[1])
    pooled, target = temporary_array((n, real.shape[1])), np.empty((n, N_COMPONENTS), np.float32)
    for place, block in enumerate(enlarged(real / lengths, n, 0, BLOCK)):
        rows = slice(place * BLOCK, place * BLOCK + len(block))
        pooled[rows] = block * np.median(lengths)
        target[rows] = np.tanh(pooled[rows] @ directions) + 0.5 * rng.standard_normal((len(block), N_COMPONENTS))
    return pooled, target - target.mean(0)


def made_plays(size: Size, tracks: NDArray[np.float32] | None = None) -> PlayLog:
    """Make plays: some tracks are popular, and users like those that lie in the direction of their taste.

    Parameters
    ----------
    size
        How many.
    tracks : (n_tracks, N_TASTES)
        What tastes are about, of deviation 1; None: something that no sound tells.
    """
    rng = np.random.default_rng(2)
    users, made = (rng.standard_normal((n, N_TASTES)).astype(np.float32) for n in (size.n_users, size.n_tracks))
    tracks = made if tracks is None else tracks
    user = rng.integers(0, size.n_users, size.n_plays)
    track = (size.n_tracks * rng.random(size.n_plays) ** 2).astype(np.int64)
    action = np.empty(size.n_plays, np.int8)
    for start in range(0, size.n_plays, PLAY_BLOCK):
        rows = slice(start, start + PLAY_BLOCK)
        taste = (users[user[rows]] * tracks[track[rows]]).sum(1) / np.sqrt(N_TASTES)
        action[rows] = np.where(taste > 1, LIKE, np.where(taste < -1, DISLIKE, NONE))
    day = np.sort(rng.random(size.n_plays) * 365).astype(np.float32)
    return PlayLog(user=user, track=track, day=day, completion=rng.random(size.n_plays, np.float32), action=action)
