"""Pretraining pipeline of ``audio-engine pretrain``: an encoder trained on audio and makers alone."""

import logging
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import torch

from audio_engine.plays.tables import audio_files, read_track_table
from audio_engine.training.mel_cache import PROGRESS_EVERY
from features.decode import Segments, decode_segments
from features.mel import LogMel
from features.recipe import MelRecipe
from metric_learning.checkpoint import save_checkpoint
from metric_learning.encoder_config import EncoderConfig
from metric_learning.pretrain import PretrainConfig
from metric_learning.pretrain import pretrain as pretrain_encoder
from metric_learning.temporary_array import temporary_array
from metric_learning.time_left import TimeLeft

logger = logging.getLogger(__name__)

AHEAD = 4  # files for each thread that are decoded before they are asked for


def pretrain(  # noqa: PLR0913  (one command, with its options)
    tracks: Path,
    audio: Path,
    out: Path,
    *,
    maker: str = "artist_key",
    split: str | None = "train",
    config: PretrainConfig | None = None,
    on_progress: Callable[[str], None] = logger.info,
) -> str:
    """Train an encoder so that tracks of one maker come to lie together, and write it as a model.

    Parameters
    ----------
    tracks
        A Parquet or CSV file with the columns `track`, `file` and the maker's; with a split, also `split`.
    audio
        The folder that `file` is in.
    out
        The model's folder, made where it is missing.
    maker
        The column that says who made a track.
    split
        Learn from tracks of this split only; None: from all.
    config
        How to learn, the seed included.
    on_progress
        Called with a line of text for every hundredth log-mel; by default it is logged.

    Returns
    -------
    model_id
        Of the model that was written; the same again on the same data, seed and machine.

    Raises
    ------
    FileNotFoundError, ValueError
        When the table or a file is missing, or the table lacks a column.
    DecodeError
        When a file cannot be decoded.
    """
    table = read_track_table(tracks, columns=[maker], split=split)
    recipe = MelRecipe()
    files = audio_files(table, audio)
    log_mels = temporary_array((len(files), recipe.n_segments, recipe.n_mels, recipe.n_frames))
    for row, log_mel in enumerate(_log_mels(files, recipe, on_progress)):
        log_mels[row] = log_mel
    encoder_config = EncoderConfig(n_mels=recipe.n_mels, frame_rate=recipe.sample_rate / recipe.hop_length)
    encoder = pretrain_encoder(
        torch.from_numpy(log_mels), table[maker].to_list(), encoder_config=encoder_config, config=config
    )
    return save_checkpoint(out, encoder, recipe)


def _log_mels(files: Sequence[Path], recipe: MelRecipe, on_progress: Callable[[str], None]) -> Iterator[torch.Tensor]:
    """Decode in threads; give the log-mel (n_segments, n_mels, n_frames) of each file, in their order."""
    log_mel, time_left = LogMel(recipe), TimeLeft(total=len(files))
    for n_done, decoded in enumerate(_decoded(files, recipe), start=1):
        if n_done % PROGRESS_EVERY == 0:
            on_progress(f"{n_done} of {len(files)} log-mels computed, {time_left.after(n_done)}")
        yield log_mel.of_segments(torch.from_numpy(decoded.segments)[None])[0]


def _decoded(files: Sequence[Path], recipe: MelRecipe) -> Iterator[Segments]:
    """Decode in threads, not more than a few files ahead of whoever reads: memory stays flat."""
    n_threads = os.cpu_count() or 1
    waiting: deque[Future[Segments]] = deque()
    with ThreadPoolExecutor(n_threads) as threads:
        for file in files:
            waiting.append(threads.submit(decode_segments, file, recipe))
            if len(waiting) > AHEAD * n_threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
