"""Tables of the two parties: demographics of our users, features of the partner's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.plays.table_files import scan_table, user_text

MOST_VALUES = 100  # of a column of categories; one with more is a number, a date or an id, and is not read


@dataclass(frozen=True, kw_only=True, eq=False)
class Demographics:
    """Users with their demographic values as numbers."""

    users: list[str]
    codes: NDArray[np.int64]  # (n_users, n_columns) place of the value from 1; 0 where it is unknown
    values: Mapping[str, Sequence[str]]  # by column: its values, in order

    @property
    def n_values(self) -> tuple[int, ...]:
        """Number of values of each column, "unknown" among them."""
        return tuple(1 + len(values) for values in self.values.values())


@dataclass(frozen=True, kw_only=True, eq=False)
class PartnerFeatures:
    """What a partner knows of its users."""

    users: list[str]
    columns: tuple[str, ...]
    values: NDArray[np.float32]  # (n_users, n_columns) NaN where not known


def read_demographics(path: Path | None, values: Mapping[str, Sequence[str]] | None = None) -> Demographics:
    """Read a table of users: ``user``, and columns of categories.

    Parameters
    ----------
    path
        The table; None: no users.
    values
        Columns and values of the table that the model learned from; None: those of this table that have at most
        `MOST_VALUES` different values.

    Raises
    ------
    ValueError
        When there is no column ``user``.
    """
    if path is None:
        return Demographics(users=[], codes=np.zeros((0, len(values or {})), np.int64), values=values or {})
    table = _one_row_a_user(path)
    text = table.select(pl.exclude("user").cast(pl.String, strict=False))
    if values is None:
        found = {name: text[name].drop_nulls().unique().sort().to_list() for name in text.columns}
        values = {name: each for name, each in found.items() if 0 < len(each) <= MOST_VALUES}
    codes = [
        text[name]
        .replace_strict(each, range(1, len(each) + 1), default=0, return_dtype=pl.Int64)
        .fill_null(0)
        .to_numpy()
        if name in text.columns
        else np.zeros(len(table), np.int64)
        for name, each in values.items()
    ]
    stacked = np.stack(codes, 1) if codes else np.zeros((len(table), 0), np.int64)
    return Demographics(users=table["user"].to_list(), codes=stacked, values=values)


def read_features(path: Path) -> PartnerFeatures:
    """Read a partner's table: ``user``, and columns of numbers.

    Raises
    ------
    ValueError
        When there is no column ``user``, no other, or one that is not of numbers.
    """
    table = _one_row_a_user(path)
    columns = tuple(name for name in table.columns if name != "user")
    if not columns:
        raise ValueError(f"{path.name} must have columns of features beside 'user', got none")
    for name in columns:
        if not (table.schema[name].is_numeric() or table.schema[name] == pl.Boolean):
            raise ValueError(f"column {name!r} of {path.name} must hold numbers, got {table.schema[name]}")
    values = table.select(pl.col(columns).cast(pl.Float32)).to_numpy()
    if np.isinf(values).any():
        raise ValueError(f"{path.name} must hold finite numbers, got {int(np.isinf(values).sum())} that are not")
    return PartnerFeatures(users=table["user"].to_list(), columns=columns, values=values)


def _one_row_a_user(path: Path) -> pl.DataFrame:
    """Read a table with a column ``user``; of several rows of one user the first counts."""
    table = scan_table(path).collect()
    if "user" not in table.columns:
        raise ValueError(f"{path.name} must have a column 'user', got {', '.join(table.columns)}")
    table = table.with_columns(user_text("user", table.schema["user"]))
    return table.drop_nulls("user").unique("user", keep="first", maintain_order=True)
