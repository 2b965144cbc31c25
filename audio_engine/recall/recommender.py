"""The recommender of one catalogue: tracks for a user, users for a track, and learning users from a play log.

A user's vector is computed from the audio of liked tracks and, if the model's user tower knows enough of the played
tracks, from the tower too; every result names the method (`method`).
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.catalogue.filters import TrackFilter
from audio_engine.catalogue.track import TrackVector
from audio_engine.embedding.models import Models
from audio_engine.embedding.track_lookup import look_up
from audio_engine.recall.recommendations import (
    Interests,
    LearnedUsersReport,
    Play,
    RecallAllReport,
    RecalledTrack,
    RecalledUser,
)
from audio_engine.search.index_cache import IndexCache

if TYPE_CHECKING:
    from audio_engine.recall.tracks_for_user import User
    from audio_engine.recall.user_store import UserStore
    from audio_engine.recall.user_tower import KnownTower

Vector = NDArray[np.float32]

DIRECTORY = "users"  # in the catalogue's folder
MAX_FRESH_DAYS = 36_500  # a hundred years, as over HTTP


class Recommender:
    """Recall in one catalogue."""

    def __init__(self, catalogue: Catalogue, models: Models, index_cache: IndexCache) -> None:
        self._catalogue, self._models, self._index_cache = catalogue, models, index_cache
        self.directory = catalogue.path.parent / DIRECTORY
        self._opened: tuple[int, UserStore] | None = None
        self._tower: tuple[str, KnownTower | None] | None = None

    def tracks_for(  # noqa: PLR0913  (one question, with what bounds its answer)
        self,
        *,
        plays: Sequence[Play] | None = None,
        user: str | None = None,
        vector: Vector | None = None,
        k: int = 100,
        where: TrackFilter | None = None,
        max_per_artist: int | None = None,
        only_new: bool = False,
        fresh_days: float | None = None,
        interests: Interests = 1,
        diversity: float = 0.0,
    ) -> list[RecalledTrack]:
        """Find tracks to show to a user, without those they have played and their copies.

        Parameters
        ----------
        plays, user, vector
            Who the user is, exactly one of the three: what they played; their name in the log that was learned; or
            a vector, (dim,) of unit length.
        k
            Number of tracks; fewer are returned if fewer tracks of the catalogue pass the filters.
        where
            Rank only the tracks that this filter lets through.
        max_per_artist
            At most so many tracks of one artist.
        only_new
            Only tracks without a play in the learned log.
        fresh_days
            Only tracks that were embedded within so many days, `MAX_FRESH_DAYS` at most.
        interests
            Into how many groups of alike sound the liked tracks are divided, each of which gets its share of the
            answer; "auto": as many as are clearly seen.
        diversity
            0 to 1: how much a track is to differ from those before it, in sound, artist and genre.

        Returns
        -------
        tracks
            The best first; the interests take turns.

        Raises
        ------
        UnknownTrackError, DecodeError
            When a play is neither of the catalogue nor of a file, or of one that cannot be decoded.
        UnknownUserError, NotTrainedError, RecipeMismatchError
            When the log that was learned has no such user; when none was learned; or for another model.
        ValueError
            When not exactly one user is given, the plays contain no liked track, or a number is out of range.
        """
        from audio_engine.recall.tracks_for_user import recall_tracks_for  # noqa: PLC0415  (loads SciPy)

        return recall_tracks_for(
            self._user(plays=plays, user=user, vector=vector),
            k,
            index=self._index_cache.current(),
            track_of=cache(self._catalogue.track),
            allowed_ids=self._allowed_ids(where, only_new=only_new, fresh_days=fresh_days),
            max_per_artist=max_per_artist,
            interests=interests,
            diversity=diversity,
        )

    def users_for(
        self, track: str | Path | TrackVector, *, k: int = 100, allowed_users: Collection[str] | None = None
    ) -> list[RecalledUser]:
        """Find the users to show a track to, of those in the learned log, without those who have played it.

        Parameters
        ----------
        track
            A track id, or a path; a file that is not in the catalogue is embedded on the spot. Or a track with its
            vector, where that was looked up before.
        k
            How many.
        allowed_users
            Names of the users that are ranked at all; by default every one.

        Returns
        -------
        users
            The most similar first.

        Raises
        ------
        UnknownTrackError, DecodeError, NotTrainedError, RecipeMismatchError, ValueError
            As `tracks_for`.
        """
        from audio_engine.recall.users_for_track import recall_users_for  # noqa: PLC0415  (loads SciPy)

        user_store = self._user_store()
        seed = look_up(track, self._catalogue, self._models)
        return recall_users_for(
            seed.vector,
            seed.track,
            k,
            user_store=user_store,
            index=self._index_cache.current(),
            track_of=cache(self._catalogue.track),
            allowed_users=allowed_users,
        )

    def learn_users(
        self, plays: Path, *, users: Path | None = None, tracks: Path | None = None, audio: Path | None = None
    ) -> LearnedUsersReport:
        """Learn the users of a play log, and store them beside the catalogue, replacing those learned before.

        Parameters
        ----------
        plays
            Parquet, CSV or JSON lines: ``user``, ``track``, and where there are such ``day`` or ``timestamp``,
            ``completion`` or ``played_s``, ``action``. A track is named by its id, its path, the name of its file
            without the ending, or as `tracks` says.
        users
            ``user`` and columns of categories, for a user tower that reads some.
        tracks
            ``track``, the name in the log, and ``path`` or ``file``.
        audio
            The folder that paths in `tracks` start from; its own by default.

        Raises
        ------
        FileNotFoundError
            When a file is missing.
        ValueError
            When a table lacks a column, or no play is of a track of the catalogue.
        """
        from audio_engine.recall.user_store import learn_log  # noqa: PLC0415  (loads SciPy)

        report = learn_log(
            self._catalogue,
            self._models,
            out=self.directory,
            plays=plays,
            users=users,
            table=tracks,
            audio=audio,
            tower=self._known_tower(),
        )
        self._opened = None
        return report

    def recall_all(  # noqa: PLR0913  (as many as a person can bound)
        self,
        out: Path,
        *,
        k: int = 100,
        where: TrackFilter | None = None,
        max_per_artist: int | None = None,
        only_new: bool = False,
        fresh_days: float | None = None,
        interests: Interests = 1,
        diversity: float = 0.0,
        on_done: Callable[[int], None] | None = None,
    ) -> RecallAllReport:
        """Find tracks for every user of the log that was learned, in memory that does not grow with their number.

        Parameters
        ----------
        out
            A ``.parquet`` or ``.csv`` file: ``user, rank`` (from 1), ``track`` (its id), ``score``.
        k, where, max_per_artist, only_new, fresh_days, interests, diversity
            As `tracks_for`.
        on_done
            Called with the number of users that are done, from time to time.

        Raises
        ------
        NotTrainedError, RecipeMismatchError, ValueError
            As `tracks_for`.
        FileNotFoundError, IsADirectoryError
            When the file cannot lie there.
        """
        from audio_engine.recall.batch import recall_all  # noqa: PLC0415  (loads SciPy)

        return recall_all(
            self._catalogue,
            self._models,
            self._user_store(),
            out=out,
            k=k,
            allowed_ids=self._allowed_ids(where, only_new=only_new, fresh_days=fresh_days),
            max_per_artist=max_per_artist,
            interests=interests,
            diversity=diversity,
            on_done=on_done,
        )

    def _user(self, *, plays: Sequence[Play] | None, user: str | None, vector: Vector | None) -> "User":
        """Build the user of a query."""
        from audio_engine.recall import user_vectors  # noqa: PLC0415  (loads SciPy)

        if sum(given is not None for given in (plays, user, vector)) != 1:
            raise ValueError("exactly one of plays, user and vector must be given")
        if vector is not None:
            return user_vectors.of_vector(vector)
        if user is not None:
            return user_vectors.of_user(
                user, self._user_store(), index=self._index_cache.current(), track_of=cache(self._catalogue.track)
            )
        found = [look_up(play.track, self._catalogue, self._models) for play in plays or ()]
        return user_vectors.of_plays(plays or (), found, tower=self._known_tower(), tower_rows=self._tower_rows())

    def _allowed_ids(
        self, where: TrackFilter | None, *, only_new: bool, fresh_days: float | None
    ) -> Collection[str] | None:
        """List the tracks that may be shown; None: all."""
        if fresh_days is not None:
            if not 0 < fresh_days <= MAX_FRESH_DAYS:
                raise ValueError(f"fresh_days must be above 0 and at most {MAX_FRESH_DAYS}, got {fresh_days}")
            since = datetime.now(UTC) - timedelta(days=fresh_days)
            where = replace(where or TrackFilter(), embedded_from=since.isoformat(timespec="seconds"))
        played = self._user_store().played_ids if only_new else set()
        if not where and not only_new:
            return None
        return set(self._catalogue.track_ids(where or TrackFilter())) - played

    def _user_store(self) -> "UserStore":
        """Open the learned users, and reopen them after they have been learned again."""
        from audio_engine.recall.user_store import UserStore, stamp_of  # noqa: PLC0415  (loads SciPy)

        stamp = stamp_of(self.directory)
        if self._opened is None or self._opened[0] != stamp:
            self._opened = (stamp, UserStore(self.directory))
        user_store = self._opened[1]
        user_store.check_model(self._models.active_id)
        return user_store

    def _tower_rows(self) -> dict[str, int]:
        """Return the tower's row of each track of the catalogue, as far as the learned log matched it."""
        from audio_engine.recall.user_store import UserStore, stamp_of  # noqa: PLC0415  (loads SciPy)

        user_store = UserStore(self.directory) if stamp_of(self.directory) else None
        if user_store is None or user_store.report.model_id != self._models.active_id:
            return {}
        tracks = user_store.tracks.drop_nulls("tower_row")
        return dict(zip(tracks["track_id"], tracks["tower_row"], strict=True))

    def _known_tower(self) -> "KnownTower | None":
        """Load the user tower of the active model."""
        from audio_engine.recall.user_tower import KnownTower  # noqa: PLC0415  (loads torch)

        model_id = self._models.active_id
        if self._tower is None or self._tower[0] != model_id:
            self._tower = (model_id, KnownTower.of_model(self._models.active_folder))
        return self._tower[1]
