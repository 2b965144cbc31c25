"""Data of a cold-start evaluation, read from files: users, plays of warm tracks, cold tracks and who liked them.

Tracks are rows of `warm` and `cold`; users are rows of the table of users. Cold plays are only used for scoring.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from audio_engine.plays.table_files import scan_table
from audio_engine.plays.tables import TrackTable, read_plays, read_tracks, read_users
from audio_engine.plays.validation import PlayCounts
from audio_engine.training.mel_cache import MelStore, cache_mels, open_mel_store
from features.recipe import MelRecipe
from metric_learning.checkpoint import load_checkpoint
from metric_learning.play_log import PlayLog, feedback_cells, played_cells
from metric_learning.stored_mels import StoredMels

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ColdStartData:
    """Users, warm tracks with plays, cold tracks with ground truth."""

    n_users: int
    users: pl.DataFrame  # user, and demographic columns
    warm: TrackTable
    plays: PlayLog  # of warm tracks
    cold: TrackTable
    feedback: csr_array  # (n_users, n_cold) 1 liked, -1 disliked or skipped, no cell otherwise
    heard: csr_array  # (n_users, n_cold) a cell where a user has played a track
    counts: tuple[PlayCounts, PlayCounts]  # counts of plays read and skipped, in the warm and the cold log

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Whether each cold track's artist has a warm track: (n_cold,)."""
        known = set(self.warm.artist_keys)
        return np.array([key in known for key in self.cold.artist_keys])


def read_world(
    world: Path,
    audio: Path,
    *,
    cold_tracks: Path | None = None,
    cold_plays: Path | None = None,
    cold_audio: Path | None = None,
) -> ColdStartData:
    """Read a folder with the layout of `../shared/world`.

    Parameters
    ----------
    world
        Holds ``tracks.parquet``, ``users.parquet``, ``plays_train.parquet`` and ``plays_valid_cold.parquet``.
    audio
        Folder of the files named in ``tracks.parquet``.
    cold_tracks, cold_plays, cold_audio
        Tracks, plays and audio to score instead of the tracks with ``split == valid_cold``.

    Returns
    -------
    data

    Raises
    ------
    FileNotFoundError
        When a file is missing.
    ValueError
        When a table lacks a column, or only some of the three cold ones are given.
    """
    given = [option is not None for option in (cold_tracks, cold_plays, cold_audio)]
    if any(given) and not all(given):
        raise ValueError("cold tracks, plays and audio must be given together, got only some of the three")
    warm = read_tracks(world / "tracks.parquet", audio, split="train")
    if cold_tracks is not None and cold_audio is not None:
        cold = read_tracks(cold_tracks, cold_audio)
    else:
        cold = read_tracks(world / "tracks.parquet", audio, split="valid_cold")
    users, user_table = read_users(world / "users.parquet")
    plays, warm_counts = read_plays(world / "plays_train.parquet", users, warm)
    truth, cold_counts = read_plays(cold_plays or world / "plays_valid_cold.parquet", users, cold)
    return ColdStartData(
        n_users=len(users),
        users=user_table,
        warm=warm,
        plays=plays,
        cold=cold,
        feedback=feedback_cells(truth, len(users), len(cold)),
        heard=played_cells(truth, len(users), len(cold)),
        counts=(warm_counts, cold_counts),
    )


def read_truth(world: Path) -> NDArray[np.float64] | None:
    """Read each user's true sensitivity to audio, if the world has it: (n_users,), NaN for users without one.

    For checking an estimate, never for training.
    """
    path = world / "true_sensitivity.parquet"
    if not path.exists():
        return None
    users = scan_table(world / "users.parquet").select("user").collect()
    known = users.join(scan_table(path).collect(), on="user", how="left", maintain_order="left")
    return known["audio_sensitivity"].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def build_mels(  # noqa: PLR0913  (what evaluations are given)
    data: ColdStartData,
    models: Sequence[Path],
    store: Path,
    *,
    baselines: bool = False,
    n_workers: int = 1,
    on_progress: Callable[[str], None] = logger.info,
) -> None:
    """Compute the log-mels of all tracks that a store lacks, in the recipe of each model.

    Parameters
    ----------
    data
        Warm and cold tracks.
    models
        Folders of models.
    store
        The cache of log-mels.
    baselines
        Whether to include the baselines, which use the default recipe.
    n_workers
        Processes that decode.
    on_progress
        Called with a line of text from time to time, and for each file that cannot be read.
    """
    defaults = [MelRecipe()] if baselines else []
    for recipe in dict.fromkeys([*defaults, *(load_checkpoint(model_dir)[1] for model_dir in models)]):
        files = (data.warm.by_id, data.cold.by_id)
        cache_mels(files, recipe, store, n_workers=n_workers, on_progress=on_progress)


def open_mels(tracks: TrackTable, recipe: MelRecipe, directory: Path) -> StoredMels:
    """Open the log-mels of tracks, after their cache has been built; they are read when they are asked for.

    Returns
    -------
    log_mel : (n_tracks, n_segments, n_mels, n_frames)

    Raises
    ------
    ValueError
        When the audio of a track could not be read.
    """
    store: MelStore = open_mel_store(tracks.by_id, recipe, directory)
    return store.read(tracks.track_ids)
