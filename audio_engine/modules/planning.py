"""The plan of a home page: which kind of module each user sees in which slot.

Without floors users are independent, and each is solved exactly by linear assignment. Floors couple them: up to
`MAX_EXACT` users one mixed integer program is solved to the optimum; more users are planned by prices, near it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.errors import FloorError
from audio_engine.modules.exact import Need, solve_block
from audio_engine.modules.greedy import solve_greedily
from audio_engine.modules.orders import EMPTY, best_order, n_to_keep
from audio_engine.modules.pages import Pages
from audio_engine.modules.policy import Floor, ModulePolicy
from audio_engine.modules.prices import Block, solve_by_prices

MAX_EXACT = 1_000  # users in one program

Method = Literal["auto", "exact", "prices", "greedy"]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """Orders of users."""

    pages: Pages
    policy: ModulePolicy
    method: str  # exact, prices or greedy
    orders: Ints  # (n_users, n_slots), kind by slot from the top; -1 where there are fewer kinds
    bound: float | None  # of the gain of any plan; None: not computed

    @property
    def gain(self) -> float:
        """Summed Σ w·C·(1 + α·E) over users and slots, w how likely a slot is seen."""
        return float(self.table()["gain"].sum())

    def table(self) -> pl.DataFrame:
        """Lay it out: user, slot (from 1), kind, consumption and value (expected, in this slot), gain, yesterday."""
        user, slot = np.nonzero(self.orders != EMPTY)
        kind = self.orders[user, slot]
        consumption = self.pages.consumption[user, kind] * self.policy.weights[slot]
        value = self.pages.value[user, kind]
        was = (self.pages.yesterday[user] == kind[:, None]) & (kind[:, None] != EMPTY)
        yesterday = pl.Series(np.where(was.any(1), was.argmax(1) + 1, 0), dtype=pl.Int64)
        return pl.DataFrame(
            {
                "user": np.array(self.pages.users, dtype=object)[user].tolist(),
                "slot": slot + 1,
                "kind": np.array(self.pages.kinds, dtype=object)[kind].tolist(),
                "consumption": consumption,
                "value": consumption * value,
                "gain": consumption * (1 + self.policy.alpha * value),
                "yesterday": yesterday,
            },
            schema_overrides={"user": pl.String, "kind": pl.String},
        ).with_columns(pl.col("yesterday").replace(0, None))


def plan_modules(pages: Pages, policy: ModulePolicy, *, method: Method = "auto") -> Plan:
    """Order the modules of all users.

    Parameters
    ----------
    pages
        What each user would consume.
    policy
        Slots, weight of value, floors, cap on change.
    method
        auto: exact, but by prices if there are floors and more than `MAX_EXACT` users.

    Returns
    -------
    plan
        All floors are met, and nobody's page changes by more than `max_changed` slots (save where a kind of yesterday
        is no longer available).

    Raises
    ------
    FloorError
        If floors cannot be met; names which, and how many users each can have.
    """
    block = _block(pages, policy)
    needs = [_need(floor, pages, policy) for floor in policy.floors]
    _check_alone(block, needs)
    if method == "auto":
        method = "prices" if needs and len(pages) > MAX_EXACT else "exact"
    orders, bound = _solve(block, needs, method)
    return Plan(pages=pages, policy=policy, method=method, orders=orders, bound=bound)


def _solve(block: Block, needs: Sequence[Need], method: str) -> tuple[Ints, float | None]:
    """Find the orders by one of the three ways."""
    if method == "greedy":
        return solve_greedily(block, needs), None
    if method == "prices" and needs:
        return solve_by_prices(block, needs)
    if needs:
        table = block.gains[:, :, None] * block.weights
        orders = solve_block(table, block.yesterday, block.n_kept, needs=needs)
    else:
        orders = np.array(
            [best_order(block.table(row), block.yesterday[row], int(block.n_kept[row])) for row in range(len(block))]
        )
    return orders, sum(block.gain(row, order) for row, order in enumerate(orders))


def _block(pages: Pages, policy: ModulePolicy) -> Block:
    """Work out gains, and what each user's page must keep."""
    available = ~np.isnan(pages.consumption)
    kept = [n_to_keep(available[row], pages.yesterday[row], policy.max_changed) for row in range(len(pages))]
    return Block(
        gains=pages.gains(policy.alpha), weights=policy.weights, yesterday=pages.yesterday, n_kept=np.array(kept)
    )


def _need(floor: Floor, pages: Pages, policy: ModulePolicy) -> Need:
    """Put a floor in numbers."""
    if floor.kind not in pages.kinds:
        raise FloorError(f"kind of a floor must be one of {', '.join(pages.kinds)}, got {floor.kind}")
    within = min(floor.within or len(policy.slots), len(policy.slots))
    return Need(name=str(floor), kind=pages.kinds.index(floor.kind), within=within, n_users=floor.n_users(len(pages)))


def _check_alone(block: Block, needs: Sequence[Need]) -> None:
    """Refuse floors that ask for more users than can have the kind at all."""
    can = [(need, int((~np.isnan(block.gains[:, need.kind])).sum())) for need in needs]
    if short := [need.short(most) for need, most in can if most < need.n_users]:
        raise FloorError(f"floors cannot be met: {'; '.join(short)}, who have it to be shown")
