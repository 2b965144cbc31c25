"""The profiles of a catalogue as one update left them: read once, then asked about one user or a block of users."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import polars as pl

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.errors import NotTrainedError
from audio_engine.plays.table_files import read_parquet
from audio_engine.users.persona import Listening, measure
from audio_engine.users.persona_stars import Calibration, Persona, persona_of, persona_table
from audio_engine.users.preferences import everyones, preferences
from audio_engine.users.taste_state import decayed_to
from audio_engine.users.taste_store import TasteStore
from audio_engine.users.track_facts import DIMENSIONS
from audio_engine.users.updating import FACTS, PERSONA, TASTES, listening_of

KEPT_USERS = 128  # whose profiles and personas are kept, those asked for last: some 100 KB each


@dataclass(frozen=True, kw_only=True, eq=False)
class OpenedProfiles:
    """The profiles after one update.

    They never change, so what was worked out for a user is kept.
    """

    stamp: int  # of the update
    store: TasteStore
    listening: Listening
    calibration: Calibration
    everyone: pl.DataFrame  # from `preferences.everyones`

    @classmethod
    def read(cls, directory: Path, catalogue: Catalogue, *, stamp: int) -> "OpenedProfiles":
        """Read profiles.

        Raises
        ------
        NotTrainedError
            When there are none, or they are damaged.
        """
        store = TasteStore(directory / TASTES)
        try:
            facts = read_parquet(directory / FACTS)
            calibration = Calibration.load(directory / PERSONA)
        except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
            raise NotTrainedError(
                f"profiles must be whole: users update --rebuild makes them again ({error})"
            ) from error
        track_ids, vectors = catalogue.vectors(calibration.model_id)
        totals = decayed_to(store.totals(), store.last_day, half_life_days=store.half_life_days)
        return cls(
            stamp=stamp,
            store=store,
            listening=listening_of(store, facts, track_ids, vectors),
            calibration=calibration,
            everyone=everyones(totals, facts),
        )

    def profile(self, user: str, *, today: float) -> pl.DataFrame:
        """Work out what a user likes and dislikes, as `preferences.preferences`; unless it is known."""
        return self._profiles(user, today)

    def persona(self, user: str) -> Persona:
        """Work out how a user listens, unless it is known; raises `ValueError` where there are too few plays."""
        return self._personas(user)

    def profiles_of(
        self, tastes: pl.DataFrame, *, today: float, dimensions: Sequence[str] = DIMENSIONS
    ) -> pl.DataFrame:
        """Work out the profiles of some users."""
        return preferences(
            tastes,
            self.listening.facts,
            self.everyone,
            today=today,
            half_life_days=self.store.half_life_days,
            dimensions=dimensions,
        )

    def personas_of(self, tastes: pl.DataFrame) -> pl.DataFrame:
        """Measure some users, and compare them with all."""
        crowd = np.array(self.calibration.crowd, np.float32)
        return persona_table(measure(tastes, self.listening, crowd=crowd), self.calibration)

    @cached_property
    def _profiles(self) -> Callable[[str, float], pl.DataFrame]:
        return lru_cache(KEPT_USERS)(lambda user, today: self.profiles_of(self.store.user(user), today=today))

    @cached_property
    def _personas(self) -> Callable[[str], Persona]:
        return lru_cache(KEPT_USERS)(
            lambda user: persona_of(self.personas_of(self.store.user(user)).row(0, named=True))
        )
