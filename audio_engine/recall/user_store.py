"""Store of a catalogue's learned users: the folder `users` beside it, written atomically.

`users.arrow` has one row per user (`recall.users`). It is read as a whole for queries about one user (0.5 GB per
million users), and in blocks for all users. Its tracks are row numbers of `tracks.parquet` (`track_id`, `n_plays`, and
`tower_row`, the row of the track in the model's user tower); `users.json` is the report of how the users were learned.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.atomic_files import whole_folder, write_frames
from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.embedding.models import Models
from audio_engine.errors import NotTrainedError, RecipeMismatchError, UnknownUserError
from audio_engine.plays.table_files import read_parquet, scan_arrow
from audio_engine.plays.track_matching import TrackNames, name_catalogue
from audio_engine.recall.learn_users import PreparedLog, prepare_log, read_categories, user_batches
from audio_engine.recall.recommendations import LearnedUsersReport
from audio_engine.recall.users import UserBatch, from_table, to_table

if TYPE_CHECKING:
    from audio_engine.recall.user_tower import KnownTower

USERS, TRACKS, REPORT = "users.arrow", "tracks.parquet", "users.json"
READ_TOGETHER = 1 << 16  # users


class UserStore:
    """The users that were learned from a log, opened.

    Parameters
    ----------
    directory
        As `save_users` wrote it.

    Raises
    ------
    NotTrainedError
        When no users were learned, or what was written is damaged.
    """

    def __init__(self, directory: Path) -> None:
        self._file = directory / USERS
        try:
            self.report = LearnedUsersReport(**json.loads((directory / REPORT).read_text(encoding="utf-8")))
            self.tracks = read_parquet(directory / TRACKS)
        except FileNotFoundError as error:
            raise NotTrainedError("no users learned yet; run: audio-engine learn-users PLAYS") from error
        except (ValueError, TypeError, pl.exceptions.PolarsError) as error:
            raise NotTrainedError(
                f"users must be whole: audio-engine learn-users PLAYS learns them again ({error})"
            ) from error

    def check_model(self, model_id: str) -> None:
        """Refuse users whose vectors cannot be compared with those of a model.

        Raises
        ------
        RecipeMismatchError
        """
        if self.report.model_id != model_id:
            raise RecipeMismatchError(
                f"users must be of model {model_id}, got {self.report.model_id} "
                "(audio-engine learn-users PLAYS learns them again)"
            )

    def user(self, user: str) -> UserBatch:
        """Find one user.

        Raises
        ------
        UnknownUserError
        """
        found = self.those_called([user])
        if not len(found):
            raise UnknownUserError(f"user must be a user of the log that was learned, got {user!r}")
        return found

    def those_called(self, users: list[str]) -> UserBatch:
        """Find some users, in the order of the file; unknown ones are skipped."""
        return from_table(self._table.filter(pl.col("user").is_in(users)), len(self.tracks))

    def blocks(self) -> Iterator[UserBatch]:
        """Yield all users in blocks."""
        for start in range(0, self.report.n_users, READ_TOGETHER):
            rows = scan_arrow(self._file).slice(start, READ_TOGETHER).collect()
            yield from_table(rows, len(self.tracks))

    @cached_property
    def users(self) -> pl.Series:
        """All names, in the order of `vectors`."""
        return self._table["user"]

    @cached_property
    def vectors(self) -> NDArray[np.float32]:
        """All vectors, (n_users, dim)."""
        return np.ascontiguousarray(self._table["vector"].to_numpy(), dtype=np.float32)

    @cached_property
    def _table(self) -> pl.DataFrame:
        """Read the table of users."""
        return scan_arrow(self._file).collect()

    @property
    def played_ids(self) -> set[str]:
        """The ids of the tracks that anybody played."""
        return set(self.tracks.filter(pl.col("n_plays") > 0)["track_id"])


def stamp_of(directory: Path) -> int:
    """Return a number that changes whenever users are learned again; 0 if there are none."""
    try:
        return (directory / REPORT).stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def save_users(  # noqa: PLR0913  (each goes into the report)
    directory: Path,
    blocks: Iterator[UserBatch],
    *,
    log: PreparedLog,
    names: TrackNames,
    tower_rows: Mapping[str, int] | None,
    dim: int,
    model_id: str,
) -> LearnedUsersReport:
    """Write users, replacing those learned before.

    Parameters
    ----------
    directory
        The folder to write.
    blocks
        The users.
    log
        The log they were learned from.
    names
        The tracks of the catalogue.
    tower_rows
        Number of each track in the user tower, by name; None where there is no tower.
    dim
        Numbers in a vector.
    model_id
        The model whose vectors they are comparable with.

    Returns
    -------
    report
    """
    with whole_folder(directory) as temporary:
        tracks = _tracks_table(log, names, tower_rows or {})
        tracks.write_parquet(temporary / TRACKS)
        n_users = _write(temporary / USERS, blocks, numbers=pl.Series(np.arange(len(tracks), dtype=np.uint32)), dim=dim)
        report = LearnedUsersReport(
            n_users=n_users,
            n_without=log.n_users - n_users,
            n_plays=log.counts.rows,
            n_left_out=log.counts.left_out,
            left_out=log.counts.reasons,
            n_elsewhere=log.n_elsewhere,
            n_of_tower=log.n_of_tower if tower_rows else None,
            n_shared=log.n_shared,
            n_tracks=int((tracks["n_plays"] > 0).sum()),
            method=log.method,
            model_id=model_id,
        )
        (temporary / REPORT).write_text(json.dumps(asdict(report)) + "\n", encoding="utf-8")
    return report


def _write(file: Path, blocks: Iterator[UserBatch], *, numbers: pl.Series, dim: int) -> int:
    """Write the table of users; returns how many there are."""
    n_users = 0

    def frames() -> Iterator[pl.DataFrame]:
        nonlocal n_users
        for block in blocks:
            n_users += len(block)
            yield to_table(block, numbers)

    schema = pl.Schema(
        {
            "user": pl.String(),
            "vector": pl.Array(pl.Float32, dim),
            "track": pl.List(pl.UInt32),
            "weight": pl.List(pl.Float32),
        }
    )
    write_frames(frames(), schema, file)
    return n_users


def _tracks_table(log: PreparedLog, names: TrackNames, tower_rows: Mapping[str, int]) -> pl.DataFrame:
    """Count the plays of each track of the catalogue, and look up its row in the tower."""
    known = log.plays.filter(pl.col("row").is_not_null())
    counts = known.group_by("row").agg(pl.len().alias("n_plays")).collect(engine="streaming")
    tracks = pl.DataFrame({"track_id": names.track_ids}, {"track_id": pl.String}).with_columns(
        row=pl.int_range(pl.len(), dtype=pl.Int64)
    )
    for columns in (names.in_tower(tower_rows), counts):
        tracks = tracks.join(columns, on="row", how="left", maintain_order="left")
    return tracks.drop("row").with_columns(pl.col("n_plays").fill_null(0))


def learn_log(  # noqa: PLR0913  (the files of a log)
    catalogue: Catalogue,
    models: Models,
    *,
    out: Path,
    plays: Path,
    users: Path | None,
    table: Path | None,
    audio: Path | None,
    tower: "KnownTower | None",
) -> LearnedUsersReport:
    """Learn the users of a play log, matched to the tracks of a catalogue, and write them to a folder."""
    model_id = models.active_id
    track_ids, vectors = catalogue.vectors(model_id)
    by_id = {track.track_id: track for track in catalogue.tracks("embedded")}
    there = [row for row, track_id in enumerate(track_ids) if track_id in by_id]
    names = name_catalogue([by_id[track_ids[row]] for row in there], table=table, audio=audio)
    log = prepare_log(plays, names, tower)
    categories = read_categories(users, tower) if users and tower and tower.columns else None
    return save_users(
        out,
        user_batches(log, vectors[there], tower=tower, categories=categories),
        log=log,
        names=names,
        tower_rows=tower.row_of if tower else None,
        dim=vectors.shape[1],
        model_id=model_id,
    )
