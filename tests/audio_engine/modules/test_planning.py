"""Plans of home pages against hand-worked pages, against every order tried in turn, and against each other."""

from itertools import permutations, product

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_engine.modules import Floor, FloorError, ModulePolicy, Pages, plan_modules
from audio_engine.modules.orders import n_to_keep
from audio_engine.modules.pages import pages_of
from audio_engine.modules.planning import Plan

KINDS = ("clips", "new", "playlists", "songs")


def made_pages(consumption: list[list[float]], *, value=None, yesterday=None, n_slots: int = 2) -> Pages:
    """Pages of users a, b, …; kinds in the order of `KINDS`."""
    n = len(consumption)
    return Pages(
        users=tuple("abcdefgh"[:n]),
        kinds=KINDS[: len(consumption[0])],
        consumption=np.array(consumption, float),
        value=np.zeros((n, len(consumption[0]))) if value is None else np.array(value, float),
        yesterday=np.full((n, n_slots), -1) if yesterday is None else np.array(yesterday),
    )


def kinds_of(plan: Plan) -> list[list[str]]:
    return [[plan.pages.kinds[kind] for kind in order if kind >= 0] for order in plan.orders]


def test_value_moves_a_kind_up_by_its_weight():
    """By hand: at α = 0, 4 > 3; at α = 1, 4·(1 + 0) < 3·(1 + 1), and the page is worth 6 + 0.5·4 = 8."""
    pages = made_pages([[4, 3]], value=[[0, 1]])
    assert kinds_of(plan_modules(pages, ModulePolicy(slots=(1, 0.5)))) == [["clips", "new"]]
    plan = plan_modules(pages, ModulePolicy(slots=(1, 0.5), alpha=1))
    assert kinds_of(plan) == [["new", "clips"]]
    assert plan.gain == pytest.approx(8)
    assert plan.table()["consumption"].sum() == pytest.approx(3 + 0.5 * 4)


def test_a_floor_takes_the_user_whom_it_costs_least():
    """By hand: giving b clips costs 5 − 4 = 1, giving a costs 5 − 1 = 4."""
    pages = made_pages([[1, 5], [4, 5]], n_slots=1)
    for method in ("exact", "prices", "greedy"):
        plan = plan_modules(pages, ModulePolicy(slots=(1,), floors=(Floor(kind="clips", users=1),)), method=method)
        assert kinds_of(plan) == [["new"], ["clips"]]
        assert plan.gain == pytest.approx(9)


def test_the_cap_keeps_what_costs_least_to_keep():
    """By hand: yesterday clips, new, playlists; the optimum turns all three, 1·3 + 0.9·2 + 0.1·1 = 4.9.

    One swap of two slots is allowed: of playlists with clips, 3 + 0.9·2 + 0.1·1, which keeps new in place.
    """
    pages = made_pages([[1, 2, 3]], yesterday=[[0, 1, 2]], n_slots=3)
    plan = plan_modules(pages, ModulePolicy(slots=(1, 0.9, 0.1), max_changed=2))
    assert kinds_of(plan) == [["playlists", "new", "clips"]]
    kept = plan_modules(pages, ModulePolicy(slots=(1, 0.9, 0.1), max_changed=1))
    assert kinds_of(kept) == [["clips", "new", "playlists"]]  # one slot alone cannot change among three kinds


def test_what_is_gone_cannot_be_kept():
    pages = made_pages([[np.nan, 2, 3]], yesterday=[[0, 1]])
    plan = plan_modules(pages, ModulePolicy(slots=(1, 0.5), max_changed=0))
    assert kinds_of(plan) == [["playlists", "new"]]


def test_a_floor_that_nobody_can_meet_is_named():
    pages = made_pages([[1, 2], [np.nan, 2]], n_slots=1)
    with pytest.raises(FloorError, match="clips must be shown to 2 users, got 1"):
        plan_modules(pages, ModulePolicy(slots=(1,), floors=(Floor(kind="clips", users=2),)))
    with pytest.raises(FloorError, match="must be one of clips, new, got radio"):
        plan_modules(pages, ModulePolicy(slots=(1,), floors=(Floor(kind="radio", users=1),)))


@pytest.mark.parametrize("method", ["exact", "prices", "greedy"])
def test_floors_that_exclude_each_other_are_named(method: str):
    pages = made_pages([[1, 2], [1, 2]], n_slots=1)
    floors = (Floor(kind="clips", users=2), Floor(kind="new", users=1))
    with pytest.raises(
        FloorError, match=r"(clips must be shown to 2 users, got [01]|new must be shown to 1 users, got 0)"
    ):
        plan_modules(pages, ModulePolicy(slots=(1,), floors=floors), method=method)


@st.composite
def problems(draw: st.DrawFn) -> tuple[Pages, ModulePolicy]:
    n_users, n_kinds, n_slots = draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    cell = st.one_of(st.floats(0, 5, width=16), st.just(np.nan))
    rows = st.lists(cell, min_size=n_kinds, max_size=n_kinds)
    consumption = draw(st.lists(rows, min_size=n_users, max_size=n_users))
    value = [draw(st.lists(st.floats(0, 2, width=16), min_size=n_kinds, max_size=n_kinds)) for _ in range(n_users)]
    orders = [draw(st.permutations(range(n_kinds))) for _ in range(n_users)]
    yesterday = [(order + [-1] * n_slots)[:n_slots] for order in map(list, orders)]
    slots = tuple(sorted(draw(st.lists(st.floats(0, 1, width=16), min_size=n_slots, max_size=n_slots)), reverse=True))
    floors = st.builds(
        Floor, kind=st.sampled_from(KINDS[:n_kinds]), users=st.integers(1, n_users), within=st.integers(1, n_slots)
    )
    policy = ModulePolicy(
        slots=slots,
        alpha=draw(st.sampled_from([0.0, 0.7])),
        max_changed=draw(st.one_of(st.none(), st.integers(0, n_slots))),
        floors=tuple(draw(st.lists(floors, max_size=2))),
    )
    return made_pages(consumption, value=value, yesterday=yesterday, n_slots=n_slots), policy


def allowed_orders(pages: Pages, policy: ModulePolicy, row: int) -> list[tuple[int, ...]]:
    """Every order of a user under the cap."""
    available = ~np.isnan(pages.consumption[row])
    n_slots = len(policy.slots)
    n_filled = min(int(available.sum()), n_slots)
    n_kept = n_to_keep(available, pages.yesterday[row], policy.max_changed)
    found = permutations(np.flatnonzero(available).tolist(), n_filled)
    padded = [order + (-1,) * (n_slots - n_filled) for order in found]
    return [o for o in padded if sum(k >= 0 and k == y for k, y in zip(o, pages.yesterday[row], strict=True)) >= n_kept]


def meets(policy: ModulePolicy, pages: Pages, orders) -> bool:
    shown = [sum(pages.kinds.index(f.kind) in order[: f.within] for order in orders) for f in policy.floors]
    return all(n >= f.users for n, f in zip(shown, policy.floors, strict=True))


def gain_of(pages: Pages, policy: ModulePolicy, orders) -> float:
    """Σ w·C·(1 + α·E), in plain loops."""
    return sum(
        policy.slots[s] * pages.consumption[u, k] * (1 + policy.alpha * pages.value[u, k])
        for u, order in enumerate(orders)
        for s, k in enumerate(order)
        if k >= 0
    )


@settings(max_examples=150, deadline=None)
@given(problems())
def test_the_exact_plan_is_the_best_of_all_and_every_plan_keeps_the_rules(problem: tuple[Pages, ModulePolicy]):
    pages, policy = problem
    allowed = [allowed_orders(pages, policy, row) for row in range(len(pages))]
    possible = [gain_of(pages, policy, orders) for orders in product(*allowed) if meets(policy, pages, orders)]
    if not possible:
        for method in ("exact", "prices", "greedy"):
            with pytest.raises(FloorError):
                plan_modules(pages, policy, method=method)
        return
    exact = plan_modules(pages, policy, method="exact")
    assert exact.gain == pytest.approx(max(possible), abs=1e-6)
    for method in ("exact", "prices", "greedy"):
        try:
            plan = plan_modules(pages, policy, method=method)
        except FloorError:
            assert method != "exact"
            continue
        assert all(tuple(order) in allowed[row] for row, order in enumerate(plan.orders.tolist()))
        assert meets(policy, pages, plan.orders.tolist())
        assert plan.gain <= exact.gain + 1e-6
        assert plan.bound is None or plan.bound >= max(possible) - 1e-6


def test_prices_come_near_the_exact_plan():
    rng = np.random.default_rng(0)
    pages = Pages(
        users=tuple(map(str, range(120))),
        kinds=KINDS,
        consumption=rng.gamma(2, size=(120, 4)),
        value=rng.random((120, 4)),
        yesterday=np.array([rng.permutation(4)[:3] for _ in range(120)]),
    )
    floors = (Floor(kind="clips", users=0.6, within=1), Floor(kind="new", users=0.5, within=2))
    policy = ModulePolicy(slots=(1, 0.6, 0.3), alpha=0.5, max_changed=2, floors=floors)
    exact, priced, greedy = (plan_modules(pages, policy, method=name) for name in ("exact", "prices", "greedy"))
    assert priced.bound is not None
    assert priced.bound >= exact.gain - 1e-6
    assert priced.gain >= 0.99 * exact.gain
    assert greedy.gain <= exact.gain + 1e-6


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"consumption": -1.0}, "consumption must be 0 or more, got -1.0 for a, songs"),
        ({"value": float("inf")}, "value must be 0 or more, got inf for a, songs"),
        ({"value": "much"}, "must be numbers"),
    ],
)
def test_what_has_no_meaning_is_refused(change: dict[str, object], words: str):
    row = {"user": "a", "kind": "songs", "consumption": 1.0, "value": 1.0} | change
    with pytest.raises(ValueError, match=words):
        pages_of(pl.DataFrame([row]), n_slots=2)


def test_rows_and_slots_come_once():
    row = {"user": "a", "kind": "songs", "consumption": 1.0, "value": 1.0, "yesterday": 1}
    with pytest.raises(ValueError, match="user and kind must come once"):
        pages_of(pl.DataFrame([row, row]), n_slots=2)
    with pytest.raises(ValueError, match="user and yesterday must come once"):
        pages_of(pl.DataFrame([row, row | {"kind": "clips"}]), n_slots=2)


def test_a_table_without_yesterday_caps_nothing():
    rows = [{"user": 1, "kind": kind, "consumption": c, "value": 0.0} for kind, c in (("songs", 1), ("clips", 2))]
    plan = plan_modules(pages_of(pl.DataFrame(rows), n_slots=2), ModulePolicy(slots=(1, 0.5), max_changed=0))
    assert plan.table()["kind"].to_list() == ["clips", "songs"]
    assert plan.table()["yesterday"].to_list() == [None, None]
