"""The audio encoder: a convolutional network from the log-mel segments of a track to one unit vector.

Segments are described twice: by learned local filters over patches of the log-mel (what does it sound like, here and
there in time and pitch), and by fixed, differentiable statistics of the same log-mel (level, texture, rhythm and how
the bands move together), which mean pooling of a small network would miss. From both, a small network expects what
larger ones would say (`metric_learning.taught_features`). The segment embeddings are averaged over the track,
standardised, and projected to the vector.

Loudness has no effect: the log-mel is taken relative to the loudest cell of its own track.

References
----------
A. Coates, A. Y. Ng, Learning feature representations with k-means, Neural Networks: Tricks of the Trade 2012:
    normalise the patch, whiten, compare with a dictionary, keep what passes a threshold (`PatchFilters`).
S. Dieleman, B. Schrauwen, Multiscale approaches to music audio feature learning, ISMIR 2013: the same for music.
"""

import math
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from features.mel import cache_sized
from metric_learning.encoder_config import (
    PATCH_EPS,
    EncoderConfig,
    _window_means,
    relative_level,
)
from metric_learning.listening_head import ListeningHead
from metric_learning.segment_statistics import TINY, segment_statistics
from metric_learning.taught_features import TaughtFeatures

CACHE_SEGMENTS = 5  # filtered at once on a CPU: the responses to more overflow its cache
CLIP = 4.0  # standard deviations at which a statistic is clipped


class AudioEncoder(nn.Module):
    """Maps the log-mel segments of a track to its unit vector.

    A new one has random filters and a random projection; `metric_learning.pretrain.pretrain` trains it.

    Parameters
    ----------
    config
        Its shape.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.filters = PatchFilters(config)
        self.projection = nn.Linear(config.n_fixed, config.dim)
        self.taught = (
            TaughtFeatures(config.n_fixed, width=config.taught_width, n_taught=config.n_taught)
            if config.teachers
            else None
        )
        self.head = (
            ListeningHead(self.n_heard, n_reduced=config.n_reduced, n_random=config.n_random, dim=config.dim)
            if config.n_random
            else None
        )
        self.register_buffer("mean", torch.zeros(config.segment_dim))
        self.register_buffer("deviation", torch.ones(config.segment_dim))

    @property
    def n_heard(self) -> int:
        """Numbers, the last of a pooled embedding, from which taste is learned: the taught ones, if there are any."""
        return self.config.n_taught or self.config.segment_dim

    def forward(self, log_mel: Tensor) -> Tensor:
        """Embed tracks.

        Parameters
        ----------
        log_mel : (n_tracks, n_segments, n_mels, n_frames)
            Natural logarithm of power, as `features.mel.LogMel` returns it.

        Returns
        -------
        vectors : (n_tracks, dim)
            Unit length.
        """
        return self.embed_pooled(self.standardise(self.pool(log_mel)))

    def embed_pooled(self, pooled: Tensor) -> Tensor:
        """Project the pooled embeddings of tracks to their vectors.

        In an encoder trained on listening, each vector is the sum of two: what it learned from users, and what it
        learned from sound and makers, turned so that users are disturbed by it as little as may be.

        Parameters
        ----------
        pooled : (n_tracks, segment_dim)
            Standardised.

        Returns
        -------
        vectors : (n_tracks, dim)
            Unit length.
        """
        sound = self.sound_of(pooled)
        if self.head is None:
            return sound
        taste = self.taste_of(self.head, pooled)
        share = self.config.listening_share
        return F.normalize(math.sqrt(share) * taste + math.sqrt(1.0 - share) * sound, dim=-1)

    def sound_of(self, pooled: Tensor) -> Tensor:
        """Take the part of vectors that was learned from sound and makers: from the fixed features, of unit length."""
        return F.normalize(self.projection(pooled[..., : self.config.n_fixed]), dim=-1)

    def taste_of(self, head: ListeningHead, pooled: Tensor) -> Tensor:
        """Take the part that was learned from users: from what `n_heard` counts, of unit length."""
        return F.normalize(head(pooled[..., -self.n_heard :]), dim=-1)

    def embed_segments(self, log_mel: Tensor) -> Tensor:
        """Embed each segment of one track, (1, n_segments, n_mels, n_frames), by itself: (n_segments, dim)."""
        level = relative_level(log_mel, self.config)
        return self.embed_pooled(self.standardise(self.encode_segments(level[0])))

    def pool(self, log_mel: Tensor) -> Tensor:
        """Average the segment embeddings of each track: (n_tracks, n_segments, n_mels, n_frames) to segment_dim."""
        level = relative_level(log_mel, self.config)
        embeddings = self.encode_segments(level.flatten(0, 1))
        return embeddings.view(*log_mel.shape[:2], self.config.segment_dim).mean(1)

    def encode_segments(self, level: Tensor) -> Tensor:
        """Describe segments, each alone.

        Parameters
        ----------
        level : (n, n_mels, n_frames)
            From `relative_level`: 0 inaudible, 1 the loudest cell of the track.

        Returns
        -------
        embeddings : (n, segment_dim)
        """
        responses = [self.filters(piece) for piece in cache_sized(level, CACHE_SEGMENTS)]
        fixed = torch.cat([segment_statistics(level, self.config), torch.cat(responses)], dim=1)
        return fixed if self.taught is None else torch.cat([fixed, self.taught(fixed)], dim=1)

    def standardise(self, pooled: Tensor) -> Tensor:
        """Scale each number of the pooled embedding by its mean and deviation over the training tracks."""
        return ((pooled - self.mean) / self.deviation).clamp(-CLIP, CLIP)


class PatchFilters(nn.Module):
    """Learned local filters: how strongly each pattern of a dictionary occurs in each region of the spectrum.

    Every patch of the log-mel is scaled to mean 0 and deviation 1, whitened, scaled to length 1, and compared with the
    dictionary; cosines above the threshold are kept, and pooled over time and over the bands of a region.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.whitening = nn.Conv2d(
            1, config.n_whitened, (config.patch_height, config.patch_width), stride=config.patch_stride
        )
        self.dictionary = nn.Conv2d(config.n_whitened, config.n_filters, 1, bias=False)

    def forward(self, level: Tensor) -> Tensor:
        """Pool the responses: (n, n_mels, n_frames) to (n, n_responses)."""
        n_regions = self.config.n_regions
        cosines = self.whiten(level) @ self.dictionary.weight.flatten(1).T  # (n, bands, frames, n_filters)
        heard = cosines.sub_(self.config.threshold).relu_()
        means = _region_means(heard.shape[1], n_regions, device=level.device, dtype=level.dtype)
        over_bands = (means @ heard.flatten(2)).view(-1, n_regions, *heard.shape[2:])  # in a third of `mean`'s time
        mean = over_bands.mean(2, keepdim=True)
        deviation = (over_bands - mean).square().mean(2).clamp_min(TINY).sqrt()
        peak = torch.stack([region.amax(1) for region in heard.tensor_split(n_regions, dim=1)], dim=1).mean(2)
        return torch.stack([mean.squeeze(2), peak, deviation], dim=2).flatten(1).clamp_min(1e-12).sqrt()

    def whiten(self, level: Tensor) -> Tensor:
        """Whitened patches of length 1: (n, n_mels, n_frames) to (n, bands, frames, n_whitened)."""
        size, stride = self.whitening.kernel_size, self.whitening.stride
        over_bands = _window_means(level.shape[1], size[0], stride[0], device=level.device, dtype=level.dtype)
        over_frames = _window_means(level.shape[2], size[1], stride[1], device=level.device, dtype=level.dtype)
        mean = over_bands @ level @ over_frames.T
        variance = (over_bands @ level.square() @ over_frames.T - mean.square()).clamp_min(0.0)
        weight, bias = self.whitening.weight.squeeze(1), self.whitening.bias
        centred = weight - weight.mean((1, 2), keepdim=True)  # so that the mean of a patch has no effect
        block = (math.gcd(size[0], stride[0]), math.gcd(size[1], stride[1]))  # patches share whole blocks of cells
        filters = _blocks(centred, block).contiguous(memory_format=torch.channels_last)
        raw = F.conv2d(_blocks(level, block), filters, stride=(stride[0] // block[0], stride[1] // block[1]))
        whitened = raw.permute(0, 2, 3, 1) / (variance.sqrt() + PATCH_EPS).unsqueeze(-1)
        return F.normalize(whitened if bias is None else whitened.add_(bias), dim=-1, eps=1e-6)

    @staticmethod
    def normalise_patches(patches: Tensor) -> Tensor:
        """Scale single patches to mean 0 and deviation 1, as `whiten` does; shape (n, height * width) stays."""
        centred = patches - patches.mean(1, keepdim=True)
        return centred / (patches.std(1, correction=0, keepdim=True) + PATCH_EPS)


def _blocks(level: Tensor, block: tuple[int, int]) -> Tensor:
    """Make channels of the cells of each block: (n, bands, frames) to (n, cells of a block, rows, columns)."""
    n_rows, n_columns = level.shape[1] // block[0], level.shape[2] // block[1]
    whole = level[:, : n_rows * block[0], : n_columns * block[1]]
    return whole.reshape(-1, n_rows, block[0], n_columns, block[1]).permute(0, 2, 4, 1, 3).flatten(1, 2)


@cache
@torch.inference_mode(False)
def _region_means(n_bands: int, n_regions: int, *, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Matrix that averages over the bands of each region: (n_regions, n_bands)."""
    regions = torch.eye(n_bands, device=device, dtype=dtype).tensor_split(n_regions)
    return torch.stack([region.mean(0) for region in regions])
