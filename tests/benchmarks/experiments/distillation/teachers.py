"""What the teachers say of the 3-s segments of a 30-s window."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torchaudio.functional import resample

from audio_engine.evaluation.genre.musicnn import load_musicnn, patches
from features.recipe import MelRecipe
from tests.benchmarks.experiments.distillation.whisper import SAMPLE_RATE, WhisperBlocks

Floats = NDArray[np.float32]
RECIPE = MelRecipe()
N_SEGMENTS = RECIPE.n_segments
WINDOW_SAMPLES = N_SEGMENTS * RECIPE.segment_samples


class Teachers:
    """MusiCNN and Whisper's first blocks.

    Parameters
    ----------
    wheels
        Folder of Whisper's wheels; MusiCNN's package is installed (``pip install --no-deps musicnn``).
    """

    def __init__(self, wheels: Path) -> None:
        self.musicnn, self.whisper = load_musicnn(), WhisperBlocks(wheels)

    @torch.inference_mode()
    def describe(self, window: Floats) -> tuple[Floats, Floats]:
        """Describe each segment of a window.

        Parameters
        ----------
        window : (WINDOW_SAMPLES,)
            At the rate of the recipe.

        Returns
        -------
        musicnn : (N_SEGMENTS, 753)
            Of the 3 s, averaged over time.
        whisper : (N_SEGMENTS, 1024)
            Of the frames in these 3 s, averaged; heard in the whole window.
        """
        waveform = resample(torch.from_numpy(window), RECIPE.sample_rate, SAMPLE_RATE)
        segments = waveform.view(N_SEGMENTS, -1).numpy()
        log_mels = np.concatenate([patches(segment)[:1] for segment in segments])
        musicnn = self.musicnn(torch.from_numpy(log_mels))[0]
        frames = self.whisper(waveform[None])[0]
        return musicnn.numpy(), frames.view(N_SEGMENTS, -1, frames.shape[1]).mean(1).numpy()
