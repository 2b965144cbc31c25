"""Training pipeline of ``audio-engine train``: from the files of a play log to a model folder.

Read the tracks → log-mels of each, once → the play log → the user tower, the listening head and the audio tower.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytorch_lightning.loggers import Logger

from audio_engine.plays.tables import TrackTable
from audio_engine.training.data import PlayFiles, read_catalogue_tracks, read_listening, split_tracks
from audio_engine.training.loggers import open_loggers
from audio_engine.training.mel_cache import cache_mels, default_store
from audio_engine.training.training import TrainedModel, TrainingSettings, train_model
from metric_learning.checkpoint import load_checkpoint
from metric_learning.model_files import DEFAULT_MODEL_DIR

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TrainingFiles(PlayFiles):
    """A play log, and its tracks: a table with the folder of its files, or a catalogue."""

    tracks: Path | None = None  # track, file, and optionally artist_key, duration_s, split
    audio: Path | None = None  # folder of the files named in `tracks`
    catalogue: Path | None = None  # a catalogue's folder, in place of both; its artist tags are the artists

    def read_tracks(self) -> tuple[TrackTable, TrackTable]:
        """Read the warm tracks, and the cold ones that the table holds out.

        Raises
        ------
        ValueError
            When neither a catalogue nor a table with its folder is given.
        """
        if self.catalogue:
            known = read_catalogue_tracks(self.catalogue, table=self.tracks, audio=self.audio)
            return known, known.none()
        if self.tracks and self.audio:
            return split_tracks(self.tracks, self.audio)
        tracks, audio = (f"{each}" if each else "nothing" for each in (self.tracks, self.audio))
        raise ValueError(f"tracks and audio must both be given, or a catalogue, got {tracks} and {audio}")


def train(  # noqa: PLR0913  (one command, with its options)
    files: TrainingFiles,
    out: Path,
    *,
    start_from: Path | None = None,
    settings: TrainingSettings | None = None,
    store: Path | None = None,
    n_workers: int = 1,
    on_progress: Callable[[str], None] = logger.info,
    loggers: Sequence[Logger | str] = ("csv", "tensorboard"),
) -> TrainedModel:
    """Train a model on plays: the user tower, then the audio tower, with early stopping on tracks never played.

    If a run is killed, running it again with the same folder resumes it.

    Parameters
    ----------
    files
        The play log, its users and its tracks.
    out
        The model's folder, created if missing; ``training/`` in it holds checkpoints and logs.
    start_from
        Folder of a model trained on audio alone, such as `pretrain` writes; None: the one in the package.
    settings
        The training settings, with the seed; see `TrainingSettings.of`.
    store
        Cache of log-mels between runs; None: the user's cache.
    n_workers
        Processes that decode.
    on_progress
        Called with a line of text at each step, and for each file that cannot be read; by default it is logged.
    loggers
        Of Lightning, any; or ``csv`` and ``tensorboard``, which write to ``training/``; () or ``none``: none.

    Returns
    -------
    trained
        The model's id, and how well it finds the users of cold tracks.

    Raises
    ------
    FileNotFoundError
        When a table, the folder of `start_from` or of the catalogue is missing.
    ValueError
        When no tracks are given, a table lacks a column, no play is of a track whose audio can be read, or there is no
        such logger.

    Examples
    --------
    >>> files = TrainingFiles(plays=Path("plays.parquet"), tracks=Path("tracks.parquet"), audio=Path("music"))
    >>> train(files, Path("model"), settings=TrainingSettings.of(max_epochs=10))  # doctest: +SKIP
    """
    open_to = open_loggers(loggers, out / "training")
    start_from, store = start_from or DEFAULT_MODEL_DIR, store or default_store()
    settings = settings or TrainingSettings()
    tables, recipe = files.read_tracks(), load_checkpoint(start_from)[1]
    (out / "training").mkdir(parents=True, exist_ok=True)
    cache_mels([table.by_id for table in tables], recipe, store, n_workers=n_workers, on_progress=on_progress)
    data, counts = read_listening(
        files,
        tables,
        recipe=recipe,
        store=store,
        seed=settings.audio.seed,
        hold_out=settings.audio.max_epochs > 0,  # the closed form has nothing to stop
    )
    n_cold = len(data.cold.log_mel)
    if settings.audio.max_epochs and not data.plays.count_by("user", data.n_users, likes_only=True).any():
        raise ValueError(
            f"action of {files.plays.name} must be 'like' in some plays, got none (max_epochs 0 needs none)"
        )
    on_progress(f"{counts}; {len(data.warm_ids)} warm tracks, {n_cold} cold ones, {data.n_users} users")
    return train_model(
        data, start_from=start_from, out=out, settings=settings, on_progress=on_progress, loggers=open_to
    )
