"""The greedy plan: every user's slots from the top, then what floors lack from the users whom a swap costs least."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from audio_engine.errors import FloorError
from audio_engine.modules.exact import Need
from audio_engine.modules.orders import EMPTY, greedy_order
from audio_engine.modules.prices import Block

Ints = NDArray[np.int64]


def solve_greedily(block: Block, needs: Sequence[Need]) -> Ints:
    """Plan all users greedily; see the module.

    Returns
    -------
    orders : (n_users, n_slots)

    Raises
    ------
    FloorError
        If it could not meet floors; others may be able to.
    """
    orders = np.array(
        [greedy_order(block.table(row), block.yesterday[row], int(block.n_kept[row])) for row in range(len(block))]
    )
    for need in needs:
        lacking = max(0, need.n_users - int(need.met(orders).sum()))
        tried = [
            (row, _swapped(block, needs, orders[row], row=row, need=need))
            for row in np.flatnonzero(~need.met(orders)).tolist()
        ]
        found = [
            (block.gain(row, order) - block.gain(row, orders[row]), row, order)
            for row, order in tried
            if order is not None
        ]
        for _, row, order in sorted(found, key=lambda each: -each[0])[:lacking]:
            orders[row] = order
    if short := [need.short(n) for need in needs if (n := int(need.met(orders).sum())) < need.n_users]:
        raise FloorError(f"the greedy plan could not meet floors: {'; '.join(short)}")
    return orders


def _swapped(block: Block, needs: Sequence[Need], order: Ints, *, row: int, need: Need) -> Ints | None:
    """Put a kind in the lowest slot that its floor allows, where nothing forbids it."""
    n_filled = int((order != EMPTY).sum())
    if np.isnan(block.gains[row, need.kind]) or n_filled == 0:
        return None
    slot = min(need.within, n_filled) - 1
    swapped = order.copy()
    swapped[order == need.kind] = order[slot]
    swapped[slot] = need.kind
    held = [each for each in needs if each.met(order[None])[0]]
    kept = int(((swapped == block.yesterday[row]) & (swapped != EMPTY)).sum())
    return swapped if kept >= block.n_kept[row] and all(each.met(swapped[None])[0] for each in held) else None
