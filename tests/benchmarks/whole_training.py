"""The whole of a training on a made log, at one size: from the file of plays to users who had no part in it.

As `audio_engine.training.train` goes, with its defaults: the log is read into memory-mapped columns, the user tower is
trained until it stops early, the listening head is fitted in closed form and trained by the gradient until cold tracks
are found no better; then users who were left out are embedded from their plays, and asked about the cold tracks. What
comes before, log-mels and pooling, is made beforehand in another process.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from audio_engine.plays.stored_plays import stored_plays
from audio_engine.plays.tables import TrackTable, users_of
from audio_engine.plays.track_matching import name_tracks
from audio_engine.training.pooling import embed_rows
from audio_engine.training.training import (
    HEAD_TRACKS,
    ListeningData,
    TrainingSettings,
    fit_listening_encoder,
    make_user_tower,
)
from metric_learning.checkpoint import load_checkpoint
from metric_learning.encoder import AudioEncoder
from metric_learning.listening_data import DrawnEmbeddings, ListeningSteps
from metric_learning.listening_module import ColdTracks, ListeningModule
from metric_learning.model_files import DEFAULT_MODEL_DIR
from metric_learning.play_log import ACTIONS, feedback_cells, rows_of
from metric_learning.play_table import PlayTable
from metric_learning.train_listening import train_listening
from metric_learning.train_user import train_user_tower
from metric_learning.user import UserTower, embed_users
from metric_learning.user_auc import cell_similarities, mean_user_auc
from tests.benchmarks.made_listening import N_TASTES, TRACKS_PER_ARTIST, Size, made_plays, many_embeddings
from tests.benchmarks.measuring import Cost, apart, measuring

LOG, TOWER, HEAD, GRADIENT, EVALUATION, ALL = (
    f"whole: {part}" for part in ("the log", "user tower", "closed-form head", "gradient", "evaluation", "all of it")
)
WHOLE_PARTS: Final = (LOG, TOWER, HEAD, GRADIENT, EVALUATION, ALL)
COLD_SHARE = 0.15  # of the tracks
LEFT_OUT = 0.05  # of the users
WARM_FILE, COLD_FILE = "warm.npy", "cold.npy"  # pooled embeddings: of warm tracks twice, of cold ones once
LOG_FILE, LEFT_OUT_FILE = "plays.parquet", "left_out.parquet"

Floats = NDArray[np.float32]


def whole_costs(size: Size, real: Path) -> dict[str, Cost]:
    """Measure each part, and all of them; how well users are found, a sign of what was learned, goes to stderr."""
    with tempfile.TemporaryDirectory(prefix="whole-training-") as folder:
        apart(make_inputs, size, real, Path(folder))
        costs, said = apart(train_whole, size, Path(folder))
    print(f"{size.n_tracks:,} tracks: {said}", file=sys.stderr, flush=True)
    return costs


def n_warm_of(size: Size) -> int:
    """Count the warm tracks: the first ones, whole artists."""
    return max(1, round((1 - COLD_SHARE) * size.n_tracks / TRACKS_PER_ARTIST)) * TRACKS_PER_ARTIST


def make_inputs(size: Size, real: Path, folder: Path) -> None:
    """Write pooled embeddings and plays; what a track is liked for can be heard in it."""
    pooled, target = many_embeddings(np.load(real), 2 * size.n_tracks)
    n_warm, n = n_warm_of(size), size.n_tracks
    warm = np.lib.format.open_memmap(folder / WARM_FILE, "w+", np.float32, (2 * n_warm, pooled.shape[1]))
    warm[:n_warm], warm[n_warm:] = pooled[:n_warm], pooled[n : n + n_warm]
    np.save(folder / COLD_FILE, pooled[n_warm:n])
    tastes = target[:n, :N_TASTES]
    plays = made_plays(size, tastes / tastes.std(0))
    is_out = plays.user >= (1 - LEFT_OUT) * size.n_users
    for file, rows in ((LOG_FILE, np.flatnonzero(~is_out)), (LEFT_OUT_FILE, np.flatnonzero(is_out))):
        log = plays.where(rows)
        pl.DataFrame(
            {
                "user": pl.Series(log.user).cast(pl.String),
                "track": pl.Series(log.track).cast(pl.String),
                "day": log.day,
                "completion": log.completion,
                "action": pl.Series(log.action).replace_strict(dict(enumerate(ACTIONS)), return_dtype=pl.String),
            }
        ).write_parquet(folder / file)


def train_whole(size: Size, folder: Path) -> tuple[dict[str, Cost], str]:
    """Train on what `make_inputs` wrote; costs by part, and how well users who were left out are served."""
    costs: dict[str, Cost] = {}
    settings, pretrained = TrainingSettings(), load_checkpoint(DEFAULT_MODEL_DIR)[0]
    pooled, cold = (np.load(folder / file, mmap_mode="c") for file in (WARM_FILE, COLD_FILE))
    with measuring() as costs[ALL]:
        with measuring() as costs[LOG]:
            data = read_log(size, folder)
        torch.manual_seed(0)
        with measuring() as costs[TOWER]:
            table, tower = make_user_tower(data)
            train_user_tower(tower, table, training=settings.user, checkpoint=folder / "user_tower.pt")
        with measuring() as costs[HEAD]:
            encoder = fit_listening_encoder(pretrained, tower, table, pooled=pooled, data=data, settings=settings)
        with measuring() as costs[GRADIENT]:
            auc = learn(
                encoder,
                embed_users(tower, table),
                pooled=pooled,
                cold=cold,
                data=data,
                settings=settings,
                folder=folder,
            )
        with measuring() as costs[EVALUATION]:
            left_out = left_out_auc(size, tower, encoder, cold, folder)
    return costs, f"AUC on cold tracks {auc:.3f}, of users left out {left_out:.3f}"


def table_of(size: Size) -> TrackTable:
    """Name the tracks of the log."""
    artists = [str(row // TRACKS_PER_ARTIST) for row in range(size.n_tracks)]
    return TrackTable(names=name_tracks(map(str, range(size.n_tracks))), table=pl.DataFrame({"artist_key": artists}))


def read_log(size: Size, folder: Path) -> ListeningData:
    """Read the log of those who are learned from."""
    tracks, n_warm = table_of(size), n_warm_of(size)
    is_warm = np.arange(size.n_tracks) < n_warm
    users, _ = users_of(folder / LOG_FILE)
    with stored_plays(folder / LOG_FILE, users, tracks) as stored:
        by_user, by_track = (stored.in_order_of(column, rows_of(is_warm)) for column in ("user", "track"))
        truth = stored.opinions(rows_of(~is_warm))
    feedback = feedback_cells(truth, len(users), size.n_tracks - n_warm)
    return ListeningData(
        n_users=len(users),
        columns=(),
        categories=np.zeros((len(users), 0), np.int64),
        warm_ids=tracks.track_ids[:n_warm],
        warm_artists=tracks.artist_keys[:n_warm],
        warm_mels=np.zeros((n_warm, 0), np.float16),  # they were pooled before
        plays=by_user,
        plays_by_track=by_track,
        cold=ColdTracks(log_mel=np.zeros((size.n_tracks - n_warm, 0), np.float16), feedback=feedback),
    )


def learn(
    encoder: AudioEncoder,
    users: Floats,
    *,
    pooled: Floats,
    cold: Floats,
    data: ListeningData,
    settings: TrainingSettings,
    folder: Path,
) -> float:
    """Train the head by the gradient, and return its AUC on the cold tracks."""
    training, n_warm = settings.audio, len(data.warm_ids)
    sizes = replace(training.sizes, n_tracks=HEAD_TRACKS)
    sounds = DrawnEmbeddings(pooled=pooled, n_tracks=n_warm)
    module = ListeningModule(
        encoder,
        users=torch.from_numpy(users),
        anchors=embed_rows(encoder, pooled[:n_warm]),
        cold=data.cold,
        steps=ListeningSteps(sounds, data.plays_by_track, data.n_users, sizes=sizes, seed=training.seed),
        training=training,
    )
    module.pooled_cold = torch.from_numpy(cold)
    return train_listening(module, log_dir=folder / "head")


def left_out_auc(size: Size, tower: UserTower, encoder: AudioEncoder, cold: Floats, folder: Path) -> float:
    """Embed the users who were left out from their plays of warm tracks, and compare them with cold tracks."""
    is_warm = np.arange(size.n_tracks) < n_warm_of(size)
    users, _ = users_of(folder / LEFT_OUT_FILE)
    with stored_plays(folder / LEFT_OUT_FILE, users, table_of(size)) as stored:
        plays, truth = stored.in_order_of("user", rows_of(is_warm)), stored.opinions(rows_of(~is_warm))
    vectors = torch.from_numpy(embed_users(tower, PlayTable(plays, len(users), recipe=tower.recipe)))
    asked = feedback_cells(truth, len(users), len(cold)).tocoo()
    user, track = (torch.from_numpy(each.astype(np.int64)) for each in asked.coords)
    similarity = cell_similarities(vectors, embed_rows(encoder, cold), user=user, track=track)
    return float(mean_user_auc(similarity, user, torch.from_numpy(asked.data > 0)))
