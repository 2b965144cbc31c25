"""The encoder behind the interfaces of two benchmarks of audio representations.

HEAR (hearbenchmark.com/hear-api.html): ``hear-validator benchmark_encoders``, ``heareval.embeddings.runner``.
X-ARES (github.com/jimbozhang/xares): ``python -m xares.run benchmark_encoders.py src/tasks/esc50_task.py``.
"""

import numpy as np
import torch
from torch import Tensor, nn

from audio_engine import Embedder
from features.segments import cut_segments

HEAR_HOP_MS = 50.0  # as HEAR suggests
WINDOWS_TOGETHER = 64  # windows of 3 s in memory at once: 34 MB


class HearModel(nn.Module):
    """What HEAR asks of a model."""

    def __init__(self, embedder: Embedder) -> None:
        super().__init__()
        self.embedder = embedder
        self.sample_rate = embedder.recipe.sample_rate
        self.scene_embedding_size = self.timestamp_embedding_size = embedder.dim


def load_model(model_file_path: str = "") -> HearModel:
    """Load a model's folder, or the model that ships."""
    return HearModel(Embedder.from_pretrained(model_file_path) if model_file_path else Embedder.load())


def get_scene_embeddings(audio: Tensor, model: HearModel) -> Tensor:
    """Embed sounds (n_sounds, n_samples), each as a track: (n_sounds, dim)."""
    segments = [cut_segments(sound, model.embedder.recipe) for sound in audio.cpu().numpy()]
    return torch.from_numpy(model.embedder.embed(np.stack(segments))).to(audio.device)


def get_timestamp_embeddings(audio: Tensor, model: HearModel) -> tuple[Tensor, Tensor]:
    """Embed a window around every 50 ms: (n_sounds, n_timestamps, dim), and (n_sounds, n_timestamps) in ms."""
    vectors = embed_windows(audio, model.embedder, HEAR_HOP_MS)
    return vectors, (torch.arange(vectors.shape[1], device=audio.device) * HEAR_HOP_MS).expand(vectors.shape[:2])


class ContentEncoder(nn.Module):
    """What X-ARES asks of an encoder; it takes the one class of a file whose name ends so."""

    def __init__(self) -> None:
        super().__init__()
        self.embedder = Embedder.load()
        self.sampling_rate = self.embedder.recipe.sample_rate
        self.output_dim = self.embedder.dim
        self.hop_size_in_ms = 250

    def forward(self, audio: Tensor) -> Tensor:
        """Embed sounds (n_sounds, n_samples) or (n_samples,): (n_sounds, n_frames, dim)."""
        return embed_windows(audio.reshape(-1, audio.shape[-1]), self.embedder, self.hop_size_in_ms)


def embed_windows(audio: Tensor, embedder: Embedder, hop_ms: float) -> Tensor:
    """Embed windows of one segment's length, centred at 0, hop_ms, …, each as a track: (n_sounds, n_windows, dim)."""
    length, hop = embedder.recipe.segment_samples, round(hop_ms / 1000 * embedder.recipe.sample_rate)
    windows = nn.functional.pad(audio.cpu(), (length // 2, length - length // 2)).unfold(1, length, hop)
    vectors = [
        embedder.encode(embedder.log_mel_of(piece[:, None].numpy()))
        for sound in windows
        for piece in sound.split(WINDOWS_TOGETHER)
    ]
    return torch.from_numpy(np.concatenate(vectors)).reshape(*windows.shape[:2], -1).to(audio.device)
