"""Pretraining pipeline of ``audio-engine pretrain``: an encoder trained on audio and makers alone."""

import logging
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from audio_engine.decoding.degradations import encode_mp3
from audio_engine.plays.table_files import reading, scan_table
from audio_engine.plays.tables import read_tracks
from audio_engine.training.mel_cache import PROGRESS_EVERY
from features.decode import DecodeError, Segments, decode, decode_segments
from features.mel import LogMel
from features.recipe import MelRecipe
from metric_learning.checkpoint import load_checkpoint, save_checkpoint
from metric_learning.encoder_config import EncoderConfig
from metric_learning.model_files import DEFAULT_MODEL_DIR
from metric_learning.pretrain import pretrain as pretrain_encoder
from metric_learning.pretrain_config import PretrainConfig
from metric_learning.temporary_array import temporary_array
from metric_learning.time_left import TimeLeft

if TYPE_CHECKING:
    from pytorch_lightning.loggers import Logger

logger = logging.getLogger(__name__)

Floats = NDArray[np.float32]

AHEAD = 4  # files for each thread that are decoded before they are asked for


def pretrain(  # noqa: PLR0913  (one command, with its options)
    tracks: Path,
    audio: Path,
    out: Path,
    *,
    maker: str = "artist_key",
    split: str | None = "train",
    start_from: Path | None = None,
    from_scratch: bool = False,
    config: PretrainConfig | None = None,
    on_progress: Callable[[str], None] = logger.info,
    loggers: "Sequence[Logger | str]" = (),
) -> str:
    """Train an encoder so that tracks of one maker come to lie together, and write it as a model.

    Parameters
    ----------
    tracks
        A Parquet or CSV file with the columns `track`, `file` and the maker's, and maybe `split`.
    audio
        The folder that `file` is in.
    out
        The model's folder, made where it is missing.
    maker
        The column that says who made a track.
    split
        Learn from tracks of this split only; None: from all, as from a table without splits for ``train``.
    start_from
        Folder of a model whose features are kept, those that larger networks taught it included; None: the one in the
        package.
    from_scratch
        Learn filters from these tracks alone, and no taught features.
    config
        How to learn, the seed included.
    on_progress
        Called with a line of text for every hundredth log-mel, and for each file that cannot be read, which is left
        out; by default it is logged.
    loggers
        Of Lightning, any, or ``csv`` and ``tensorboard``, which write to ``out/training/``: how far each axis tells
        makers apart.

    Returns
    -------
    model_id
        Of the model that was written; the same again on the same data, seed and machine.

    Raises
    ------
    FileNotFoundError, ValueError
        When the table is missing or lacks a column, or fewer than two files can be read.
    """
    log_metrics = _log_to(loggers, out / "training") if loggers else None
    with reading(tracks):
        has_splits = "split" in scan_table(tracks).collect_schema()
    if split == "train" and not has_splits:
        split = None
    known = read_tracks(tracks, audio, columns=[maker], split=split, at_least=2)
    start, recipe = (None, MelRecipe()) if from_scratch else load_checkpoint(start_from or DEFAULT_MODEL_DIR)
    shape = (len(known), recipe.n_segments, recipe.n_mels, recipe.n_frames)
    plain, coded = temporary_array(shape), temporary_array(shape)
    read: list[int] = []
    for row, *versions in _log_mels(known.files, recipe, on_progress):
        plain[len(read)], coded[len(read)] = versions
        read.append(row)
    if len(read) < 2:
        raise ValueError(
            f"audio must hold at least 2 files that can be read, got {len(read)} of {len(known)} in {audio}"
        )
    fresh = EncoderConfig(n_mels=recipe.n_mels, frame_rate=recipe.sample_rate / recipe.hop_length)
    encoder = pretrain_encoder(
        torch.from_numpy(plain[: len(read)]),
        known.table[maker].gather(read).to_list(),
        encoder_config=replace(start.config, n_random=0) if start else fresh,
        others=torch.from_numpy(coded[: len(read)]),
        start_from=start,
        config=config,
        log_metrics=log_metrics,
    )
    return save_checkpoint(out, encoder, recipe)


def _log_to(loggers: "Sequence[Logger | str]", folder: Path) -> Callable[[Mapping[str, float], int], None]:
    """Open loggers, and return what logs to them."""
    from audio_engine.training.loggers import log_to, open_loggers  # noqa: PLC0415  (Lightning: an extra, and slow)

    return log_to(open_loggers(loggers, folder), "pretrain")


def _log_mels(
    files: Sequence[Path], recipe: MelRecipe, on_progress: Callable[[str], None]
) -> Iterator[tuple[int, Floats, Floats]]:
    """Decode in threads; give the row of each file that can be read, and two log-mels: as it is, and through MP3."""
    log_mel, time_left = LogMel(recipe), TimeLeft(total=len(files))
    for n_done, waiting in enumerate(_decoded(files, recipe), start=1):
        try:
            decoded = waiting.result()
        except (DecodeError, OSError) as error:
            on_progress(f"{files[n_done - 1]} is left out: {error}")
            continue
        if n_done % PROGRESS_EVERY == 0:
            on_progress(f"{n_done} of {len(files)} log-mels computed, {time_left.after(n_done)}")
        both = np.stack([decoded.segments, through_mp3(decoded.segments, recipe)])
        plain, coded = log_mel.of_segments(torch.from_numpy(both)).numpy()
        yield n_done - 1, plain, coded


def through_mp3(segments: Floats, recipe: MelRecipe) -> Floats:
    """Encode segments, one after the other, to MP3 and back; the codec also moves them by some milliseconds."""
    mp3 = encode_mp3(segments.reshape(-1), recipe.sample_rate)
    return np.resize(decode(mp3, recipe.sample_rate), segments.shape)


def _decoded(files: Sequence[Path], recipe: MelRecipe) -> Iterator[Future[Segments]]:
    """Decode in threads, not more than a few files ahead of whoever reads: memory stays flat."""
    n_threads = os.cpu_count() or 1
    waiting: deque[Future[Segments]] = deque()
    with ThreadPoolExecutor(n_threads) as threads:
        for file in files:
            waiting.append(threads.submit(decode_segments, file, recipe))
            if len(waiting) > AHEAD * n_threads:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
