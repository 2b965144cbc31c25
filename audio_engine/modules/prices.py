"""Plans of many users under floors: a Lagrangian price on each floor makes every user's page a problem of its own.

A user who meets a floor earns its price. The prices are learned on a sample of the users by the subgradient method;
one pass over all users follows. Then a floor is given what it still lacks by the users whom it costs least, and those
who gain most are released from what it has too much of. The dual bounds what any plan could reach.

References
----------
M. L. Fisher, The Lagrangian relaxation method for solving integer programming problems, Management Science 1981.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audio_engine.errors import FloorError
from audio_engine.modules.exact import Need
from audio_engine.modules.orders import best_order, order_gain

N_STEPS = 60
N_SAMPLE = 1_000  # users from whom prices are learned

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """Users, and what bounds the order of each."""

    gains: Floats  # (n_users, n_kinds), of the top slot if it were always seen; NaN: not available
    weights: Floats  # (n_slots,)
    yesterday: Ints  # (n_users, n_slots)
    n_kept: Ints  # (n_users,)

    def __len__(self) -> int:
        return len(self.gains)

    def table(self, row: int) -> Floats:
        """Gain of one user by kind and slot (n_kinds, n_slots)."""
        table: Floats = self.gains[row][:, None] * self.weights
        return table

    def gain(self, row: int, order: Ints) -> float:
        """Gain of an order of one user."""
        return order_gain(self.table(row), order)

    def rows(self, rows: Ints) -> "Block":
        """Keep some of the users."""
        return Block(
            gains=self.gains[rows], weights=self.weights, yesterday=self.yesterday[rows], n_kept=self.n_kept[rows]
        )


def solve_by_prices(block: Block, needs: Sequence[Need], *, seed: int = 0) -> tuple[Ints, float]:
    """Plan all users, each floor at a price.

    Parameters
    ----------
    block
        Users.
    needs
        Floors.
    seed
        Of the sample of users.

    Returns
    -------
    orders : (n_users, n_slots)
    bound
        No plan that meets the floors has a larger gain.

    Raises
    ------
    FloorError
        If floors could not be met.
    """
    prices = _learn_prices(block, needs, seed=seed)
    orders = _orders(block, needs, prices)
    gain = sum(block.gain(row, order) for row, order in enumerate(orders))
    met = np.array([need.met(orders).sum() for need in needs])
    bound = gain + float(prices @ (met - np.array([need.n_users for need in needs])))
    for need in needs:
        _release(block, needs, orders, need)
    for need in needs:
        _give(block, needs, orders, need)
    if short := [need.short(n) for need in needs if (n := int(need.met(orders).sum())) < need.n_users]:
        raise FloorError(f"floors could not be met: {'; '.join(short)}")
    return orders, bound


def _learn_prices(block: Block, needs: Sequence[Need], *, seed: int) -> Floats:
    """Lower the dual step by step; the prices of its lowest value are kept."""
    n = min(len(block), N_SAMPLE)
    sample = block.rows(np.sort(np.random.default_rng(seed).choice(len(block), n, replace=False)))
    wanted = np.array([need.n_users for need in needs]) / len(block)  # as shares
    scale = float(np.nanmean(sample.gains)) * float(sample.weights.max())
    prices = best = np.zeros(len(needs))
    lowest = np.inf
    for step in range(N_STEPS):
        orders = _orders(sample, needs, prices)
        lacking = wanted - np.array([need.met(orders).mean() for need in needs])
        gain = sum(sample.gain(row, order) for row, order in enumerate(orders)) / n
        if (dual := gain - float(prices @ lacking)) < lowest:
            lowest, best = dual, prices
        prices = np.maximum(0, prices + scale * lacking / np.sqrt(1 + step))
    return best


def _orders(block: Block, needs: Sequence[Need], prices: Floats) -> Ints:
    """Find each user's best order if meeting a floor earns its price."""
    extra = _extra(block, needs, prices)
    return np.array(
        [
            best_order(block.table(row) + extra, block.yesterday[row], int(block.n_kept[row]))
            for row in range(len(block))
        ]
    )


def _extra(block: Block, needs: Sequence[Need], prices: Floats) -> Floats:
    """Lay prices out by kind and slot (n_kinds, n_slots)."""
    extra = np.zeros((block.gains.shape[1], len(block.weights)))
    for need, price in zip(needs, prices, strict=True):
        extra[need.kind, : need.within] += price
    return extra


def _give(block: Block, needs: Sequence[Need], orders: Ints, need: Need) -> None:
    """Give a floor what it lacks, from the users whom it costs least and who lose no other floor by it."""
    lacking = need.n_users - int(need.met(orders).sum())
    if lacking <= 0:
        return
    _swap(block, needs, orders, rows=np.flatnonzero(~need.met(orders)), asked=need, n_most=lacking)


def _release(block: Block, needs: Sequence[Need], orders: Ints, need: Need) -> None:
    """Let users go whom a floor has too many of, those who gain most first."""
    surplus = int(need.met(orders).sum()) - need.n_users
    if surplus > 0:
        _swap(block, needs, orders, rows=np.flatnonzero(need.met(orders)), asked=None, n_most=surplus, let_go=need)


def _swap(  # noqa: PLR0913  (whose orders, and what is asked of them)
    block: Block,
    needs: Sequence[Need],
    orders: Ints,
    *,
    rows: Ints,
    asked: Need | None,
    n_most: int,
    let_go: Need | None = None,
) -> None:
    """Change the orders of the users who gain most, or lose least; every other floor that a user meets stays met."""
    found = []
    for row in rows:
        held = [each for each in needs if each is not let_go and each.met(orders[row : row + 1])[0]]
        held += [asked] if asked else []
        large = 1 + 2 * float(np.nansum(block.table(row)))
        extra = _extra(block, held, np.full(len(held), large))
        order = best_order(block.table(row) + extra, block.yesterday[row], int(block.n_kept[row]))
        change = block.gain(row, order) - block.gain(row, orders[row])
        if all(each.met(order[None])[0] for each in held) and (asked or change > 0):
            found.append((change, int(row), order))
    for _, row, order in sorted(found, key=lambda each: -each[0])[:n_most]:
        orders[row] = order
