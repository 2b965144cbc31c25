"""The user tower of a model, if it has one: embeds users from their plays of the tracks it was trained with.

Its vectors are comparable only with track vectors of the same model.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audio_engine.plays.spelling import one_spelling
from metric_learning.play_log import PlayLog
from metric_learning.play_table import PlayTable
from metric_learning.user import embed_users
from metric_learning.user_checkpoint import has_user_tower, load_user_tower
from metric_learning.user_recipe import UserColumn


class KnownTower:
    """A user tower and the names of the tracks that it learned from.

    Parameters
    ----------
    model_dir
        Of a model that was trained with users.
    """

    def __init__(self, model_dir: Path) -> None:
        self._tower, names = load_user_tower(model_dir)
        self.row_of: Mapping[str, int] = {one_spelling(name): row for row, name in enumerate(names)}

    @classmethod
    def of_model(cls, model_dir: Path) -> "KnownTower | None":
        """Load the tower of a model; None where it has none."""
        return cls(model_dir) if has_user_tower(model_dir) else None

    @property
    def columns(self) -> tuple[UserColumn, ...]:
        """The demographic columns that it reads."""
        return self._tower.recipe.columns

    def embed(
        self, plays: PlayLog, n_users: int, *, now: float, categories: NDArray[np.int64] | None = None
    ) -> NDArray[np.float32]:
        """Embed users.

        Parameters
        ----------
        plays
            In order of time; tracks are rows of `row_of`.
        n_users
            How many.
        now
            Day from which the age of a play is counted.
        categories : (n_users, n_columns)
            Demographic values, as `columns` number them; None where none is known.

        Returns
        -------
        vectors : (n_users, dim)
            Unit length.
        """
        table = PlayTable(plays, n_users, recipe=self._tower.recipe, categories=categories, now=now)
        return embed_users(self._tower, table)
