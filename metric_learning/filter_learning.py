"""Learning of an encoder's filters: a dictionary of whitened patches of log-mels, found by spherical k-means."""

import torch
from torch import Tensor

from metric_learning.encoder import PatchFilters
from metric_learning.encoder_config import relative_level
from metric_learning.pretrain_config import PretrainConfig
from metric_learning.row_blocks import track_batches

N_ITERATIONS = 12  # of k-means
WHITENING_EPS = 0.05  # of the mean variance of a patch: limits the amplification of weak directions
FLAT_SHARE = 0.1  # of the patches; the flattest are excluded from training


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


def _draw_patches(filters: PatchFilters, log_mels: Tensor, *, n_patches: int, generator: torch.Generator) -> Tensor:
    """Draw patches of every track, each scaled to mean 0 and deviation 1: (n, patch_height * patch_width)."""
    config = filters.config
    drawn = []
    for batch in track_batches(log_mels):
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
