"""What the vectors of tracks lean towards before a user tower is trained: a truncated SVD of what the plays say.

From random vectors, training learns first what is popular; on a large log, tastes show only after many passes in which
the loss rests. The strongest directions of users × tracks tell tastes before the first step.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from metric_learning.play_log import PlayLog
from metric_learning.threads import one_thread

N_ROUNDS = 3  # of subspace iteration; each reads the log once
N_SPARE = 8  # directions beside those that are wanted, so that these converge sooner
FEW_PLAYS = 10.0  # added to the number of plays: a user or track with fewer says little
BLOCK_PLAYS = 1 << 20  # plays in memory at once, at least those of one user

Floats = NDArray[np.float32]
Weights = NDArray[np.floating]


def spectral_track_vectors(plays: PlayLog, *, n_users: int, n_tracks: int, dim: int, seed: int = 0) -> Floats:
    """Find the strongest directions in which users set tracks apart.

    Each play counts its signal times its weight, over the square roots of how many plays its user and its track have,
    so that neither the eager nor the popular decide.

    Parameters
    ----------
    plays
        May be memory-mapped, and is read in blocks; sorted by user unless it is already.
    n_users, n_tracks
        Rows and columns.
    dim
        Directions.
    seed
        Of the directions to begin with.

    Returns
    -------
    vectors : (n_tracks, min(dim, n_tracks))
        In order of strength; zeros where the plays say nothing.

    References
    ----------
    N. Halko, P. G. Martinsson, J. A. Tropp, Finding structure with randomness, SIAM Review 2011, algorithm 4.4:
    randomised subspace iteration.
    """
    plays = plays.in_order_of("user")
    of_users = (plays.count_by("user", n_users) + FEW_PLAYS) ** -0.5
    of_tracks = (plays.count_by("track", n_tracks) + FEW_PLAYS) ** -0.5
    width = min(dim + N_SPARE, n_tracks)
    directions = np.random.default_rng(seed).standard_normal((n_tracks, width)).astype(np.float32)
    with one_thread():  # the same bits on any number of threads: a training that was killed recognises its start
        for _ in range(N_ROUNDS):
            basis, image = _orthonormal(directions), np.zeros_like(directions)
            for block in _blocks(plays, of_users, of_tracks):
                image += block.T @ (block @ basis)
            directions = image
        basis = _orthonormal(directions)
        gram = torch.zeros(width, width)
        for block in _blocks(plays, of_users, of_tracks):
            told = torch.from_numpy(block @ basis)
            gram += told.T @ told
        strengths, turn = torch.linalg.eigh(gram)
        strongest = (turn * strengths.clamp(min=0).sqrt()).flip(1)[:, : min(dim, n_tracks)]
        vectors = torch.from_numpy(basis) @ strongest
    return np.asarray(of_tracks[:, None] * vectors.numpy(), np.float32)


def _orthonormal(directions: Floats) -> Floats:
    """Make columns orthonormal, keeping what they span."""
    return np.asarray(torch.linalg.qr(torch.from_numpy(directions))[0].numpy())


def _blocks(plays: PlayLog, of_users: Weights, of_tracks: Weights) -> Iterator[csr_array]:
    """Read the log: users × tracks for some users at a time, who are numbered from 0 in each block."""
    start, n_tracks = 0, len(of_tracks)
    while start < len(plays):
        stop = start + BLOCK_PLAYS
        if stop < len(plays):  # to the end of a user's plays
            stop = int(np.searchsorted(plays.user, plays.user[stop - 1], side="right"))
        block = plays.where(np.arange(start, min(stop, len(plays))))
        said = block.signal() * block.weight() * of_users[block.user] * of_tracks[block.track]
        row = block.user - block.user[0]
        yield csr_array((said.astype(np.float32), (row, block.track)), shape=(int(row[-1]) + 1, n_tracks))
        start = stop
