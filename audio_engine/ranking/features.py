"""Features of a ranker: rows of user, track and day as fields for the network, by a recipe fitted to the training rows.

Ids absent from training become row 0, "unknown"; numbers are standardised, and an unknown one becomes the mean. A
number of many values in the table of users is cut into bins, as the user tower reads it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from audio_engine.plays.demographics import bins_of, edges_of, values_of
from audio_engine.ranking.counts import NUMBERS as COUNT_NUMBERS
from audio_engine.ranking.counts import count_numbers
from audio_engine.ranking.networks import Fields, FieldSizes
from audio_engine.ranking.tables import Known

IDS: Final = ("user", "track", "artist")  # the first categories, in this order
CONTEXT: Final = ("weekday", "hour")
HOURS_A_DAY, DAYS_A_WEEK = 24, 7


@dataclass(frozen=True, kw_only=True)
class FeatureRecipe:
    """The recipe that turns rows into fields."""

    values: Mapping[str, Sequence[str]]  # by category: the values in the training rows
    means: tuple[float, ...]  # of `number_names`
    deviations: tuple[float, ...]
    rate: float  # share of likes among opinions
    vector_dim: int  # of the vectors of track and user; 0: vectors are not used
    edges: Mapping[str, Sequence[float]] = field(default_factory=dict)  # of the bins of the users' numbers, by column

    @property
    def number_names(self) -> tuple[str, ...]:
        """The names of the numbers of a row, in order."""
        return (*COUNT_NUMBERS, "age", *(("similarity",) if self.vector_dim else ()))

    @property
    def sizes(self) -> FieldSizes:
        """Number of fields of each kind."""
        return FieldSizes(
            categories=tuple(len(values) + 1 for values in self.values.values()),
            n_numbers=len(self.means),
            n_vectors=2 if self.vector_dim else 0,
            vector_dim=self.vector_dim,
        )

    def unplayed_numbers(self) -> NDArray[np.float32]:
        """Compute the numbers of a user or track without plays, standardised: (n_numbers,)."""
        plain = np.array([self.rate if name.endswith("_like_rate") else 0.0 for name in self.number_names])
        return np.asarray((plain - np.array(self.means)) / np.array(self.deviations), np.float32)


def place_rows(rows: pl.DataFrame, known: Known) -> pl.DataFrame:
    """Find each row's track, user and the user's vector on that day.

    Parameters
    ----------
    rows
        ``user, track, day``.
    known
        Tracks and users.

    Returns
    -------
    rows
        In the order given, with ``artist``, ``release_day``, the categories of the user, and ``track_place`` and
        ``user_vector_place``, rows of the vectors, null if there is none.
    """
    placed = name_artists(rows, known).join(known.users, on="user", how="left", maintain_order="left")
    user_vectors = known.user_days.with_row_index("user_vector_place")
    placed = placed.with_row_index("place").sort("day", maintain_order=True)
    return placed.join_asof(user_vectors, on="day", by="user", check_sortedness=False).sort("place").drop("place")


def name_artists(rows: pl.DataFrame, known: Known) -> pl.DataFrame:
    """Find each row's track: ``artist`` (the track itself, if unknown), ``release_day``, ``track_place``."""
    tracks = known.tracks.with_row_index("track_place")
    placed = rows.join(tracks, on="track", how="left", maintain_order="left")
    return placed.with_columns(artist=pl.coalesce("artist", "track"))


def fit_recipe(rows: pl.DataFrame, known: Known, *, audio: bool) -> FeatureRecipe:
    """Fit a recipe to the training rows.

    Parameters
    ----------
    rows
        From `place_rows`, with counts and ``liked``.
    known
        Tracks and users.
    audio
        Whether to use vectors.

    Returns
    -------
    recipe
    """
    names = (*IDS, *(name for name in known.users.columns if name != "user"), *CONTEXT)
    rate = float(rows["liked"].mean())  # type: ignore[arg-type]
    numbers = _numbers(rows, known, rate=rate, audio=audio)
    there = ~np.isnan(numbers)
    n_there = np.maximum(there.sum(0), 1)
    means = np.where(there, numbers, 0).sum(0) / n_there
    deviations = np.sqrt(np.where(there, (numbers - means) ** 2, 0).sum(0) / n_there)
    edges = {name: edges_of(known.users[name]) for name in known.users.columns if name != "user"}
    edges = {name: found for name, found in edges.items() if found}
    named = _with_context(rows, edges)
    return FeatureRecipe(
        values={name: values_of(named, name).drop_nulls().unique().sort().to_list() for name in names},
        edges=edges,
        means=tuple(means.tolist()),
        deviations=tuple(np.where(deviations > 1e-6, deviations, 1.0).tolist()),
        rate=rate,
        vector_dim=known.track_vectors.shape[1] if audio else 0,
    )


def make_fields(rows: pl.DataFrame, known: Known, recipe: FeatureRecipe) -> Fields:
    """Turn rows into fields.

    Parameters
    ----------
    rows
        From `place_rows`, with counts.
    known
        Tracks and users.
    recipe
        From `fit_recipe`.

    Returns
    -------
    fields
    """
    named = _with_context(rows, recipe.edges)
    codes = [
        values_of(named, name).replace_strict(values, range(1, len(values) + 1), default=0, return_dtype=pl.Int64)
        for name, values in recipe.values.items()
    ]
    numbers = _numbers(rows, known, rate=recipe.rate, audio=recipe.vector_dim > 0)
    standard = (numbers - np.array(recipe.means)) / np.array(recipe.deviations)
    vectors = np.zeros((len(rows), 0, 0), np.float32)
    if recipe.vector_dim:
        vectors = np.stack(_vectors(rows, known), axis=1)
    return Fields(
        categories=torch.from_numpy(np.stack([code.to_numpy() for code in codes], axis=1)),
        numbers=torch.from_numpy(np.nan_to_num(standard).astype(np.float32)),
        vectors=torch.from_numpy(vectors),
    )


def _with_context(rows: pl.DataFrame, edges: Mapping[str, Sequence[float]]) -> pl.DataFrame:
    """Add the day of the week and the hour, and put bins in the place of the users' numbers."""
    day = pl.col("day")
    weekday, hour = day.floor() % DAYS_A_WEEK, (day - day.floor()) * HOURS_A_DAY
    bins = {name: bins_of(rows[name], cuts) for name, cuts in edges.items()}
    return rows.with_columns(weekday=weekday.cast(pl.Int64), hour=hour.floor().cast(pl.Int64), **bins)


def _numbers(rows: pl.DataFrame, known: Known, *, rate: float, audio: bool) -> NDArray[np.float64]:
    """Compute the numbers, NaN if unknown: (n, n_numbers)."""
    age = (pl.col("day") - pl.col("release_day")).clip(lower_bound=0.0).log1p().alias("age")
    numbers = rows.select(*count_numbers(rate), age).to_numpy().astype(np.float64)
    if not audio:
        return numbers
    track, user = _vectors(rows, known)
    similarity = np.einsum("nd,nd->n", track, user).astype(np.float64)
    similarity[~(track.any(1) & user.any(1))] = np.nan
    return np.concatenate([numbers, similarity[:, None]], axis=1)


def _vectors(rows: pl.DataFrame, known: Known) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Look up the vectors of track and user, zeros if there is none: each (n, dim)."""
    taken = []
    for name, table in (("track_place", known.track_vectors), ("user_vector_place", known.user_vectors)):
        padded = np.concatenate([table, np.zeros((1, table.shape[1]), np.float32)])
        taken.append(padded[rows[name].fill_null(len(table)).to_numpy()])
    return taken[0], taken[1]
