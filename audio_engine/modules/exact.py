"""The exact plan of a block of users whom floors couple: a mixed integer program, solved by HiGHS through SciPy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array, csr_array, hstack, vstack

from audio_engine.errors import FloorError
from audio_engine.modules.orders import EMPTY

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

INFEASIBLE = 2  # status of `milp`


@dataclass(frozen=True, kw_only=True)
class Need:
    """A floor in numbers: so many users have the kind in the first slots."""

    name: str
    kind: int
    within: int  # slots
    n_users: int

    def met(self, orders: Ints) -> NDArray[np.bool_]:
        """Tell which users have it (n_users,), by their orders (n_users, n_slots)."""
        has: NDArray[np.bool_] = (orders[:, : self.within] == self.kind).any(1)
        return has

    def short(self, most: int) -> str:
        """Say that it cannot be met."""
        return f"{self.name} must be shown to {self.n_users} users, got {most}"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Choices:
    """One binary variable a user, kind and slot that may come together."""

    user: Ints
    kind: Ints
    slot: Ints

    def __len__(self) -> int:
        return len(self.user)


def solve_block(gains: Floats, yesterday: Ints, n_kept: Ints, *, needs: Sequence[Need]) -> Ints:
    """Find the orders of greatest summed gain that meet all floors.

    Parameters
    ----------
    gains : (n_users, n_kinds, n_slots)
        NaN where a kind is not available.
    yesterday : (n_users, n_slots)
        Kind, -1 for none.
    n_kept : (n_users,)
        Slots of each user that must stay as they were.
    needs
        The floors.

    Returns
    -------
    orders : (n_users, n_slots)
        Kind, -1 for none.

    Raises
    ------
    FloorError
        If no plan meets the floors; it names those that fall short in the plan that misses the fewest users.
    """
    choices = _choices(gains)
    page = _page_constraints(choices, gains, yesterday, n_kept)
    shown = _need_rows(choices, needs)
    profit = gains[choices.user, choices.kind, choices.slot]
    wanted = np.array([need.n_users for need in needs], np.float64)
    constraints = [page, *([LinearConstraint(shown, wanted, np.inf)] if needs else [])]
    # SciPy's own relative gap of 1e-4 would be worse than greedy now and then
    found = milp(-profit, integrality=1, bounds=Bounds(0, 1), constraints=constraints, options={"mip_rel_gap": 0.0})
    if found.status == INFEASIBLE:
        raise FloorError(_which_fall_short(page, shown, needs))
    if found.x is None:
        raise RuntimeError(f"HiGHS found no plan: {found.message}")
    orders = np.full((len(gains), gains.shape[2]), EMPTY)
    taken = found.x > 0.5
    orders[choices.user[taken], choices.slot[taken]] = choices.kind[taken]
    return orders


def _choices(gains: Floats) -> _Choices:
    """List what may come together: of n available kinds, the first n slots at most are filled."""
    available = ~np.isnan(gains[:, :, 0])
    n_filled = np.minimum(available.sum(1), gains.shape[2])
    allowed = available[:, :, None] & (np.arange(gains.shape[2])[None, None] < n_filled[:, None, None])
    user, kind, slot = np.nonzero(allowed)
    return _Choices(user=user, kind=kind, slot=slot)


def _page_constraints(choices: _Choices, gains: Floats, yesterday: Ints, n_kept: Ints) -> LinearConstraint:
    """One kind a slot, one slot a kind at most, and so many slots of a user as they were."""
    n_users, n_kinds, n_slots = gains.shape
    by_slot = _sums(choices.user * n_slots + choices.slot, np.ones(len(choices), np.bool_), n_users * n_slots)
    by_kind = _sums(choices.user * n_kinds + choices.kind, np.ones(len(choices), np.bool_), n_users * n_kinds)
    kept = _sums(choices.user, yesterday[choices.user, choices.slot] == choices.kind, n_users)
    filled = (by_slot.sum(1) > 0).astype(np.float64)
    low = np.concatenate([filled, np.zeros(n_users * n_kinds), n_kept.astype(np.float64)])
    high = np.concatenate([filled, np.ones(n_users * n_kinds), np.full(n_users, np.inf)])
    return LinearConstraint(vstack([by_slot, by_kind, kept], format="csr"), low, high)


def _need_rows(choices: _Choices, needs: Sequence[Need]) -> csr_array:
    """Mark the variables that meet each floor (n_needs, n_choices)."""
    rows = [(choices.kind == need.kind) & (choices.slot < need.within) for need in needs]
    return csr_array(np.array(rows, np.float64).reshape(len(needs), len(choices)))


def _sums(row: Ints, counted: NDArray[np.bool_], n_rows: int) -> csr_array:
    """Lay out which variables each row of constraints sums."""
    columns = np.flatnonzero(counted)
    cells = (np.ones(len(columns)), (row[columns], columns))
    return coo_array(cells, shape=(n_rows, len(row))).tocsr()


def _which_fall_short(page: LinearConstraint, shown: csr_array, needs: Sequence[Need]) -> str:
    """Find the plan that misses the fewest users, and say how many each floor lacks in it: an elastic program."""
    n_floors, n_choices = shown.shape
    wanted = np.array([need.n_users for need in needs], np.float64)
    lacking = csr_array(np.eye(n_floors))
    wide = hstack([page.A, csr_array((page.A.shape[0], n_floors))], format="csr")
    found = milp(
        np.concatenate([np.zeros(n_choices), np.ones(n_floors)]),
        integrality=1,
        bounds=Bounds(0, np.concatenate([np.ones(n_choices), np.full(n_floors, np.inf)])),
        constraints=[
            LinearConstraint(wide, page.lb, page.ub),
            LinearConstraint(hstack([shown, lacking], format="csr"), wanted, np.inf),
        ],
    )
    if found.x is None:
        raise RuntimeError(f"HiGHS found no plan: {found.message}")
    lacks = np.rint(found.x[n_choices:]).astype(int)
    short = [need.short(need.n_users - lack) for need, lack in zip(needs, lacks, strict=True) if lack > 0]
    return f"floors cannot be met together: {'; '.join(short)}"
