"""Tables of what each user would consume of each kind of module, as arrays of users × kinds (a dozen kinds at most)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.plays.table_files import scan_table

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NUMBERS = ("consumption", "value")


@dataclass(frozen=True, kw_only=True, eq=False)
class Pages:
    """What may stand on the pages of users, and what stood there yesterday."""

    users: tuple[str, ...]
    kinds: tuple[str, ...]
    consumption: Floats  # (n_users, n_kinds), expected if the module is seen, 0 or more; NaN: not available
    value: Floats  # (n_users, n_kinds), 0 or more
    yesterday: Ints  # (n_users, n_slots), kind by slot from the top; -1: nothing, or not known

    def __len__(self) -> int:
        return len(self.users)

    def gains(self, alpha: float) -> Floats:
        """Compute C·(1 + α·E) of each user and kind, NaN where it is not available."""
        return self.consumption * (1 + alpha * self.value)


def read_pages(file: Path, *, n_slots: int) -> Pages:
    """Read the table of a file; see `pages_of`."""
    return pages_of(scan_table(file).collect(), n_slots=n_slots)


def pages_of(table: pl.DataFrame, *, n_slots: int) -> Pages:
    """Lay a table out in arrays.

    Parameters
    ----------
    table
        A row a user and kind: user, kind, consumption (expected, if seen), value; yesterday, if known: the slot where
        the kind stood, from 1. A row whose consumption is missing cannot be shown.
    n_slots
        Of a page.

    Raises
    ------
    ValueError
        If a column is missing, a number is below 0 or not finite, or a user and kind, or a user's slot, comes twice.
    """
    if missing := {"user", "kind", *NUMBERS} - set(table.columns):
        raise ValueError(f"table must have user, kind, consumption and value, got no {', '.join(sorted(missing))}")
    table = _checked(table)
    users, kinds = (tuple(table[name].unique().sort()) for name in ("user", "kind"))
    user = _codes(table["user"], users)
    kind = _codes(table["kind"], kinds)
    numbers = {name: np.full((len(users), len(kinds)), np.nan) for name in NUMBERS}
    for name, array in numbers.items():
        array[user, kind] = table[name].to_numpy()
    yesterday = np.full((len(users), n_slots), -1, np.int64)
    if "yesterday" in table.columns:
        slot = table["yesterday"].fill_null(0).to_numpy() - 1
        shown = (slot >= 0) & (slot < n_slots)
        yesterday[user[shown], slot[shown]] = kind[shown]
    return Pages(users=users, kinds=kinds, yesterday=yesterday, **numbers)


def _checked(table: pl.DataFrame) -> pl.DataFrame:
    """Bring columns to their types, and refuse what has no meaning."""
    try:
        table = table.with_columns(
            pl.col("user", "kind").cast(pl.String),
            pl.col(*NUMBERS).cast(pl.Float64),
            *([pl.col("yesterday").cast(pl.Int64)] if "yesterday" in table.columns else []),
        ).drop_nulls(["user", "kind", *NUMBERS])
    except pl.exceptions.InvalidOperationError as error:
        raise ValueError(f"consumption and value must be numbers, yesterday a slot, got {error}") from error
    for name in NUMBERS:
        if (bad := table.filter(~(pl.col(name).is_finite() & (pl.col(name) >= 0)))).height:
            user, kind, got = bad.select("user", "kind", name).row(0)
            raise ValueError(f"{name} must be 0 or more, got {got} for {user}, {kind}")
    if table.is_empty():
        raise ValueError("table must have a row with user, kind, consumption and value, got none")
    keys = [["user", "kind"]] + ([["user", "yesterday"]] if "yesterday" in table.columns else [])
    for key in keys:
        rows = table.drop_nulls(key).select(key)
        if (twice := rows.filter(rows.is_duplicated())).height:
            raise ValueError(f"{' and '.join(key)} must come once, got {twice.row(0)} twice")
    return table


def _codes(column: pl.Series, names: tuple[str, ...]) -> Ints:
    """Turn names into their places."""
    return column.cast(pl.Enum(names)).to_physical().cast(pl.Int64).to_numpy()
