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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metric_learning.augment import augment
from metric_learning.encoder import CLIP, AudioEncoder, PatchFilters
from metric_learning.encoder_config import EncoderConfig, relative_level
from metric_learning.principal_components import principal_components
from metric_learning.row_blocks import row_blocks
from metric_learning.temporary_array import temporary_array

logger = logging.getLogger(__name__)

BATCH_TRACKS = 8  # tracks pooled at once
N_ITERATIONS = 12  # of k-means
WHITENING_EPS = 0.05  # of the mean variance of a patch: limits the amplification of weak directions
MIN_DEVIATION = 1e-4  # a statistic that hardly varies over the training tracks is not scaled up
FLAT_SHARE = 0.1  # of the patches; the flattest are excluded from training

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """The numbers of pretraining.

    Raises
    ------
    ValueError
        When a number is out of range; the message names it.
    """

    n_patches: int = 60  # drawn from each track
    n_versions: int = 4  # augmented versions of each track, besides the original
    n_components: int = 120  # principal components that the projection may use
    shrinkage: float = 0.3  # of the within-maker scatter towards a multiple of the identity
    version_weight: float = 0.6  # of the scatter between versions of one track, relative to that within makers
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("n_patches", "n_components"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.n_versions < 0:
            raise ValueError(f"n_versions must be at least 0, got {self.n_versions}")
        if not 0.0 < self.shrinkage <= 1.0:
            raise ValueError(f"shrinkage must be above 0 and at most 1, got {self.shrinkage}")


def pretrain(  # noqa: PLR0913  (what is known of the tracks, where to start, two recipes)
    log_mels: Tensor,
    makers: Sequence[str],
    *,
    encoder_config: EncoderConfig,
    others: Tensor | None = None,
    start_from: AudioEncoder | None = None,
    config: PretrainConfig | None = None,
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
    for place, (batch, other) in enumerate(zip(_batches(log_mels), _batches(coded), strict=True)):
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


def fit_filters(filters: PatchFilters, log_mels: Tensor, *, config: PretrainConfig, generator: torch.Generator) -> None:
    """Learn the whitening and the dictionary from patches of the training tracks, in place."""
    patches = _draw_patches(filters, log_mels, n_patches=config.n_patches, generator=generator)
    centre = patches.mean(0)
    variances, directions = torch.linalg.eigh(torch.cov((patches - centre).T))
    n_kept = filters.config.n_whitened
    scale = (variances[-n_kept:].clamp_min(0.0) + WHITENING_EPS * variances.mean()).rsqrt()
    whitening = directions[:, -n_kept:] * scale
    filters.whitening.weight.copy_(whitening.T.reshape(filters.whitening.weight.shape))
    if filters.whitening.bias is not None:
        filters.whitening.bias.copy_(-centre @ whitening)
    points = torch.nn.functional.normalize((patches - centre) @ whitening, dim=1)
    dictionary = spherical_k_means(points, filters.config.n_filters, generator=generator)
    filters.dictionary.weight.copy_(dictionary.reshape(filters.dictionary.weight.shape))


def spherical_k_means(points: Tensor, n_centres: int, *, generator: torch.Generator) -> Tensor:
    """Cluster points into unit directions.

    Parameters
    ----------
    points : (n, dim)
        Unit length.
    n_centres
        Directions to find.
    generator
        Draws the first centres, and new ones for centres that no point is assigned to.

    Returns
    -------
    centres : (n_centres, dim)
        Unit length.

    References
    ----------
    A. Coates, A. Y. Ng, Learning feature representations with k-means, 2012, section 3: "gain shape" k-means; here
    without the sign, since a patch and its negative do not sound alike.
    """
    centres = points[torch.randperm(len(points), generator=generator)[:n_centres]]
    for _ in range(N_ITERATIONS):
        cosine, nearest = (points @ centres.T).max(dim=1)
        sums = torch.zeros_like(centres).index_add_(0, nearest, points * cosine[:, None])
        lengths = sums.norm(dim=1, keepdim=True)
        spare = points[torch.randint(len(points), (n_centres,), generator=generator)]
        centres = torch.where(lengths > 1e-6, sums / lengths.clamp_min(1e-6), spare)
    return centres


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


def _moments(points: NDArray[np.float32]) -> tuple[Floats, Floats]:
    """Compute mean and deviation of each feature, a block of rows at a time; nearly constant ones are not scaled up."""
    mean = sum(block.sum(0, dtype=np.float64) for block in row_blocks(points)) / len(points)
    squares = sum(np.square(block - mean).sum(0) for block in row_blocks(points)) / len(points)
    return np.asarray(mean), np.sqrt(squares) + MIN_DEVIATION


def discriminant(
    versions: NDArray[np.floating],
    classes: NDArray[np.int64],
    *,
    dim: int,
    config: PretrainConfig,
) -> Floats:
    """Linear discriminant analysis with shrinkage, inside the leading principal components.

    A maker is weighted by the square root of its degrees of freedom, so that a few large ones do not dominate. The
    scatter between the versions of a track adds to the scatter within makers.

    Parameters
    ----------
    versions : (n_versions + 1, n_tracks, n_features)
        Standardised; may be memory-mapped, and is read in blocks.
    classes : (n_tracks,)
    dim
        Directions to keep; where there are fewer components, the rest are zero.
    config
        Components, shrinkage, weight of the versions.

    Returns
    -------
    weight : (n_features, dim)
        Whitens the scatter within makers, then rotates to the axes of largest total scatter.

    References
    ----------
    J. H. Friedman, Regularized discriminant analysis, JASA 1989: shrinking towards a multiple of the identity.
    A. O. Hatch et al., Within-class covariance normalization for SVM-based speaker recognition, Interspeech 2006.
    """
    clean = versions[0]
    n_components = min(config.n_components, len(clean) - 1, clean.shape[1])
    components = principal_components(clean, n_components)
    scores = [np.concatenate([block @ components for block in row_blocks(version)]) for version in versions]
    centre = scores[0].mean(0)
    scores = [each - centre for each in scores]
    within = _scatter_within(scores[0], classes)
    if len(scores) > 1:
        moved = np.concatenate([version - scores[0] for version in scores[1:]])
        within += config.version_weight * moved.T @ moved / len(moved)
    sphere = np.trace(within) / n_components * np.eye(n_components)
    variances, directions = np.linalg.eigh((1.0 - config.shrinkage) * within + config.shrinkage * sphere)
    whitening = directions / np.sqrt(variances)
    whitened = scores[0] @ whitening
    axes = np.linalg.eigh(whitened.T @ whitened)[1][:, ::-1][:, :dim]
    weight: Floats = np.zeros((len(components), dim))
    weight[:, : axes.shape[1]] = components @ whitening @ axes
    return weight


def _scatter_within(scores: Floats, classes: NDArray[np.int64]) -> Floats:
    """Scatter of tracks around the mean of their maker; a maker of one track contributes nothing."""
    scatter: Floats = np.zeros((scores.shape[1], scores.shape[1]))
    total = 0.0
    for maker in np.unique(classes):
        own = scores[classes == maker]
        if len(own) > 1:
            apart = own - own.mean(0)
            weight = (len(own) - 1) ** -0.5
            scatter += weight * apart.T @ apart
            total += weight * (len(own) - 1)
    return scatter / max(total, 1.0)


def _draw_patches(filters: PatchFilters, log_mels: Tensor, *, n_patches: int, generator: torch.Generator) -> Tensor:
    """Draw patches of every track, each scaled to mean 0 and deviation 1: (n, patch_height * patch_width)."""
    config = filters.config
    drawn = []
    for batch in _batches(log_mels):
        level = relative_level(batch, config)
        n_tracks, n_segments, n_mels, n_frames = level.shape
        for track in range(n_tracks):
            segment = torch.randint(n_segments, (n_patches,), generator=generator)
            band = torch.randint(n_mels - config.patch_height + 1, (n_patches,), generator=generator)
            frame = torch.randint(n_frames - config.patch_width + 1, (n_patches,), generator=generator)
            for s, b, f in zip(segment.tolist(), band.tolist(), frame.tolist(), strict=True):
                drawn.append(level[track, s, b : b + config.patch_height, f : f + config.patch_width].flatten())
    patches = torch.stack(drawn)
    deviation = patches.std(1, correction=0, keepdim=True)
    lively = deviation[:, 0] >= torch.quantile(deviation, FLAT_SHARE)
    return filters.normalise_patches(patches[lively])


def _batches(log_mels: Tensor) -> Iterator[Tensor]:
    """Yield the tracks in batches, as float32."""
    for start in range(0, len(log_mels), BATCH_TRACKS):
        yield log_mels[start : start + BATCH_TRACKS].float()
