"""MusiCNN, as a 753-number encoder: for comparison, and as a teacher of the features that ship.

The network is reimplemented from its papers; the weights are read from the PyPI package (``pip install --no-deps
musicnn``: it requires a TensorFlow and a numpy of 2019, and none of its code is run). It was trained on the tags of the
Million Song Dataset, genres among them. The encoder that ships was taught by it (`metric_learning.taught_features`), so
it may not be scored in a world whose tastes were made with it.

The released package returns the ``penultimate`` of the first patch repeatedly for the whole track; here every patch is
described separately.

References
----------
J. Pons et al., End-to-end learning for music audio tagging at scale, ISMIR 2018: timbral and temporal front end.
J. Pons, X. Serra, musicnn: pre-trained convolutional neural networks for music audio tagging, ISMIR 2019 late-breaking:
    densely connected middle, mean and max pooling; the weights of ``MSD_musicnn``.
"""

from collections.abc import Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import cast

import librosa
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from audio_engine.evaluation.genre.tensorflow_checkpoint import read_checkpoint

SAMPLE_RATE = 16_000  # Hz
N_FFT, HOP_LENGTH = 512, 256  # samples, 32 ms and 16 ms
N_MELS = 96
N_FRAMES = 187  # of a patch, 3 s
COMPRESSION = 1e4  # log10(1 + 1e4 power)
TIMBRAL_BANDS = (38, 67)  # 0.4 and 0.7 of the bands
TIMBRAL_FRAMES = 7
TEMPORAL_FRAMES = (128, 64, 32)
N_TIMBRAL, N_TEMPORAL, N_MIDDLE = 204, 51, 64  # filters of each kind
N_FRONT = len(TIMBRAL_BANDS) * N_TIMBRAL + len(TEMPORAL_FRAMES) * N_TEMPORAL  # 561
DIM = N_FRONT + 3 * N_MIDDLE  # 753
N_TAGS = 50
NORM_EPS = 1e-3  # of TensorFlow's batch normalisation
BATCH_PATCHES = 16
CACHE_FRAMES = 24  # filtered at once

# The fifty tags of the Million Song Dataset (last.fm), most frequent first: the outputs of the last layer.
TAGS = (  # noqa: SIM905  (fifty lines otherwise)
    "rock pop alternative indie electronic female_vocalists dance 00s alternative_rock jazz beautiful metal chillout "
    "male_vocalists classic_rock soul indie_rock mellow electronica 80s folk 90s chill instrumental punk oldies blues "
    "hard_rock ambient acoustic experimental female_vocalist guitar hip-hop 70s party country easy_listening sexy "
    "catchy funk electro heavy_metal progressive_rock 60s rnb indie_pop sad house happy"
).split()

Floats = NDArray[np.float32]


class MusiCNN(nn.Module):
    """Maps patches of log-mel to filter responses averaged over time, and to tags."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1, eps=NORM_EPS)
        front = [nn.Conv2d(1, N_TIMBRAL, (TIMBRAL_FRAMES, n_bands)) for n_bands in TIMBRAL_BANDS]
        front += [nn.Conv2d(1, N_TEMPORAL, (n_frames, 1)) for n_frames in TEMPORAL_FRAMES]
        self.front = nn.ModuleList(front)
        self.front_norms = nn.ModuleList(nn.BatchNorm2d(conv.out_channels, eps=NORM_EPS) for conv in front)
        widths = (N_FRONT, N_MIDDLE, N_MIDDLE)
        self.middle = nn.ModuleList(nn.Conv1d(n, N_MIDDLE, TIMBRAL_FRAMES, padding=TIMBRAL_FRAMES // 2) for n in widths)
        self.middle_norms = nn.ModuleList(nn.BatchNorm1d(N_MIDDLE, eps=NORM_EPS) for _ in widths)
        self.pool_norm = nn.BatchNorm1d(2 * DIM, eps=NORM_EPS)
        self.dense = nn.Linear(2 * DIM, 200)
        self.dense_norm = nn.BatchNorm1d(200, eps=NORM_EPS)
        self.output = nn.Linear(200, N_TAGS)

    def forward(self, log_mel: Tensor) -> tuple[Tensor, Tensor]:
        """Describe patches.

        Parameters
        ----------
        log_mel : (n_patches, n_frames, n_mels)

        Returns
        -------
        mean_pool : (n_patches, DIM)
        tags : (n_patches, N_TAGS)
            Probabilities, in the order of `TAGS`.
        """
        image = self.norm(log_mel.unsqueeze(1))
        heard = torch.cat(
            [_heard(image, conv, norm) for conv, norm in zip(self.front, self.front_norms, strict=True)], dim=1
        )
        layers, before = [heard], heard
        for number, (conv, norm) in enumerate(zip(self.middle, self.middle_norms, strict=True)):
            after = norm(F.relu(conv(before)))
            before = after if number == 0 else after + before
            layers.append(before)
        dense = torch.cat(layers, dim=1)
        mean_pool = dense.mean(2)
        pooled = self.pool_norm(torch.stack([dense.amax(2), mean_pool], dim=2).flatten(1))
        hidden = self.dense_norm(F.relu(self.dense(pooled)))
        return mean_pool, torch.sigmoid(self.output(hidden))


def describe_musicnn(waveforms: Sequence[Floats], sample_rate: int) -> NDArray[np.float32]:
    """Average the 753 numbers of all 3-s patches of each waveform.

    Parameters
    ----------
    waveforms
        Each (n_samples,), mono.
    sample_rate
        Must be 16,000 Hz.

    Returns
    -------
    vectors : (n_waveforms, DIM)
    """
    return _averages(waveforms, sample_rate, output=0)


def tag_probabilities(waveforms: Sequence[Floats], sample_rate: int) -> NDArray[np.float32]:
    """Average the tag probabilities of all patches of each waveform: (n_waveforms, N_TAGS), as `describe_musicnn`."""
    return _averages(waveforms, sample_rate, output=1)


def patches(waveform: Floats) -> Floats:
    """Cut a waveform at 16 kHz into adjacent log-mel patches: (n_patches, N_FRAMES, N_MELS); short ones repeat."""
    power = librosa.feature.melspectrogram(
        y=waveform, sr=SAMPLE_RATE, n_fft=N_FFT, hop_length=HOP_LENGTH, n_mels=N_MELS
    )
    log_mel = np.log10(1 + COMPRESSION * power.T).astype(np.float32)
    if len(log_mel) < N_FRAMES:
        log_mel = np.resize(log_mel, (N_FRAMES, N_MELS))
    n_patches = len(log_mel) // N_FRAMES
    return log_mel[: n_patches * N_FRAMES].reshape(n_patches, N_FRAMES, N_MELS)


@cache
def load_musicnn() -> MusiCNN:
    """Build the network and fill it with the weights of the installed package.

    Raises
    ------
    ValueError
        When the package is not installed; the message says how to install it.
    """
    network = MusiCNN()
    _fill(network, read_checkpoint(weights_dir()))
    return network.eval()


def is_installed() -> bool:
    """Tell whether the package with the weights is installed."""
    try:
        weights_dir()
    except ValueError:
        return False
    return True


def weights_dir() -> Path:
    """Find the folder of the weights in the installed package, without running any of its code."""
    try:
        package = metadata.distribution("musicnn")
    except metadata.PackageNotFoundError as error:
        raise ValueError(
            "musicnn must be installed for its weights: pip install --no-deps musicnn (its code is not run)"
        ) from error
    return Path(str(package.locate_file("musicnn/MSD_musicnn")))


def _averages(waveforms: Sequence[Floats], sample_rate: int, *, output: int) -> NDArray[np.float32]:
    """Average one output over the patches of each waveform."""
    if sample_rate != SAMPLE_RATE:
        raise ValueError(f"sample_rate must be {SAMPLE_RATE} Hz for MusiCNN, got {sample_rate}")
    cut = [patches(waveform) for waveform in waveforms]
    together, network = torch.from_numpy(np.concatenate(cut)), load_musicnn()
    with torch.inference_mode():
        values = torch.cat([network(batch)[output] for batch in torch.split(together, BATCH_PATCHES)])
    return np.stack([each.mean(0).numpy() for each in torch.split(values, [len(each) for each in cut])])


def _fill(network: MusiCNN, tensors: dict[str, Floats]) -> None:
    """Copy the tensors of the checkpoint, which numbers its layers in order of creation."""
    convolutions = [*network.front, *network.middle]
    norms = [network.norm, *network.front_norms, *network.middle_norms, network.pool_norm, network.dense_norm]
    with torch.no_grad():
        for number, conv in enumerate(convolutions):
            kernel = torch.from_numpy(tensors[f"{_numbered('conv2d', number)}/kernel"].transpose(3, 2, 0, 1).copy())
            # TensorFlow's middle has (frames, channels heard, 1, filters): its channels are where bands were
            conv.weight.copy_(kernel if isinstance(conv, nn.Conv2d) else kernel.squeeze(1).transpose(1, 2))
            conv.bias.copy_(_tensor(tensors, f"{_numbered('conv2d', number)}/bias"))
        for number, norm in enumerate(norms):
            name = _numbered("batch_normalization", number)
            norm.weight.copy_(_tensor(tensors, f"{name}/gamma"))
            norm.bias.copy_(_tensor(tensors, f"{name}/beta"))
            norm.running_mean.copy_(_tensor(tensors, f"{name}/moving_mean"))
            norm.running_var.copy_(_tensor(tensors, f"{name}/moving_variance"))
        for number, dense in enumerate((network.dense, network.output)):
            dense.weight.copy_(_tensor(tensors, f"{_numbered('dense', number)}/kernel").T)
            dense.bias.copy_(_tensor(tensors, f"{_numbered('dense', number)}/bias"))


def _heard(image: Tensor, conv: nn.Module, norm: nn.Module) -> Tensor:
    """Filter (n, 1, frames, bands), rectify, normalise, and take the maximum over bands: (n, n_filters, frames).

    Rectifying and normalising keep the order of values (or reverse it, if the norm's weight is negative, where filters
    are turned around), so they can follow the maximum. A few frames at a time stay in a core's cache: half the time of
    the convolution, with the same result.
    """
    n_frames, n_bands = cast(nn.Conv2d, conv).kernel_size
    sign = torch.where(cast(nn.BatchNorm2d, norm).weight < 0, -1.0, 1.0)
    filters = (cast(nn.Conv2d, conv).weight.flatten(1) * sign.unsqueeze(1)).T.contiguous()
    padded = F.pad(image[:, 0], (0, 0, (n_frames - 1) // 2, n_frames // 2))
    extremes = torch.stack([_most(patch, (n_frames, n_bands), filters) for patch in padded])
    extreme = extremes * sign.unsqueeze(1) + cast(Tensor, conv.bias).unsqueeze(1)
    heard: Tensor = norm(F.relu(extreme).unsqueeze(3)).squeeze(3)
    return heard


def _most(patch: Tensor, size: tuple[int, ...], filters: Tensor) -> Tensor:
    """Filter one patch, (frames, bands), and take the maximum over bands: (n_filters, frames)."""
    views = patch.unfold(0, size[0], 1).unfold(1, size[1], 1)
    n_bands = views.shape[1]
    pieces = [piece.reshape(-1, size[0] * size[1]) @ filters for piece in torch.split(views, CACHE_FRAMES)]
    return torch.cat([piece.view(-1, n_bands, filters.shape[1]).amax(1) for piece in pieces]).T


def _numbered(kind: str, number: int) -> str:
    """Name a layer as TensorFlow does: the first has no number."""
    return f"{kind}_{number}" if number else kind


def _tensor(tensors: dict[str, Floats], name: str) -> Tensor:
    return torch.from_numpy(tensors[name].copy())
