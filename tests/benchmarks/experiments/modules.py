"""What do floors, a cap on change and a weight of value cost on simulated home pages, and do off-policy estimates hold?

Users, what they consume, and the log are simulated. Consumption is gamma distributed around the popularity of a kind;
what a kind is worth rises as it is less popular. The planner sees consumption with an error; yesterday's page is the
order by another such estimate. The logging policy draws orders uniformly, and consumption in a slot is Poisson.
"""

import time
from dataclasses import dataclass, replace
from itertools import product
from typing import Annotated

import numpy as np
import polars as pl
import typer
from numpy.typing import NDArray

from audio_engine.cli.printing import put_table
from audio_engine.metrics.bootstrap import Estimate, bootstrap_mean
from audio_engine.modules import Floor, FloorError, ModulePolicy, Pages, Plan, plan_modules
from audio_engine.modules.checking import check_plan
from audio_engine.modules.planning import Method
from audio_engine.modules.sweep import sweep_alpha

KINDS = ("clips", "live", "new releases", "playlists", "podcasts", "songs")
POPULARITY = np.array([0.6, 0.2, 0.5, 1.2, 0.4, 2.0])
WORTH = np.array([1.0, 1.5, 1.2, 0.4, 0.9, 0.2])
FREE = ModulePolicy(slots=(1.0, 0.7, 0.5, 0.35), alpha=0.5)
FLOORS = (Floor(kind="clips", users=0.5, within=2), Floor(kind="new releases", users=0.4, within=1))
METHODS: tuple[Method, ...] = ("exact", "prices", "greedy")
ERROR = 0.5  # of the planner's estimate: standard deviation of its logarithm

app = typer.Typer()


@dataclass(frozen=True, kw_only=True, eq=False)
class World:
    """Simulated users: what the planner sees, and what is true."""

    pages: Pages
    consumption: NDArray[np.float64]  # (n_users, n_kinds), expected if seen


def simulate(n_users: int, *, seed: int) -> World:
    """Draw users."""
    rng = np.random.default_rng(seed)
    shape = (n_users, len(KINDS))
    truth = rng.gamma(1.5, size=shape) * POPULARITY / 1.5
    seen, stale = (truth * rng.lognormal(-(ERROR**2) / 2, ERROR, size=shape) for _ in range(2))
    pages = Pages(
        users=tuple(f"u{row:06d}" for row in range(n_users)),
        kinds=KINDS,
        consumption=seen,
        value=rng.gamma(4, size=shape) * WORTH / 4,
        yesterday=np.argsort(-stale, axis=1)[:, : len(FREE.slots)],
    )
    return World(pages=pages, consumption=truth)


def simulate_log(world: World, *, n_pages: int, seed: int) -> pl.DataFrame:
    """Draw random pages: each order as likely, so each kind stands in a slot with chance 1 / n_kinds."""
    rng = np.random.default_rng([seed, 1])
    n_users, n_slots = len(world.pages), len(FREE.slots)
    orders = rng.permuted(np.tile(np.arange(len(KINDS)), (n_users * n_pages, 1)), axis=1)[:, :n_slots]
    user = np.repeat(np.arange(n_users), n_pages)
    consumed = rng.poisson(world.consumption[user[:, None], orders] * FREE.weights)
    return pl.DataFrame(
        {
            "user": np.repeat(np.array(world.pages.users), n_pages * n_slots),
            "page": np.tile(np.repeat(np.arange(n_pages), n_slots), n_users),
            "slot": np.tile(np.arange(n_slots) + 1, n_users * n_pages),
            "kind": np.array(KINDS)[orders.ravel()],
            "propensity": np.full(orders.size, 1 / len(KINDS)),
            "consumed": consumed.ravel().astype(np.float64),
        }
    )


def true_consumption(world: World, plan: Plan, *, seed: int) -> Estimate:
    """Compute what a plan truly earns a page, with an interval over users."""
    rows = np.arange(len(world.pages))[:, None]
    return bootstrap_mean((world.consumption[rows, plan.orders] * FREE.weights).sum(1), seed=seed)


def expected(plan: Plan, *, seed: int) -> Estimate:
    """Compute the planner's own gain a page, with an interval over users."""
    gains = plan.table().group_by("user").agg(pl.col("gain").sum()).sort("user")["gain"]
    return bootstrap_mean(gains.to_numpy(), seed=seed)


@app.command()
def main(
    users: Annotated[int, typer.Option(help="In each world.")] = 500,
    seed: Annotated[list[int], typer.Option(help="Again for more.")] = [0, 1, 2],  # noqa: B006
    size: Annotated[list[int], typer.Option(help="Users of the timed plans; again for more.")] = [250, 500, 1000, 4000],  # noqa: B006
) -> None:
    """Print the tables of docs/experiments/modules.md."""
    policies = {
        "free": FREE,
        "cap 2": replace(FREE, max_changed=2),
        "floors": replace(FREE, floors=FLOORS),
        "floors, cap 2": replace(FREE, floors=FLOORS, max_changed=2),
    }
    worlds = {each: simulate(users, seed=each) for each in seed}
    planned = _planned(worlds, policies)
    rows: list[list[object]] = []
    for (name, how, each), plan in planned.items():
        if plan is None:
            rows.append([name, how, each, "misses a floor", "", ""])
            continue
        share = plan.gain / planned[name, "exact", each].gain
        true = true_consumption(worlds[each], plan, seed=each)
        rows.append([name, how, each, expected(plan, seed=each), f"{share:.4f}", true])
    put_table(["policy", "method", "seed", "E a page, simulated", "of the optimum", "true consumption a page"], rows)
    checks = []
    for each, world in worlds.items():
        log, plan = simulate_log(world, n_pages=5, seed=each), planned["floors, cap 2", "exact", each]
        found = check_plan(plan.table(), log, pages=world.pages, policy=FREE, seed=each)
        truth = true_consumption(world, plan, seed=each)
        checks.append([each, truth, found.logged, found.ips, found.snips, found.doubly_robust, found.model])
    put_table(["seed", "truth", "logged", "IPS", "SNIPS", "doubly robust", "model alone"], checks)
    swept = [
        [each, *_cells(row)] for each in worlds for row in sweep_alpha(worlds[each].pages, FREE, seed=each).to_dicts()
    ]
    put_table(["seed", "alpha", "consumption a page", "value a page"], swept)
    put_table(["users", "method", "seconds", "of the bound"], list(_timed(size, policies["floors, cap 2"])))


def _planned(worlds: dict[int, World], policies: dict[str, ModulePolicy]) -> dict[tuple[str, Method, int], Plan | None]:
    """Plan every world by every policy in every way; None where a way could not meet the floors."""
    found: dict[tuple[str, Method, int], Plan | None] = {}
    for (name, policy), how, (seed, world) in product(policies.items(), METHODS, worlds.items()):
        try:
            found[name, how, seed] = plan_modules(world.pages, policy, method=how)
        except FloorError:
            found[name, how, seed] = None
    return found


def _cells(row: dict[str, float]) -> list[str]:
    """Lay out a weight with its two figures."""
    names = ("consumption", "value")
    return [f"{row['alpha']:g}", *(f"{row[n]:.3f} [{row[f'{n}_low']:.3f}, {row[f'{n}_high']:.3f}]" for n in names)]


def _timed(sizes: list[int], policy: ModulePolicy) -> list[list[object]]:
    """Time plans of several sizes, of one seed."""
    rows: list[list[object]] = []
    for n_users in sizes:
        pages = simulate(n_users, seed=0).pages
        for how in ("exact", "prices") if n_users <= 1_000 else ("prices",):
            began = time.process_time()
            plan = plan_modules(pages, policy, method=how)
            rows.append([n_users, how, f"{time.process_time() - began:.1f}", f"{plan.gain / (plan.bound or 1):.4f}"])
    return rows


if __name__ == "__main__":
    app()
