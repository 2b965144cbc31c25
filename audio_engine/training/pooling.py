"""Pooled embeddings of the training tracks, kept in a file: 22 kB a track in the default encoder."""

import numpy as np
import torch
from numpy.typing import NDArray

from metric_learning.augment import augment
from metric_learning.encoder import AudioEncoder
from metric_learning.listening_data import Mels
from metric_learning.row_blocks import row_blocks
from metric_learning.temporary_array import temporary_array

KEPT_SHARE = 0.6  # of a track's segments, in the version that is heard through another channel


def pool_twice(encoder: AudioEncoder, log_mel: Mels, *, seed: int) -> NDArray[np.float32]:
    """Pool each track as it is, then each in another version: see `pool_tracks` and `pool_augmented`.

    Parameters
    ----------
    encoder
        Pools.
    log_mel : (n_tracks, n_segments, n_mels, n_frames)
        As they are.
    seed
        Of the other versions.

    Returns
    -------
    pooled : (2 * n_tracks, segment_dim)
        Memory-mapped: see `temporary_array`.
    """
    n_tracks = len(log_mel)
    pooled = temporary_array((2 * n_tracks, encoder.config.segment_dim))
    pool_tracks(encoder, log_mel, out=pooled[:n_tracks])
    pool_augmented(encoder, log_mel, seed=seed, out=pooled[n_tracks:])
    return pooled


@torch.no_grad()
def pool_tracks(encoder: AudioEncoder, log_mel: Mels, *, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Pool tracks, standardised.

    Parameters
    ----------
    encoder
        Pools.
    log_mel : (n_tracks, n_segments, n_mels, n_frames)
        Read one track at a time.
    out : (n_tracks, segment_dim)
        Written to; None: a new array in memory.

    Returns
    -------
    pooled : (n_tracks, segment_dim)
    """
    pooled = np.empty((len(log_mel), encoder.config.segment_dim), np.float32) if out is None else out
    for row, track in enumerate(log_mel):
        pooled[row] = encoder.standardise(encoder.pool(torch.from_numpy(track[None].astype(np.float32))))[0].numpy()
    return pooled


@torch.no_grad()
def pool_augmented(
    encoder: AudioEncoder, log_mel: Mels, *, seed: int, out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Pool another version of each track, standardised: a random part of its segments through a random channel.

    Parameters
    ----------
    encoder
        Pools.
    log_mel : (n_tracks, n_segments, n_mels, n_frames)
        As they are; read one track at a time.
    seed
        Of the chance.
    out : (n_tracks, segment_dim)
        Written to; None: a new array in memory.

    Returns
    -------
    pooled : (n_tracks, segment_dim)
    """
    generator, rng = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    n_segments = log_mel.shape[1]
    n_kept = max(1, round(KEPT_SHARE * n_segments))
    pooled = np.empty((len(log_mel), encoder.config.segment_dim), np.float32) if out is None else out
    for row, track in enumerate(log_mel):
        kept = np.sort(rng.permutation(n_segments)[:n_kept])
        version = augment(torch.from_numpy(track[None, kept].astype(np.float32)), generator)
        pooled[row] = encoder.standardise(encoder.pool(version))[0].numpy()
    return pooled


@torch.no_grad()
def embed_rows(encoder: AudioEncoder, pooled: NDArray[np.float32]) -> torch.Tensor:
    """Turn standardised pooled embeddings, (n_tracks, segment_dim), into vectors, (n_tracks, dim), in blocks."""
    return torch.cat([encoder.embed_pooled(torch.from_numpy(np.asarray(block))) for block in row_blocks(pooled)])
