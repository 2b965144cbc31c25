"""The simulated world of the comparison, cut in time and by artists, and audio vectors that have heard no plays."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.model_selection import GroupKFold

from audio_engine.evaluation.cold_start.data import ColdStartData, build_mels, open_mels
from audio_engine.plays.tables import TrackTable
from metric_learning.checkpoint import load_checkpoint
from metric_learning.model_files import DEFAULT_MODEL_DIR
from metric_learning.play_log import ACTIONS, PlayLog, feedback_cells, played_cells
from metric_learning.principal_components import principal_components

Floats = NDArray[np.float32]
DIM = 40


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """Plays to learn from, and what users said later of tracks that they had not played."""

    name: str
    tracks: TrackTable  # all, with or without plays
    n_users: int
    plays: PlayLog  # to learn from; tracks are rows of `tracks`
    judged: NDArray[np.bool_]  # (n_tracks,) the candidates
    feedback: csr_array  # (n_users, n_candidates) 1 liked, -1 disliked or skipped
    heard: csr_array  # (n_users, n_candidates) a cell where a user has played a track, by then or later
    known: csr_array  # (n_users, n_candidates) a cell where a user has played it by then: not recommended again

    def write_plays(self, file: Path) -> None:
        """Write the plays to learn from as a log, for what reads files."""
        ids = pl.Series(self.tracks.track_ids)
        pl.DataFrame(
            {
                "user": [f"u{user}" for user in self.plays.user],
                "track": ids.gather(self.plays.track),
                "day": self.plays.day.astype(np.float64),
                "completion": self.plays.completion,
                "action": pl.Series(ACTIONS).gather(self.plays.action),
            }
        ).write_parquet(file)


def all_tracks(data: ColdStartData) -> TrackTable:
    """Put warm and cold tracks in one table, warm ones first."""
    names = data.warm.names
    both = replace(
        names,
        track_ids=(*data.warm.track_ids, *data.cold.track_ids),
        files=(*data.warm.files, *data.cold.files),
    )
    artists = [*data.warm.artist_keys, *data.cold.artist_keys]
    return TrackTable(names=both, table=pl.DataFrame({"artist_key": artists}))


def warm_task(data: ColdStartData, *, learn_until: float, judge_until: float) -> Task:
    """Learn from the plays before a day, and judge by those from then to another day, of the same tracks."""
    tracks, n_warm = all_tracks(data), len(data.warm)
    plays = data.plays.where(data.plays.day < learn_until)
    later = data.plays.where((data.plays.day >= learn_until) & (data.plays.day < judge_until))
    shape = (data.n_users, n_warm)
    both = data.plays.where(data.plays.day < judge_until)
    return Task(
        name="warm",
        tracks=tracks,
        n_users=data.n_users,
        plays=plays,
        judged=np.arange(len(tracks)) < n_warm,
        feedback=feedback_cells(later, *shape),
        heard=played_cells(both, *shape),
        known=played_cells(plays, *shape),
    )


def cold_tasks(data: ColdStartData, *, learn_until: float) -> Iterator[Task]:
    """Learn from the plays of warm tracks before a day, and judge by those of cold ones: unseen and seen artists."""
    tracks = all_tracks(data)
    for name, of_kind in (("cold, unseen artists", ~data.seen), ("cold, seen artists", data.seen)):
        yield Task(
            name=name,
            tracks=tracks,
            n_users=data.n_users,
            plays=data.plays.where(data.plays.day < learn_until),
            judged=np.concatenate([np.zeros(len(data.warm), np.bool_), of_kind]),
            feedback=data.feedback[:, of_kind],
            heard=data.heard[:, of_kind],
            known=csr_array((data.n_users, int(of_kind.sum())), dtype=np.bool_),
        )


def fold_tasks(data: ColdStartData, *, learn_until: float, n_folds: int) -> Iterator[Task]:
    """Take some artists of the warm tracks for new ones, a fold after the other; cold tracks play no part."""
    tracks, n_warm = all_tracks(data), len(data.warm)
    plays = data.plays.where(data.plays.day < learn_until)
    folds = GroupKFold(n_folds, shuffle=True, random_state=0)
    for number, (_, held) in enumerate(folds.split(np.zeros(n_warm), groups=data.warm.artist_keys)):
        is_held = np.isin(np.arange(len(tracks)), held)
        learned = plays.where(~is_held[plays.track])
        judged = plays.of_tracks(is_held[:n_warm])
        shape = (data.n_users, len(held))
        yield Task(
            name=f"fold {number}",
            tracks=tracks,
            n_users=data.n_users,
            plays=learned,
            judged=is_held,
            feedback=feedback_cells(judged, *shape),
            heard=played_cells(judged, *shape),
            known=csr_array(shape, dtype=np.bool_),
        )


def sound_only_vectors(data: ColdStartData, store: Path) -> Floats:
    """Reduce what the shipped encoder was taught by other networks to 40 numbers: no play had a part in them.

    Returns
    -------
    vectors : (n_warm + n_cold, DIM)
        Unit length; principal components over the warm tracks.
    """
    build_mels(data, [DEFAULT_MODEL_DIR], store)
    encoder, recipe = load_checkpoint(DEFAULT_MODEL_DIR)
    pooled = []
    with torch.inference_mode():
        for tracks in (data.warm, data.cold):
            for log_mel in open_mels(tracks, recipe, store):
                track = torch.from_numpy(np.asarray(log_mel)[None].astype(np.float32))
                pooled.append(encoder.standardise(encoder.pool(track))[0, -encoder.n_heard :].numpy())
    heard = np.stack(pooled)
    centred = heard - heard[: len(data.warm)].mean(0)
    found = centred @ principal_components(centred[: len(data.warm)], DIM)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)
