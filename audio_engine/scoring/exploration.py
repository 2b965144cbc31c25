"""Exploration bonus (UCB) for new tracks: the value so far plus a bonus while a track has few plays."""

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

ENOUGH_PLAYS = 100  # plays after which the bonus ends


def explored_value(
    value: ArrayLike, plays: ArrayLike, *, all_plays: ArrayLike, weight: float = 1.0, enough: float = ENOUGH_PLAYS
) -> NDArray[np.float64]:
    """Add an exploration bonus to a value: s = z + α·√(2·ln(x + 1) / (y + 1)) while y < N, else z.

    Parameters
    ----------
    value : (..., n_tracks)
        z, such as a smoothed like rate, in [0, 1].
    plays : (..., n_tracks)
        y, plays per track.
    all_plays : (...) with a last axis of 1, or a number
        x, plays of all of them.
    weight
        α, at least 0. The bonus of UCB1 itself, made for rewards in [0, 1], has 1.
    enough
        N; infinite: the bonus never ends.

    Returns
    -------
    value : (..., n_tracks)
        s, in the unit of ``value``.

    References
    ----------
    P. Auer, N. Cesa-Bianchi, P. Fischer, Finite-time analysis of the multiarmed bandit problem, Machine Learning 2002,
    figure 1 (UCB1): a play is added to either count, so that a track without any has a finite bonus, and it ends at N.

    Examples
    --------
    >>> explored_value([0.2, 0.2], [0, 3], all_plays=np.e**2 - 1, weight=0.1, enough=3)
    array([0.4, 0.2])
    """
    value, plays, total = (np.asarray(values, np.float64) for values in (value, plays, all_plays))
    if not weight >= 0:
        raise ValueError(f"weight must be at least 0, got {weight}")
    if np.isnan(value).any():
        raise ValueError(f"value must be known for every track, got {np.isnan(value).sum()} that are not")
    if not ((plays >= 0).all() and (plays <= total).all()):
        raise ValueError(f"plays must be between 0 and all_plays, got {plays.min():g} to {plays.max():g}")
    bonus = weight * np.sqrt(2 * np.log1p(total) / (plays + 1))
    return np.asarray(value + np.where(plays < enough, bonus, 0.0))


def explore_tracks(
    table: pl.DataFrame, *, value: str = "smoothed_rate", weight: float = 1.0, enough: float = ENOUGH_PLAYS
) -> pl.DataFrame:
    """Add the value with its bonus to a table of tracks, such as `rate_tracks` returns.

    Parameters
    ----------
    table
        A row a track, with ``plays`` and a value.
    value
        Which column is the value.
    weight, enough
        As `explored_value` takes them.

    Returns
    -------
    explored
        The table with ``explored_value``, the highest first.

    Raises
    ------
    ValueError
        When a column is missing or holds no numbers, or a value is not known.
    """
    for name in ("plays", value):
        if name not in table.columns:
            raise ValueError(f"table must have a column {name!r}, got {', '.join(table.columns)}")
        if not table[name].dtype.is_numeric():
            raise ValueError(f"{name} must be a number, got {table[name].dtype}")
    plays = table["plays"].to_numpy()
    found = explored_value(table[value].to_numpy(), plays, all_plays=plays.sum(), weight=weight, enough=enough)
    explored = table.with_columns(pl.Series("explored_value", found))
    return explored.sort("explored_value", descending=True, maintain_order=True)
