"""The profiles of a catalogue's users: kept up to date from play logs, and asked for one user or for all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from audio_engine.atomic_files import write_frames
from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.embedding.models import Models
from audio_engine.errors import RecipeMismatchError
from audio_engine.plays.table_files import ids_of, scan_table
from audio_engine.users.circles import CIRCLE_DIMENSIONS, attributes_of, categories_of, count_votes, lifts
from audio_engine.users.opened_profiles import OpenedProfiles
from audio_engine.users.persona_stars import Persona
from audio_engine.users.preferences import PROFILE
from audio_engine.users.profile_folder import DIRECTORY, stamp_of
from audio_engine.users.tier_rules import TierRules, read_rules
from audio_engine.users.tiers import (
    KnownUsers,
    activity_tiers,
    asks_persona,
    dimensions_asked,
    vertical_tiers,
    with_assets,
)
from audio_engine.users.track_facts import DIMENSIONS
from audio_engine.users.updating import UpdateReport, update_profiles


@dataclass(frozen=True, kw_only=True, eq=False)
class TierTables:
    """Who is in which tier."""

    activity: pl.DataFrame  # user, tier, recency_days, active_days, plays, assets
    verticals: pl.DataFrame  # user, vertical
    thresholds: dict[str, float]  # of activity, as used

    def table(self) -> pl.DataFrame:
        """Lay both out in a row per user; ``verticals`` is a list."""
        lists = self.verticals.group_by("user", maintain_order=True).agg(verticals="vertical")
        both = self.activity.join(lists, on="user", how="left", maintain_order="left")
        return both.with_columns(pl.col("verticals").fill_null([]))


class UserProfiles:
    """Profiles, circles, tiers and personas of the users of one catalogue.

    Parameters
    ----------
    catalogue, models
        As `Engine.catalogue` and `Engine.models`.
    """

    def __init__(self, catalogue: Catalogue, models: Models) -> None:
        self._catalogue, self._models = catalogue, models
        self.directory = catalogue.path.parent / DIRECTORY
        self._opened: OpenedProfiles | None = None

    def update(
        self,
        plays: Path | None,
        *,
        tracks: Path | None = None,
        audio: Path | None = None,
        half_life_days: float | None = None,
        rebuild: bool = False,
    ) -> UpdateReport:
        """Add the plays of a log to the profiles; parameters and errors as of `updating.update_profiles`."""
        return update_profiles(
            self.directory,
            plays,
            catalogue=self._catalogue,
            model_id=self._models.active_id,
            tracks=tracks,
            audio=audio,
            half_life_days=half_life_days,
            rebuild=rebuild,
        )

    def profile(self, user: str, *, today: float | None = None) -> pl.DataFrame:
        """Work out what one user likes and dislikes.

        Parameters
        ----------
        user
            A name in the plays.
        today
            Day as of which plays have decayed; the last day of the plays by default, and at least that.

        Returns
        -------
        profile
            As `preferences.preferences`.

        Raises
        ------
        UnknownUserError, NotTrainedError
            When no play is this user's; when there are no profiles.
        ValueError
            When `today` is before the last play.
        """
        opened = self._open()
        return opened.profile(user, today=self._today(opened, today))

    def persona(self, user: str) -> Persona:
        """Work out how one user listens.

        Raises
        ------
        UnknownUserError, NotTrainedError, RecipeMismatchError
            As `profile`; when the profiles are of another model.
        ValueError
            When the user has too few plays.
        """
        opened = self._open()
        self._check_model(opened)
        return opened.persona(user)

    def profiles(self, dimensions: Sequence[str] = DIMENSIONS) -> Iterator[pl.DataFrame]:
        """Work out the profiles of all users, a block at a time; as `profile`."""
        opened = self._open()
        for tastes in opened.store.blocks():
            yield opened.profiles_of(tastes, today=opened.store.last_day, dimensions=dimensions)

    def write_profiles(self, out: Path, dimensions: Sequence[str] = DIMENSIONS) -> None:
        """Write the profiles of all users to a table, a block at a time."""
        self._open()  # raises before a file is begun
        write_frames(self.profiles(dimensions), PROFILE, out)

    def personas(self) -> pl.DataFrame:
        """Measure all users: a row each, as `persona_stars.persona_table`."""
        opened = self._open()
        self._check_model(opened)
        return pl.concat([opened.personas_of(tastes) for tastes in opened.store.blocks()])

    def circles(
        self, users: Path, attributes: Sequence[str] = (), dimensions: Sequence[str] = CIRCLE_DIMENSIONS
    ) -> pl.DataFrame:
        """Find what users who share an attribute prefer more than others do.

        Parameters
        ----------
        users
            Table with ``user`` and attributes.
        attributes
            Its columns; by default all that are categories (`circles.categories_of`).
        dimensions
            In which they are compared.

        Returns
        -------
        circles
            As `circles.lifts`.

        Raises
        ------
        FileNotFoundError, ValueError, NotTrainedError
            When the table is missing, or has no such column; when there are no profiles.
        """
        opened = self._open()
        for dimension in dimensions:
            if dimension not in DIMENSIONS:
                raise ValueError(f"dimension must be one of {', '.join(DIMENSIONS)}, got {dimension!r}")
        table = read_attributes(users)
        members = attributes_of(table, attributes or categories_of(table))
        votes = count_votes(
            opened.store.blocks(),
            opened.listening.facts,
            members,
            today=opened.store.last_day,
            half_life_days=opened.store.half_life_days,
            dimensions=dimensions,
        )
        return lifts(votes)

    def tiers(
        self, rules: TierRules | None = None, *, users: Path | None = None, assets: Path | None = None
    ) -> TierTables:
        """Put all users into tiers.

        Parameters
        ----------
        rules
            `tier_rules.read_rules` reads them; those of the package by default.
        users
            Table of all users, with those who never played, and of the attributes that filters ask for.
        assets
            Table with ``user`` and a row per thing that they have, such as favourites and purchases: each counts as
            much as a track that was liked.
        """
        rules, opened = rules or read_rules(), self._open()
        today, table = opened.store.last_day, None if users is None else read_attributes(users)
        active = opened.store.activity(since=today - rules.activity.window_days)
        activity, thresholds = activity_tiers(
            active if assets is None else with_assets(active, assets),
            rules.activity,
            today=today,
            everyone=None if table is None else table["user"],
        )
        found = []
        if asks_persona(rules):
            self._check_model(opened)
        for tastes in opened.store.blocks() if rules.verticals else ():
            asked = dimensions_asked(rules)
            profiles = opened.profiles_of(tastes, today=today, dimensions=asked) if asked else pl.DataFrame()
            personas = opened.personas_of(tastes) if asks_persona(rules) else pl.DataFrame()
            here = activity.join(tastes, on="user", how="semi")
            found.append(
                vertical_tiers(rules, KnownUsers(tiers=here, personas=personas, profiles=profiles, users=table))
            )
        members = pl.concat(found) if found else pl.DataFrame(schema={"user": pl.String, "vertical": pl.String})
        return TierTables(activity=activity, verticals=members, thresholds=thresholds)

    def favourites(self, user: str, *, k: int = 3) -> dict[str, list[str]]:
        """Name what a user likes most, by dimension; tracks by their titles. Raises as `profile`."""
        table = self.profile(user).filter(pl.col("weight") > 0)
        found = {dimension: table.filter(pl.col("dimension") == dimension)["value"].head(k) for dimension in DIMENSIONS}
        named = {name: values.to_list() for name, values in found.items() if len(values)}
        return named | {"track": [self.title_of(track) for track in named.get("track", ())]}

    def title_of(self, track_id: str) -> str:
        """Name a track as people do; its id where nothing is known of it."""
        found = self._open().listening.facts.filter(pl.col("track") == track_id)
        if found.is_empty():
            return track_id
        row = found.row(0, named=True)
        title = str(row["title"] or row["file"])
        return f"{title}, by {row['artist']}" if row["artist"] else title

    def _check_model(self, opened: OpenedProfiles) -> None:
        """Refuse to compare personas by the vectors of another model."""
        if opened.calibration.model_id != self._models.active_id:
            raise RecipeMismatchError(
                f"profiles must be of model {self._models.active_id}, got {opened.calibration.model_id} "
                "(audio-engine users update, without plays, compares personas anew)"
            )

    def _today(self, opened: OpenedProfiles, today: float | None) -> float:
        """Check the day as of which a profile is asked for."""
        last = opened.store.last_day
        if today is not None and not last <= today < float("inf"):
            raise ValueError(f"today must be a day from {last:g} on, the last of the plays, got {today}")
        return last if today is None else today

    def _open(self) -> OpenedProfiles:
        """Open the profiles, and open them anew after an update."""
        stamp = stamp_of(self.directory)
        if self._opened is None or self._opened.stamp != stamp:
            self._opened = OpenedProfiles.read(self.directory, self._catalogue, stamp=stamp)
        return self._opened


def read_attributes(users: Path) -> pl.DataFrame:
    """Read a table of users with their attributes; raises `ValueError` where it has no column ``user``."""
    table = scan_table(users).collect()
    if "user" not in table.columns:
        raise ValueError(f"{users.name} must have a column 'user', got {', '.join(table.columns)}")
    return table.with_columns(ids_of(table, "user")).unique("user", keep="first", maintain_order=True)
