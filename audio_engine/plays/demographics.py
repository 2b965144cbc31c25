"""Demographics of users as numbers of categories, by columns that are fitted once and kept with what learned from them.

A number of many values is cut into bins at its quantiles: nothing is assumed of the shape of its effect, and what lies
beyond the values seen falls into the first bin or the last. What is not known, or was not seen, has number 0.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.plays.table_files import id_text
from metric_learning.user_recipe import UserColumn

MAX_VALUES = 32  # of a number that is taken as a category
N_BINS = 16  # of a number of more values; some may fall together
MIN_USERS = 2  # who share a value: what one user alone has, such as a name, says nothing about another


def fit_columns(users: pl.DataFrame) -> tuple[UserColumn, ...]:
    """Find the categories and bins of all columns but ``user``."""
    return tuple(_fit(users, name) for name in users.columns if name != "user")


def numbers_of(users: pl.DataFrame, columns: Sequence[UserColumn]) -> NDArray[np.int64]:
    """Give demographic values their numbers.

    Parameters
    ----------
    users
        Those that the columns were fitted to, or others.
    columns
        From `fit_columns`.

    Returns
    -------
    numbers : (n_users, n_columns)

    Raises
    ------
    ValueError
        When a column is missing.
    """
    numbers = np.zeros((len(users), len(columns)), np.int64)
    for place, column in enumerate(columns):
        if column.name not in users.columns:
            raise ValueError(f"users must have a column {column.name!r}, got {', '.join(users.columns)}")
        if column.edges:
            found = bins_of(users[column.name], column.edges)
        else:
            numbering = dict(zip(column.values, range(len(column.values)), strict=True))
            found = values_of(users, column.name).replace_strict(numbering, default=None, return_dtype=pl.Int64)
        numbers[:, place] = (found + 1).fill_null(0).to_numpy()
    return numbers


def edges_of(values: pl.Series) -> tuple[float, ...]:
    """Find where to cut a number into bins of about as many users; nowhere if it is none, or has few values."""
    if not (values.dtype.is_numeric() or values.dtype.is_temporal()):
        return ()
    known = _floats(values).drop_nulls()
    if known.n_unique() <= min(MAX_VALUES, len(known) // MIN_USERS):
        return ()
    return tuple(np.unique(np.quantile(known.to_numpy(), np.linspace(0, 1, N_BINS + 1)[1:-1])).tolist())


def bins_of(values: pl.Series, edges: Sequence[float]) -> pl.Series:
    """Tell the bin of each value, from 0; null where there is no value."""
    floats = _floats(values)
    bins = np.searchsorted(np.array(edges), floats.fill_null(0.0).to_numpy(), side="right")
    return pl.select(pl.when(floats.is_not_null()).then(pl.Series(bins, dtype=pl.Int64))).to_series()


def values_of(users: pl.DataFrame, name: str) -> pl.Series:
    """Write a category as text: a whole number is the same in a column of floats, which one with gaps often is."""
    return users.select(id_text(name, users.schema[name])).to_series()


def _fit(users: pl.DataFrame, name: str) -> UserColumn:
    """Fit a column."""
    if edges := edges_of(users[name]):
        return UserColumn(name=name, edges=edges)
    counted = values_of(users, name).drop_nulls().value_counts().filter(pl.col("count") >= MIN_USERS)
    return UserColumn(name=name, values=tuple(sorted(counted.to_series(0))))


def _floats(values: pl.Series) -> pl.Series:
    """Take numbers, or times, as floats; what is neither is not known."""
    return values.to_physical().cast(pl.Float64, strict=False).fill_nan(None)
