"""The best order of one user's modules under the cap on change: by linear assignment, and its greedy twin."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

EMPTY = -1


def n_to_keep(available: NDArray[np.bool_], yesterday: Ints, max_changed: int | None) -> int:
    """Count the slots that must show what they showed yesterday.

    A user without a page yesterday has none; what is no longer available cannot be kept, so it does not count.

    Examples
    --------
    >>> n_to_keep(np.array([True, True, True]), np.array([2, 0, 1]), 1)
    2
    """
    if max_changed is None or (yesterday == EMPTY).all():
        return 0
    n_filled = min(int(available.sum()), len(yesterday))
    return max(0, min(n_filled - max_changed, len(keepable_slots(available, yesterday))))


def keepable_slots(available: NDArray[np.bool_], yesterday: Ints) -> list[int]:
    """List the slots, of those that can be filled, whose kind of yesterday is still available."""
    n_filled = min(int(available.sum()), len(yesterday))
    return [slot for slot, kind in enumerate(yesterday[:n_filled]) if kind != EMPTY and available[kind]]


def best_order(gains: Floats, yesterday: Ints, n_kept: int) -> Ints:
    """Find the order of greatest gain.

    If the free optimum keeps too little, every choice of `n_kept` slots to keep is tried with the rest assigned freely:
    any order that is allowed keeps one of these choices, so this is exact. Eight slots have 70 choices at most.

    Parameters
    ----------
    gains : (n_kinds, n_slots)
        NaN in the rows of kinds that are not available.
    yesterday : (n_slots,)
        Kind by slot, -1 for none.
    n_kept
        Slots that must stay as they were; see `n_to_keep`.

    Returns
    -------
    order : (n_slots,)
        Kind by slot; -1 below the last kind, if there are fewer kinds than slots.

    References
    ----------
    D. F. Crouse, On implementing 2D rectangular assignment algorithms, IEEE TAES 2016: what SciPy computes.
    """
    available = ~np.isnan(gains[:, 0])
    order = _assign(gains, available, np.full(len(yesterday), EMPTY))
    keepable = keepable_slots(available, yesterday)
    if (order[keepable] == yesterday[keepable]).sum() >= n_kept:
        return order
    tried = (_assign(gains, available, _only(yesterday, slots)) for slots in combinations(keepable, n_kept))
    return max(tried, key=lambda each: order_gain(gains, each))


def greedy_order(gains: Floats, yesterday: Ints, n_kept: int) -> Ints:
    """Fill the slots from the top, each with the kind of greatest gain that leaves the cap within reach."""
    available = ~np.isnan(gains[:, 0])
    keepable = keepable_slots(available, yesterday)
    order = np.full(len(yesterday), EMPTY)
    free, kept = set(np.flatnonzero(available).tolist()), 0
    for slot in range(min(len(free), len(yesterday))):
        below = [yesterday[each] for each in keepable if each > slot and yesterday[each] in free]
        stays = {yesterday[slot]} if slot in keepable else set()
        allowed = [kind for kind in free if kept + (kind in stays) + len(below) - (kind in below) >= n_kept]
        order[slot] = max(sorted(allowed), key=lambda kind, slot=slot: gains[kind, slot])  # type: ignore[misc]
        kept += order[slot] in stays
        free.remove(int(order[slot]))
    return order


def order_gain(gains: Floats, order: Ints) -> float:
    """Sum the gains of an order."""
    slots = np.flatnonzero(order != EMPTY)
    return float(gains[order[slots], slots].sum())


def _assign(gains: Floats, available: NDArray[np.bool_], order: Ints) -> Ints:
    """Fill what an order leaves empty, as well as can be."""
    order = order.copy()
    kinds = np.flatnonzero(available & ~np.isin(np.arange(len(gains)), order))
    n_filled = min(int(available.sum()), len(order))
    slots = np.flatnonzero(order[:n_filled] == EMPTY)
    rows, columns = linear_sum_assignment(gains[np.ix_(kinds, slots)], maximize=True)
    order[slots[columns]] = kinds[rows]
    return order


def _only(yesterday: Ints, slots: tuple[int, ...]) -> Ints:
    """Keep these slots of a page, and empty the rest."""
    order = np.full(len(yesterday), EMPTY)
    order[list(slots)] = yesterday[list(slots)]
    return order
