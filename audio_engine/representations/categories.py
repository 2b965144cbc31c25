"""Categories of tracks in a table: artist, label, genre, language and a band of years, as numbers."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from metric_learning.side_information import MISSING, SideInformation

YEARS_A_BAND = 5
DAYS_A_BAND = 365  # of a release day, where a table has those
ROLES = {  # what is read by default: the first column of each that a table has
    "artist": ("artist_key", "artist"),
    "label": ("label", "package"),
    "genre": ("genre", "genre_predicted"),
    "language": ("language",),
    "year": ("year", "release_day"),
}
BANDS = {"year": YEARS_A_BAND, "release_day": DAYS_A_BAND}  # numbers that are cut into bands


def find_categories(table: pl.DataFrame, wanted: Sequence[str] | None = None) -> list[str]:
    """Choose the columns of a table that are taken as categories.

    Parameters
    ----------
    table
        Of tracks.
    wanted
        Their names; None: for each of `ROLES` the first column that says something.

    Raises
    ------
    ValueError
        When the table lacks one that is wanted.
    """
    if wanted is not None:
        for name in wanted:
            if name not in table.columns:
                raise ValueError(f"category must be a column of the tracks, got {name!r} of {', '.join(table.columns)}")
        return list(dict.fromkeys(wanted))
    found = (
        next((name for name in names if name in table.columns and category_values(table, name).count()), None)
        for names in ROLES.values()
    )
    return [name for name in found if name is not None]


def category_values(table: pl.DataFrame, column: str) -> pl.Series:
    """Read the values of a category as text: numbers in bands, null where there is none or it is empty.

    Raises
    ------
    ValueError
        When the column holds lists.
    """
    values = table[column]
    if values.dtype.is_nested():
        raise ValueError(f"category must be a column with one value a track, got {column!r}, {values.dtype}")
    if column in BANDS and values.dtype.is_numeric():
        values = (values // BANDS[column] * BANDS[column]).cast(pl.Int64, strict=False)
    text = values.cast(pl.String).str.strip_chars().str.to_lowercase()
    return pl.select(pl.when(text != "").then(text)).to_series().alias(column)


def side_information(table: pl.DataFrame, audio: NDArray[np.float32], categories: Sequence[str]) -> SideInformation:
    """Give the categories of tracks numbers.

    Parameters
    ----------
    table
        Of tracks.
    audio : (n_tracks, n_audio)
        Their audio vectors, zeros where there is none.
    categories
        Columns.
    """
    codes = np.full((len(table), len(categories)), MISSING, np.int32)
    n_codes = 0
    for place, name in enumerate(categories):
        values = category_values(table, name)
        numbers = values.rank("dense").cast(pl.Int64)
        known = numbers.is_not_null().to_numpy()
        codes[known, place] = numbers.drop_nulls().to_numpy() - 1 + n_codes
        n_codes += values.drop_nulls().n_unique()
    return SideInformation(codes=codes, n_codes=n_codes, audio=audio)
