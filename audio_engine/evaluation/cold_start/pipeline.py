"""Pipeline of ``audio-engine evaluate cold-start``: from the files of a world to result rows."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from audio_engine.evaluation.cold_start.benchmark import score_methods
from audio_engine.evaluation.cold_start.data import build_mels, read_world
from audio_engine.metrics.results import Result
from audio_engine.training.mel_cache import default_store
from metric_learning.model_files import DEFAULT_MODEL_DIR

logger = logging.getLogger(__name__)


def evaluate_cold_start(  # noqa: PLR0913  (one command, with its options)
    world: Path,
    audio: Path,
    *,
    cold_tracks: Path | None = None,
    cold_plays: Path | None = None,
    cold_audio: Path | None = None,
    models: Sequence[Path] | None = None,
    baselines: bool = True,
    seeds: Sequence[int] = (0,),
    store: Path | None = None,
    n_workers: int = 1,
    on_progress: Callable[[str], None] = logger.info,
) -> list[Result]:
    """Measure how well new tracks reach their users from audio alone, compared with baselines.

    Candidates are all cold tracks, without sampling. Tracks by artists without a warm track (``unseen``) are reported
    separately from the others (``seen``), and all together. The 95 % intervals come from resampling users.

    Parameters
    ----------
    world
        Folder with ``tracks.parquet`` (``split`` among its columns), ``users.parquet``, ``plays_train.parquet`` and
        ``plays_valid_cold.parquet``.
    audio
        Folder of the files that ``tracks.parquet`` names.
    cold_tracks, cold_plays, cold_audio
        A table of tracks, their plays and the folder of their files, scored instead of the tracks with
        ``split == valid_cold``; all three, or none.
    models
        Folders of trained models, one for each seed of a training; None: the model in the package; empty: none.
    baselines
        Whether to train and score the baselines too.
    seeds
        Seeds of the baselines.
    store
        Cache of log-mels between runs; None: the user's cache.
    n_workers
        Processes that decode.
    on_progress
        Called with a line of text at each step, and for each file that cannot be read; by default it is logged.

    Returns
    -------
    rows
        One for each method, kind of artist, metric and seed.

    Raises
    ------
    FileNotFoundError
        When a table or a model is missing.
    ValueError
        When a table lacks a column, only some of the three cold ones are given, or the audio of a track cannot be read.
    """
    data = read_world(world, audio, cold_tracks=cold_tracks, cold_plays=cold_plays, cold_audio=cold_audio)
    on_progress(f"warm: {data.counts[0]}; cold: {data.counts[1]}")
    models, store = [DEFAULT_MODEL_DIR] if models is None else models, store or default_store()
    build_mels(data, models, store, baselines=baselines, n_workers=n_workers, on_progress=on_progress)
    rows: list[Result] = []
    for row in score_methods(data, models=models, store=store, seeds=seeds, baselines=baselines):
        if not rows or row.method != rows[-1].method:
            on_progress(f"{row.method}, seed {row.about['seed']}")
        rows.append(row)
    return rows
