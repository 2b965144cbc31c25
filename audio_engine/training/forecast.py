"""Forecast of a training: the hours, the memory and the disk that it would take, without training.

The plays are counted in the log, which is scanned and not read whole; the rates are measured in some seconds, on this
machine as busy as it is. Hours are those of a training that no early stopping ends.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from audio_engine.plays.formats import scan_plays
from audio_engine.plays.table_files import reading
from audio_engine.plays.tables import TrackTable, read_users, users_of
from audio_engine.plays.validation import PlayCounts, count_plays, number_plays, validate_plays
from audio_engine.training.data import COLD, require_plays
from audio_engine.training.mel_cache import default_store, n_waiting
from audio_engine.training.pipeline import TrainingFiles
from audio_engine.training.training import HEAD_TRACKS, TrainingSettings
from features.decode import decode_segments
from features.decode_errors import DecodeError
from features.mel import LogMel
from features.recipe import MelRecipe
from metric_learning.checkpoint import load_checkpoint
from metric_learning.encoder import AudioEncoder
from metric_learning.model_files import DEFAULT_MODEL_DIR
from metric_learning.play_log import LIKE, PlayLog
from metric_learning.play_table import PlayTable
from metric_learning.train_user import UserTraining, train_user_tower
from metric_learning.user import UserTower
from metric_learning.user_recipe import UserRecipe

N_DECODED = 5  # files decoded to measure the rate
N_BATCHES = 12  # of users that the tower is trained on to measure its rate
N_EMBEDDED = 4  # tracks in the step of the audio tower that is measured
TIMES_EMBEDDED = 2  # each warm track: pooled as it is, and augmented
BASE_BYTES = 600e6  # Python with its libraries, and a step of the audio tower
SORTING_BYTES = 300e6  # a part of the log, as it is sorted
BYTES_A_USER = 200  # the name, and where the plays end
BYTES_A_PLAY = 70  # on disk: sorted by user and by track, 34, and as it is read
COPIES_OF_TOWER = 5  # weights, two moments, the best weights, and a checkpoint as it is written
FLOAT_BYTES, HALF_BYTES = 4, 2
HOUR_S = 3_600


@dataclass(frozen=True, kw_only=True)
class TrainingForecast:
    """What a training would take."""

    n_tracks: int
    n_users: int
    n_plays: int  # rows of the log, those among them that cannot be used
    n_log_mels: int  # to compute; the others are in the cache
    hours: Mapping[str, float]  # by part, at most
    memory_gb: float
    disk_gb: Mapping[str, float]  # by folder: what would be written there

    @property
    def total_hours(self) -> float:
        """Hours of all parts together, at most."""
        return sum(self.hours.values())


def forecast_training(  # noqa: PLR0913  (as `train` takes them)
    files: TrainingFiles,
    out: Path,
    *,
    start_from: Path | None = None,
    settings: TrainingSettings | None = None,
    store: Path | None = None,
    n_workers: int = 1,
) -> TrainingForecast:
    """Work out what `train` would take with the same arguments; nothing is written.

    Returns
    -------
    forecast

    Raises
    ------
    FileNotFoundError, ValueError
        As `train`, save what only decoding shows: a log of tracks none of which can be read is not refused.
    """
    settings, store = settings or TrainingSettings(), store or default_store()
    encoder, recipe = load_checkpoint(start_from or DEFAULT_MODEL_DIR)
    tables = files.read_tracks()
    n_tracks, n_mels = len(tables[0]), sum(n_waiting(table.by_id, recipe, store) for table in tables)
    n_users, n_plays = _count_log(files, tables)
    user_recipe = UserRecipe(n_tracks=n_tracks)
    paths = [path for table in tables for path in table.files]
    hours = {
        "log-mels": n_mels * (seconds_a_log_mel(paths, recipe) if n_mels else 0.0) / n_workers,
        "user tower": seconds_of_user_tower(user_recipe, settings.user, n_users=n_users, n_plays=n_plays),
        "audio tower": seconds_of_audio_tower(encoder, recipe, settings, n_tracks=sum(map(len, tables))),
    }
    mel_bytes = recipe.n_segments * recipe.n_mels * recipe.n_frames * HALF_BYTES
    tower_bytes = (2 * user_recipe.dim + 1) * FLOAT_BYTES * n_tracks
    user_bytes = user_recipe.dim * FLOAT_BYTES * n_users
    return TrainingForecast(
        n_tracks=sum(map(len, tables)),
        n_users=n_users,
        n_plays=n_plays,
        n_log_mels=n_mels,
        hours={part: round(seconds / HOUR_S, 3) for part, seconds in hours.items()},
        memory_gb=_gb(
            BASE_BYTES + SORTING_BYTES + COPIES_OF_TOWER * tower_bytes + 2 * user_bytes + BYTES_A_USER * n_users
        ),
        disk_gb={
            str(store): _gb(n_mels * mel_bytes),
            str(out): _gb(COPIES_OF_TOWER * tower_bytes),
            "TMPDIR": _gb(2 * n_tracks * encoder.config.segment_dim * FLOAT_BYTES + BYTES_A_PLAY * n_plays),
        },
    )


def seconds_a_log_mel(files: list[Path], recipe: MelRecipe) -> float:
    """Measure how long one file takes to decode and to transform, over a few from all parts of the list; 0 if none can.

    Parameters
    ----------
    files
        Audio files, of which some may be missing.
    recipe
        Of the log-mels.
    """
    log_mel, spent_s = LogMel(recipe), []
    for file in islice(files, 0, None, max(1, len(files) // N_DECODED)):
        began_s = time.perf_counter()
        try:
            log_mel(torch.from_numpy(decode_segments(file, recipe).segments))
        except (DecodeError, OSError):
            continue
        spent_s.append(time.perf_counter() - began_s)
    return float(np.mean(spent_s)) if spent_s else 0.0


def seconds_of_user_tower(recipe: UserRecipe, training: UserTraining, *, n_users: int, n_plays: int) -> float:
    """Measure some steps of user tower training on made plays, as many a user as in the log, and count all its steps.

    Parameters
    ----------
    recipe, training
        Of the tower and its training.
    n_users, n_plays
        Of the log.
    """
    rng = np.random.default_rng(0)
    n_made, n_each = N_BATCHES * training.batch_size, max(2, round(n_plays / max(n_users, 1)))
    shape = n_made * n_each
    plays = PlayLog(
        user=np.repeat(np.arange(n_made), n_each),
        track=rng.integers(0, recipe.n_tracks, shape),
        day=np.zeros(shape, np.float32),
        completion=np.ones(shape, np.float32),
        action=np.full(shape, LIKE, np.int8),
    )
    ended_s: list[float] = []
    train_user_tower(
        UserTower(recipe),
        PlayTable(plays, n_made, recipe=recipe),
        training=replace(training, max_epochs=1, steps_per_round=2),
        on_progress=lambda _: ended_s.append(time.perf_counter()),
    )
    seconds_a_step = (ended_s[-1] - ended_s[0]) / (2 * (len(ended_s) - 1))
    return seconds_a_step * training.max_epochs * (n_users / training.batch_size)


def seconds_of_audio_tower(
    encoder: AudioEncoder, recipe: MelRecipe, settings: TrainingSettings, *, n_tracks: int
) -> float:
    """Measure the encoder on made sounds: how long a track takes to embed, and a step of metric learning.

    Parameters
    ----------
    encoder, recipe
        Where the training starts from.
    settings
        Its steps are counted: of the head, and below it if that is trained too.
    n_tracks
        Warm and cold ones, all embedded.
    """
    sizes, shape = settings.audio.sizes, (recipe.n_mels, recipe.n_frames)
    with torch.no_grad():
        embed_s = _seconds(encoder, torch.randn(1, recipe.n_segments, *shape))
    pooled = torch.randn(min(HEAD_TRACKS, max(n_tracks, 1)), encoder.config.segment_dim)
    step_s = _seconds(lambda rows: encoder.embed_pooled(rows).sum().backward(), pooled)  # type: ignore[no-untyped-call]
    if settings.below_head:
        log_mel = torch.randn(N_EMBEDDED, min(sizes.n_segments, recipe.n_segments), *shape)
        step_s += _seconds(lambda mels: encoder(mels).sum().backward(), log_mel) * sizes.n_tracks / N_EMBEDDED
    return n_tracks * TIMES_EMBEDDED * embed_s + settings.audio.max_epochs * sizes.n_steps * step_s


def _seconds(function: Callable[[Tensor], object], sound: Tensor) -> float:
    """Measure a second call: the first sets up."""
    function(sound)
    began_s = time.perf_counter()
    function(sound)
    return time.perf_counter() - began_s


def _count_log(files: TrainingFiles, tables: tuple[TrackTable, TrackTable]) -> tuple[int, int]:
    """Count users and plays by a scan, and refuse a log without a play that can be used."""
    users, _ = read_users(files.users) if files.users else users_of(files.plays)
    counts = _judge(files.plays, users, tables[0])
    require_plays(counts, files.plays)
    if files.cold_plays:
        require_plays(_judge(files.cold_plays, users, tables[1]), files.cold_plays, of=COLD)
    return len(users), counts.rows


def _judge(plays: Path, users: Mapping[str, int], tracks: TrackTable) -> PlayCounts:
    """Count what can be used of a log, and what cannot."""
    with reading(plays):
        return count_plays(number_plays(validate_plays(scan_plays(plays), tracks.names.table), users))


def _gb(n_bytes: float) -> float:
    return round(n_bytes / 1e9, 3)
