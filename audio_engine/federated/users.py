"""Our users with their plays and demographics, and the tracks' vectors, read for the federated model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from audio_engine.catalogue.track import DIM
from audio_engine.federated.tables import Demographics
from audio_engine.plays.formats import scan_plays
from audio_engine.plays.table_files import reading, scan_table
from audio_engine.plays.tables import read_vectors, users_of
from audio_engine.plays.track_matching import TrackNames
from audio_engine.plays.validation import load_plays, validate_plays
from index.validation import check_unit
from metric_learning.play_log import PlayLog


@dataclass(frozen=True, kw_only=True, eq=False)
class TrackVectors:
    """The encoder's vectors of tracks."""

    names: TrackNames
    track_ids: list[str]
    vectors: torch.Tensor  # (n_tracks, dim) unit length
    encoder_id: str | None  # the model that made them, where the table tells

    def __len__(self) -> int:
        return len(self.track_ids)


@dataclass(frozen=True, kw_only=True, eq=False)
class KnownUsers:
    """Users with what we know of them."""

    users: list[str]
    categories: NDArray[np.int64]  # (n_users, n_columns) 0 unknown
    values: Mapping[str, Sequence[str]]  # demographic values by column
    plays: PlayLog  # users and tracks are rows
    n_left_out: int  # plays that could not be used

    @property
    def n_values(self) -> tuple[int, ...]:
        """Number of values of each demographic column, "unknown" among them."""
        return tuple(1 + len(values) for values in self.values.values())


def read_track_vectors(path: Path) -> TrackVectors:
    """Read what ``audio-engine export`` wrote, or a table of ``track`` and ``vector``.

    Raises
    ------
    ValueError
        When a column is missing, or a vector is not of unit length.
    """
    table = read_vectors(path)
    if not len(table.vectors):
        raise ValueError(f"{path.name} must hold vectors of tracks, got none")
    vectors = check_unit(np.array(table.vectors.to_list(), np.float32), dim=DIM, name=f"vectors in {path.name}")
    columns = scan_table(path)
    model_ids = (
        columns.select("model_id").drop_nulls().unique().collect()["model_id"].to_list()
        if "model_id" in columns.collect_schema()
        else []
    )
    return TrackVectors(
        names=table.names,
        track_ids=list(table.names.track_ids),
        vectors=torch.from_numpy(vectors),
        encoder_id=model_ids[0] if len(model_ids) == 1 else None,
    )


def read_known_users(
    plays: Path | None, *, tracks: TrackVectors, demographics: Demographics, only_with_plays: bool
) -> KnownUsers:
    """Read the users of a log, or those of a table with what they played.

    Parameters
    ----------
    plays
        The log; None: nobody has played anything.
    tracks
        Which plays can be used.
    demographics
        Of users, in the log or not.
    only_with_plays
        Whether the users are those of the log; else those of the table.

    Raises
    ------
    ValueError
        When the users are those of the log, and none of its plays can be used; or there are no users.
    """
    in_table = {user: row for row, user in enumerate(demographics.users)}
    users = list(users_of(plays)[0]) if plays is not None and only_with_plays else demographics.users
    if not users:
        lacking = "plays or a table of users must be given, got neither"
        raise ValueError(f"{plays.name} must hold plays, got none" if plays and only_with_plays else lacking)
    log, n_left_out = _nothing(), 0
    if plays is not None:
        with reading(plays):
            judged = validate_plays(scan_plays(plays), tracks.names.table)
            log, counts = load_plays(judged, {user: row for row, user in enumerate(users)})
        n_left_out = counts.left_out
        if only_with_plays and not len(log):
            raise ValueError(
                f"{plays.name} must hold plays of tracks with a vector, got none (do both use the same ids?)"
            )
    blank = np.zeros((1, demographics.codes.shape[1]), np.int64)
    codes = np.concatenate([demographics.codes, blank])[[in_table.get(user, -1) for user in users]]
    return KnownUsers(users=users, categories=codes, values=demographics.values, plays=log, n_left_out=n_left_out)


def _nothing() -> PlayLog:
    """Make a log without plays."""
    nothing = np.zeros(0, np.float32)
    ids = np.zeros(0, np.int64)
    return PlayLog(user=ids, track=ids, day=nothing, completion=nothing, action=np.zeros(0, np.int8))
