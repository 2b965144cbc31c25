"""Pretraining of an encoder from sound and makers: no plays.

`pretrain` takes log-mels and the maker of each track and trains an encoder in minutes on one core, with the same result
every time:

1. the filters are a dictionary of whitened patches, found by spherical k-means;
2. or they are taken from another encoder, with the features that were taught on top of them;
3. the pooled embedding is standardised over the training tracks;
4. the projection is a linear discriminant analysis with shrinkage: it attenuates the directions in which tracks of one
   maker, and versions of one track, differ, and keeps those in which makers differ.
"""

import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metric_learning.augment import augment
from metric_learning.discriminant import discriminant
from metric_learning.encoder import CLIP, AudioEncoder
from metric_learning.encoder_config import EncoderConfig
from metric_learning.filter_learning import fit_filters
from metric_learning.pretrain_config import PretrainConfig
from metric_learning.row_blocks import BATCH_TRACKS, row_blocks, track_batches
from metric_learning.temporary_array import temporary_array

logger = logging.getLogger(__name__)

MIN_DEVIATION = 1e-4  # a statistic that hardly varies over the training tracks is not scaled up

Floats = NDArray[np.float64]


def pretrain(  # noqa: PLR0913  (what is known of the tracks, where to start, two recipes)
    log_mels: Tensor,
    makers: Sequence[str],
    *,
    encoder_config: EncoderConfig,
    others: Tensor | None = None,
    start_from: AudioEncoder | None = None,
    config: PretrainConfig | None = None,
    log_metrics: Callable[[Mapping[str, float], int], None] | None = None,
) -> AudioEncoder:
    """Train an encoder so that tracks of one maker lie close together.

    Parameters
    ----------
    log_mels : (n_tracks, n_segments, n_mels, n_frames)
        As `features.mel.LogMel` returns them; any float type, may be memory-mapped.
    makers : (n_tracks,)
        The maker of each track: an artist, or an album or package where none is known. Duplicates of one recording
        under two names should share one.
    encoder_config
        The shape of the network.
    others : (n_tracks, n_segments, n_mels, n_frames)
        The same tracks through a codec; None: they are not known in another version than those that are made here.
    start_from
        Of the same shape, its filters and its taught features are taken as they are; None: filters are learned.
    config
        The numbers of pretraining.
    log_metrics
        Called for each axis of the vectors with its ``scatter_ratio``, of all tracks to the tracks of one maker.

    Returns
    -------
    encoder
        In evaluation mode.

    Raises
    ------
    ValueError
        When there are fewer than two makers, or not one maker per track.
    """
    config = config or PretrainConfig()
    if len(makers) != len(log_mels):
        raise ValueError(f"makers must name one for each of the {len(log_mels)} tracks, got {len(makers)}")
    classes = np.unique(np.asarray(makers), return_inverse=True)[1]
    if classes.max(initial=0) < 1:
        raise ValueError("makers must be at least two, got one (the projection separates makers)")
    generator = torch.Generator().manual_seed(config.seed)
    encoder = AudioEncoder(encoder_config).eval()
    with torch.no_grad():
        if start_from is None:
            fit_filters(encoder.filters, log_mels, config=config, generator=generator)
            logger.info("filters learned from %d tracks", len(log_mels))
        else:
            encoder.load_state_dict(_features_of(start_from), strict=False)
        versions = pool_versions(encoder, log_mels, others, n_versions=config.n_versions, generator=generator)
        fit_projection(encoder, versions, classes, config=config)
        if log_metrics:
            for axis, ratio in enumerate(_scatter_ratios(encoder, versions[0])):
                log_metrics({"scatter_ratio": ratio}, axis)
    return encoder


def _features_of(encoder: AudioEncoder) -> dict[str, Tensor]:
    """Take what describes segments from an encoder."""
    return {name: tensor for name, tensor in encoder.state_dict().items() if name.startswith(("filters.", "taught."))}


def pool_versions(
    encoder: AudioEncoder,
    log_mels: Tensor,
    others: Tensor | None = None,
    *,
    n_versions: int,
    generator: torch.Generator,
) -> NDArray[np.float32]:
    """Pool each track as it is, then in other versions: through a channel, through a codec, and another part of it.

    Parameters
    ----------
    encoder
        Pools.
    log_mels, others : (n_tracks, n_segments, n_mels, n_frames)
        As they are, and through a codec if that is known.
    n_versions
        Of each track, besides itself; the first is the codec's. The others are heard through a random channel, every
        second one in a random half of its segments.
    generator
        Of channels and segments.

    Returns
    -------
    pooled : (n_versions + 1, n_tracks, segment_dim)
        Memory-mapped: see `temporary_array`.
    """
    pooled = temporary_array((n_versions + 1, len(log_mels), encoder.config.segment_dim))
    coded = log_mels if others is None else others
    for place, (batch, other) in enumerate(zip(track_batches(log_mels), track_batches(coded), strict=True)):
        rows = slice(place * BATCH_TRACKS, place * BATCH_TRACKS + len(batch))
        pooled[0, rows] = encoder.pool(batch).numpy()
        for number in range(n_versions):
            is_coded = number == 0 and others is not None
            version = other if is_coded else augment(_part(batch, number, generator), generator)
            pooled[number + 1, rows] = encoder.pool(version).numpy()
    return pooled


def _part(batch: Tensor, number: int, generator: torch.Generator) -> Tensor:
    """Take all segments of tracks for a version of even number, and a random half of them for one of odd number."""
    n_segments = batch.shape[1]
    kept = torch.randperm(n_segments, generator=generator)[: max(1, n_segments // 2)] if number % 2 else slice(None)
    return batch[:, kept]


def fit_projection(
    encoder: AudioEncoder, versions: NDArray[np.float32], classes: NDArray[np.int64], *, config: PretrainConfig
) -> None:
    """Fit the standardisation and the projection, in place.

    Parameters
    ----------
    encoder
        Its `mean`, `deviation` and `projection` are set.
    versions : (n_versions + 1, n_tracks, segment_dim)
        Pooled embeddings; the first version is the unaltered track.
    classes : (n_tracks,)
        The maker of each track.
    config
        Components, shrinkage, weight of the versions.
    """
    mean, deviation = _moments(versions[0])
    for version in versions:
        for block in row_blocks(version):
            block[:] = np.clip((block - mean) / deviation, -CLIP, CLIP)
    fixed = versions[:, :, : encoder.config.n_fixed]
    weight = discriminant(fixed, classes, dim=encoder.config.dim, config=config)
    centre = _moments(fixed[0])[0]
    encoder.mean.copy_(torch.from_numpy(mean))
    encoder.deviation.copy_(torch.from_numpy(deviation))
    encoder.projection.weight.copy_(torch.from_numpy(weight.T))
    encoder.projection.bias.copy_(torch.from_numpy(-centre @ weight))


def _scatter_ratios(encoder: AudioEncoder, pooled: NDArray[np.float32]) -> list[float]:
    """Compute the variance of tracks along each axis, where that within makers is about 1: see `discriminant`."""
    fixed = (torch.from_numpy(block[:, : encoder.config.n_fixed]) for block in row_blocks(pooled))
    vectors: Tensor = torch.cat([encoder.projection(block) for block in fixed])
    return vectors.var(0, correction=0).tolist()


def _moments(points: NDArray[np.float32]) -> tuple[Floats, Floats]:
    """Compute mean and deviation of each feature, a block of rows at a time; nearly constant ones are not scaled up."""
    mean = sum(block.sum(0, dtype=np.float64) for block in row_blocks(points)) / len(points)
    squares = sum(np.square(block - mean).sum(0) for block in row_blocks(points)) / len(points)
    return np.asarray(mean), np.sqrt(squares) + MIN_DEVIATION
