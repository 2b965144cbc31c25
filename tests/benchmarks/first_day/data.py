"""Files of the first-day benchmark as arrays; or users of the log made artificially late, to choose on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from audio_engine.federated.tables import Demographics, read_demographics
from audio_engine.plays.formats import scan_plays
from audio_engine.plays.table_files import ids_of, scan_table
from audio_engine.plays.tables import read_vectors
from audio_engine.plays.validation import load_plays, validate_plays
from metric_learning.play_log import PlayLog

N_LONGEST = 5  # first plays of the longest cut


@dataclass(frozen=True, kw_only=True, eq=False)
class FirstDay:
    """What the benchmark reads. Users are rows of one table, tracks those with plays in training."""

    users: list[str]
    categories: NDArray[np.int64]  # (n_users, n_columns) 0 unknown
    n_values: tuple[int, ...]  # of each column
    vectors: torch.Tensor  # (n_tracks, dim)
    plays: PlayLog  # of training
    late: NDArray[np.int64]  # rows of the users who come late
    first: PlayLog  # their first plays, in order of time
    later: PlayLog  # what they played later
    features: torch.Tensor  # (n_known, n_features) of the partner, mean 0 and deviation 1
    row_at_partner: NDArray[np.int64]  # (n_users,) -1: not known to it

    @property
    def n_tracks(self) -> int:
        """Number of candidates."""
        return len(self.vectors)

    def first_plays(self, n_plays: int) -> PlayLog:
        """Cut the late users' first plays to so many each."""
        return self.first.where(place_of_each(self.first) < n_plays)


def read_first_day(*, plays: Path, first: Path, later: Path, users: Path, partner: Path, vectors: Path) -> FirstDay:
    """Read the tables; tracks without plays in training are left out."""
    table = read_vectors(vectors)
    demographics = read_demographics(users)
    rows = {user: row for row, user in enumerate(demographics.users)}
    logs = [load_plays(validate_plays(scan_plays(file), table.names.table), rows)[0] for file in (plays, first, later)]
    played = np.zeros(len(table.vectors), np.bool_)
    played[logs[0].track] = True
    train, seen, next_ = (log.of_tracks(played) for log in logs)
    return _with_partner(
        partner,
        demographics=demographics,
        vectors=torch.from_numpy(np.array(table.vectors.filter(pl.Series(played)).to_list(), np.float32)),
        plays=train,
        late=np.intersect1d(seen.user, next_.user),
        first=seen,
        later=next_,
    )


def read_artificial(*, plays: Path, users: Path, partner: Path, vectors: Path, n_late: int, seed: int) -> FirstDay:
    """Take users out of the log and treat them as if they came late: their first `N_LONGEST` plays are known."""
    table = read_vectors(vectors)
    demographics = read_demographics(users)
    rows = {user: row for row, user in enumerate(demographics.users)}
    log = load_plays(validate_plays(scan_plays(plays), table.names.table), rows)[0]
    played = np.zeros(len(table.vectors), np.bool_)
    played[log.track] = True
    log = log.of_tracks(played)
    late = np.sort(np.random.default_rng(seed).choice(np.unique(log.user), n_late, replace=False))
    is_late = np.isin(log.user, late)
    theirs = log.where(is_late)
    is_first = place_of_each(theirs) < N_LONGEST
    return _with_partner(
        partner,
        demographics=demographics,
        vectors=torch.from_numpy(np.array(table.vectors.filter(pl.Series(played)).to_list(), np.float32)),
        plays=log.where(~is_late),
        late=late,
        first=theirs.where(is_first),
        later=theirs.where(~is_first),
    )


def place_of_each(plays: PlayLog) -> NDArray[np.int64]:
    """Number the plays of each user from 0, in order of time."""
    order = np.argsort(plays.user, kind="stable")
    ordered = plays.user[order]
    place = np.empty(len(plays), np.int64)
    place[order] = np.arange(len(plays)) - np.searchsorted(ordered, ordered)
    return place


def _with_partner(
    partner: Path,
    *,
    demographics: Demographics,
    vectors: torch.Tensor,
    plays: PlayLog,
    late: NDArray[np.int64],
    first: PlayLog,
    later: PlayLog,
) -> FirstDay:
    """Join the partner's features by the shared key, as the alignment of the two processes does."""
    theirs = scan_table(partner).collect()
    at = {user: row for row, user in enumerate(ids_of(theirs, "user"))}
    features = theirs.drop("user").to_numpy().astype(np.float32)
    return FirstDay(
        users=demographics.users,
        categories=demographics.codes,
        n_values=demographics.n_values,
        vectors=vectors,
        plays=plays,
        late=late,
        first=first,
        later=later,
        features=torch.from_numpy((features - features.mean(0)) / features.std(0)),
        row_at_partner=np.array([at.get(user, -1) for user in demographics.users]),
    )
